"""A real Kubernetes cluster on this machine, for tests: one control plane and some nodes with simulated GPUs.

    with Cluster() as c:                        # gpu-node, dev-gpu-node, train-gpu-node: two GPUs each
        c.import_image("build/image/tranche.oci.tar")
        c.apply(manifest_text)
        c.kubectl("get", "nodes").stdout        # raises Fault with the output where kubectl fails
        c.shell("kubectl get nodes -o json | jq '.items[].metadata.name'").stdout
        c.helm("install", "t", "deploy/chart/tranche", "-n", "gpu-operator", "--create-namespace")
        c.wait_for("pod runs", lambda: c.pod("default", "p")["status"]["phase"] == "Running", 30)
        c.nodes["gpu-node"].sim("xid", "0", "48")

  Cluster(gpus={"gpu-node": 1}, models={}, driver_root="/", default_runtime="runc", names=NODES, without_driver=())
      gpus: how many a node has; models: of which model (sim/profiles/models.yaml); driver_root: "/" for a
      driver on the host, "/run/nvidia/driver" for one in a container; default_runtime: "nvidia" sends every
      pod through NVIDIA's runtime, else those with RuntimeClass nvidia; without_driver: names of nodes that
      have neither GPUs nor a driver.
  c.kubeconfig, c.environment     for programs of one's own; works from this machine's own network
  c.kubectl, c.helm, c.shell      (…, check=True, seconds=60, input=None); .stdout .stderr .returncode
  c.get(*args)                    kubectl get … -o json, parsed; None where it is not found
  c.pod(namespace, name), c.node(name), c.allocatable(node, resource), c.events(namespace)
  c.run_pod(name, image=CUDA, gpus=0, node=…, runtime=…, env=…, …), c.delete_pod(name), c.exec(pod, *cmd)
  c.stop_apiserver(), c.start_apiserver(), c.plane      (control_plane.py: etcd, restarts, logs)
  c.nodes[name]                   node.py: run, sim, ctr, restart_kubelet, stop_kubelet, start_kubelet,
                                  reboot, import_image, kubelet.pid, address, driver, start_driver, usage
  c.report()                      the ends of all logs, for when something failed
  c.keep()                        leaves it up when this process ends; `run.py --down` takes it down
  expect(condition, what)         raises a Fault that says what
  product_image()                 builds the image of Tranche (deploy/image/build); the archive's path

Nothing is pulled: images are files, made by images.py or given to import_image, with imagePullPolicy
IfNotPresent or Never. What a cluster consists of lives in namespaces, and in one folder under
/run/tranche-cluster that says what is to be ended (records.py); the next Cluster() takes down what a
killed test left. Programs come from tests/cluster/build."""

from bed.cluster import (CUDA, NODES, ROOT, Cluster, Fault, expect, how_to_use, product_image, programs, scratch,
                         wait_for)

__all__ = ["CUDA", "NODES", "ROOT", "Cluster", "Fault", "expect", "how_to_use", "product_image", "programs", "scratch",
           "wait_for"]
