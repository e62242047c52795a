"""The suites that run on a cluster, and what they share.

`NAME_suite.py` is the suite that `run.py --only NAME` runs: its `cases(run)` makes the cluster it needs
(bed.Cluster) and calls `run(name, function, *arguments)` for each case, which gives whether it passed. A case
fails by raising. Every other module is shared by suites or is a part of one, and no suite imports another:

  walk.py                   the seed document's commands: suites seed, operator and nfd; ./run --kubernetes
  scene.py                  a node with pods that must notice nothing: suites faults and soak (with clock.c),
                            and sharing, which uses its chart
  gpu_operator.py           the GPU operator's DaemonSets: suites operator, adoption and nfd
  life.py, lab.py           what the suites lifecycle, adoption and nfd work with
  adoption.py, page.py      pods that are to notice nothing while plugins change; the commands of a page of docs/
  usage.py                  pods that compute, and what each used: suites sharing, sight, sight_faults;
                            ./run --kubernetes
  sighted.py                tranche-node, and what it shows beside what the driver counted: the latter two, and operator
  walled.py                 both programs with memory walls, and what they say: suites walls and layouts
  layouts.py                images in the layouts of several distributions, for suite layouts
  scraped.py                a real Prometheus in the cluster, with what the chart makes for it: suite sight
  fleet.py, requests.py     many agents, and what they ask of the API server: suite scale
  access_kubectl.py, access_policy.py      cases of the suite access
"""
