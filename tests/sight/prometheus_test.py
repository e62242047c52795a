#!/usr/bin/env python3
"""A real Prometheus watches a simulated node: metrics and their names, figures beside the driver's, the queries of boards,
and every alert, which fires on a trouble that is made and ends with it.

The rules are the shipped ones with seconds for minutes; how long each waits is promtool's to judge (rules_test.py).
"""

import json
import re
import sys
import time
import unittest
import urllib.request

sys.dont_write_bytecode = True

from promtool import BOARD, FOLDER, promtool  # noqa: E402
from sightbed import GIB, HANGS, MIB, Programs, until  # noqa: E402
from watchedbed import SHARING, WatchedBed  # noqa: E402

PODS = ["small", "large", "sleeper", "stranger"]
DCGM = re.compile(r"^DCGM_FI_DEV_\w+ ")
bed = None


def setUpModule():
    global bed
    if not FOLDER:
        raise unittest.SkipTest("TRANCHE_PROMETHEUS names no folder with prometheus and promtool")
    bed = WatchedBed(PODS)
    unittest.enterModuleContext(bed)


class Watched(Programs):
    def setUp(self):
        if bed.groups.root is None:
            self.skipTest("no control group can be made here")
        self.node, self.groups, self.prometheus = bed.node, bed.groups, bed.prometheus
        self.begin = time.monotonic()

    def pod_runs(self, pod, arguments):
        """A workload in a pod, until it is ended."""
        return self.start(f"{arguments} --for 1h", bed.pods[pod])

    def given(self, *pods):
        """The kubelet gives each of them a share of both GPUs."""
        for pod in pods:
            bed.give(pod, 2)
            self.addCleanup(bed.take, pod)
        held = "count by (pod) (tranche_pod_gpu_replicas) == 2"
        until(lambda: {labels["pod"] for labels, _ in self.prometheus.query(held)} >= set(pods), bed.sight.process)

    def end(self, *processes):
        for process in processes:
            process.kill()
            process.wait()

    def until_value(self, query, value):
        until(lambda: self.prometheus.value(query) == value, bed.sight.process, bed.prometheus.process)

    def assert_fires(self, begin, end, alert, **labels):
        """Not before `begin`, and not for ever after `end`; gives what it said."""
        self.assertEqual(self.prometheus.firing(alert, **labels), [], "it fires without a reason")
        made = begin()
        fired = until(lambda: self.prometheus.firing(alert, **labels), bed.sight.process, bed.prometheus.process)
        self.assertEqual(len(fired), 1, fired)
        end(made)
        until(lambda: not self.prometheus.firing(alert, **labels), bed.sight.process, bed.prometheus.process)
        for text in fired[0]["annotations"].values():
            self.assertNotIn("<no value>", text)
        return fired[0]


class Names(Watched):
    def test_promtool_finds_nothing_wrong_with_names_and_units(self):
        self.given("small")
        workload = self.pod_runs("small", "steady --memory 1Gi")
        self.until_value('tranche_pod_gpu_processes{pod="small",index="0"}', 1)
        for port, least in ((bed.sight.port, 30), (bed.agent_port, 20)):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=HANGS) as answer:
                text = answer.read().decode()
            self.assertGreaterEqual(text.count("# TYPE"), least)
            _, said = promtool("check", "metrics", text=text)
            # NVIDIA's names are not ours to choose.
            self.assertEqual([line for line in said.splitlines() if line and not DCGM.match(line)], [])
        _, said = promtool("check", "metrics", text="# TYPE tranche_wrong_minutes counter\ntranche_wrong_minutes 1\n")
        self.assertIn("tranche_wrong_minutes", said, "the check can fail")
        self.end(workload)


class Figures(Watched):
    def seconds(self, pod):
        query = f'tranche_pod_gpu_seconds_total{{pod="{pod}", index="0"}}'
        return self.prometheus.value(query) or 0

    def test_figures_are_the_driver_s(self):
        self.given("small", "large")
        before = {pod: self.seconds(pod) for pod in ("small", "large", "")}
        processes = [self.start("steady --memory 2Gi --for 15s", bed.pods["small"]),
                     self.start("paced --memory 4Gi --period 2ms --for 15s", bed.pods["large"]),
                     self.start("hold --memory 1Gi --for 15s")]
        self.until_value('sum(tranche_pod_gpu_processes{index="0"})', 3)
        until(lambda: self.memory_agrees(dict(zip(("small", "large", ""), processes))), bed.sight.process, *processes)
        for process in processes:
            process.wait()
        self.until_value('DCGM_FI_DEV_GPU_UTIL{gpu="0"}', 0)
        self.until_value('sum(tranche_pod_gpu_busy_percent{index="0"})', 0)
        self.assert_seconds(self.seconds("small") - before["small"], processes[0])
        self.assert_seconds(self.seconds("large") - before["large"], processes[1])
        with self.assertRaises(AssertionError, msg="the comparison tells one pod from the other"):
            self.assert_seconds(self.seconds("large") - before["large"], processes[0])
        parts = self.prometheus.value('sum(tranche_pod_gpu_seconds_total{index="0"})')
        self.assertAlmostEqual(parts, self.prometheus.value('tranche_gpu_busy_seconds_total{index="0"}'),
                               delta=0.01 * parts)

    def memory_agrees(self, processes):
        """Whether it is to the byte what the driver has given, and the rest's series nobody's: not of the pod that was
        scraped. A process that starts takes its memory in steps, which the driver's clock makes slow."""
        status = self.status()
        peaks = {entry["pid"]: entry["memory_peak_bytes"] for entry in status["processes"]}
        held = {pod: peaks[process.pid] for pod, process in processes.items()}
        device = status["devices"][0]
        used = device["memory_bytes"] - device["free_bytes"]
        series = [(labels.get("namespace"), labels.get("pod", ""), value) for labels, value
                  in self.prometheus.query('tranche_pod_gpu_memory_used_bytes{index="0"} > 0')]
        return (min(held.values()) > GIB
                and sorted(series, key=str) == sorted(((pod and "default" or None, pod, held[pod]) for pod in held), key=str)
                and self.prometheus.value('tranche_gpu_memory_used_bytes{index="0"}') == used
                and self.prometheus.value('gpu:tranche_gpu_memory_used:ratio{index="0"}')
                == used / self.prometheus.value('tranche_gpu_memory_bytes{index="0"}'))


class Boards(Watched):
    def shared_gpu(self):
        """A GPU that two pods share, one that another holds idly, and one pod that was given none."""
        self.given("small", "large", "sleeper")
        processes = [self.pod_runs("small", "steady --memory 2Gi"), self.pod_runs("large", "steady --memory 4Gi"),
                     self.pod_runs("stranger", "hold --memory 1Gi --device 1"),
                     self.pod_runs("sleeper", "hold --memory 1Gi --device 1")]
        until(lambda: (self.prometheus.value('gpu:tranche_gpu_contended:ratio_rate5m{index="0"}') or 0) > 0.5,
              bed.sight.process, *processes)
        return processes

    def test_every_query_of_our_board_gives_data(self):
        processes = self.shared_gpu()
        board = json.loads(BOARD.read_text())
        for variable in board["templating"]["list"]:
            if variable["type"] == "query":
                matches, label = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["definition"]).groups()
                self.assertTrue(self.label_values(self.filled(matches), label), variable["name"])
        shown = {panel["title"]: [self.filled(target["expr"]) for target in panel["targets"]]
                 for panel in board["panels"]}
        self.assertEqual(len(shown), len(board["panels"]))
        for title, queries in shown.items():
            for query in queries:
                with self.subTest(panel=title):
                    until(lambda query=query: self.prometheus.query(query), bed.sight.process)
        self.assert_board(shown)
        self.end(*processes)

    def assert_board(self, shown):
        """What some of them give is what is there."""
        value = self.prometheus.value
        self.assertEqual(value(shown["GPUs"][0]), 2)
        sharing = self.prometheus.query(shown["Who shares which GPU"][0])
        on_first = {labels["pod"] for labels, memory in sharing if labels["index"] == "0" and memory}
        self.assertEqual(on_first, {"small", "large"})
        idle = {labels["pod"] for labels, _ in self.prometheus.query(shown["Idle holders"][0]) if labels["index"] == "0"}
        self.assertIn("sleeper", idle)
        self.assertEqual(idle & {"small", "large"}, set())
        unwalled = self.prometheus.query(shown["Pods that keep to no wall"][0])
        self.assertEqual([(labels["pod"], labels["index"], labels["reason"]) for labels, _ in unwalled],
                         [("sleeper", "1", "no-shim")])
        strangers = self.prometheus.query(shown["Pods on a GPU that they were not given"][0])
        self.assertEqual([(labels["pod"], labels["index"]) for labels, _ in strangers], [("stranger", "1")])

    def filled(self, query):
        for name, value in (("node", "worker-1"), ("gpu", ".*"), ("namespace", ".*"), ("idle", "5"),
                            ("__rate_interval", "10s")):
            query = query.replace(f"${name}", value)
        self.assertNotIn("$", query)
        return query

    def label_values(self, matches, label):
        return self.prometheus.get(f"/api/v1/label/{label}/values", **{"match[]": matches})

    def test_the_queries_of_nvidia_s_board_give_the_driver_s_values(self):
        """dcgm-exporter's board, with its variables filled in. Its panels of DCGM_FI_PROF_ have no data here."""
        for number, (power, temperature) in enumerate(((71, 41), (83, 52))):
            bed.sim("set", number, "--root", self.node.root, "--power", power, "--temperature", temperature,
                    "--memory-used", f"{number + 1}Gi")
            self.addCleanup(bed.sim, "set", number, "--root", self.node.root, "--memory-used", 0)
        where = '{Hostname=~"worker-1", gpu=~"0|1"}'
        self.until_value(f"avg(DCGM_FI_DEV_GPU_TEMP{where})", 46.5)
        self.until_value(f"sum(max(DCGM_FI_DEV_POWER_USAGE{where}) by (gpu))", 154)
        self.until_value('max(DCGM_FI_DEV_FB_USED{Hostname=~"worker-1", gpu=~"1"}) by (Hostname, gpu, GPU_I_ID, '
                         'GPU_I_PROFILE)', 2048)
        self.assertEqual(self.label_values("DCGM_FI_DEV_FB_FREE", "Hostname"), ["worker-1"])
        self.assertEqual(self.label_values('DCGM_FI_DEV_FB_FREE{Hostname=~"worker-1"}', "gpu"), ["0", "1"])
        for query, values in ((f"max(DCGM_FI_DEV_GPU_TEMP{where}) by (Hostname, gpu, uuid)", [41, 52]),
                              (f"max(DCGM_FI_DEV_POWER_USAGE{where}) by (Hostname, gpu, uuid)", [71, 83]),
                              (f"max(DCGM_FI_DEV_FB_USED{where}) by (Hostname, gpu, GPU_I_ID, GPU_I_PROFILE)",
                               [1024, 2048])):
            self.assertEqual(sorted(value for _, value in self.prometheus.query(query)), values, query)
        clocks = self.prometheus.query(f"max(DCGM_FI_DEV_SM_CLOCK{where} * 1000000) by (Hostname, UUID, gpu)")
        self.assertEqual(len(clocks), 2)
        for gpu in (0, 1):
            total = self.prometheus.value(f'DCGM_FI_DEV_FB_USED{{gpu="{gpu}"}} + DCGM_FI_DEV_FB_FREE{{gpu="{gpu}"}}')
            device = self.status()["devices"][gpu]
            self.assertEqual(total, device["memory_bytes"] / MIB)


class Alerts(Watched):
    def until_well(self):
        """Both programs say so, and no alert: what made one of them ill may have made the other so a little later."""
        self.until_value("tranche_plugin_degraded + on (instance) tranche_node_degraded", 0)
        until(lambda: not self.prometheus.firing("TrancheAgentDegraded")
              and not self.prometheus.firing("TrancheNodeDegraded"), bed.sight.process)

    def test_idle_holder(self):
        workloads = []
        said = self.assert_fires(
            lambda: self.given("sleeper"), lambda _: workloads.append(self.pod_runs("sleeper", "steady --memory 1Gi")),
            "TrancheIdleHolder", pod="sleeper", index="0")
        self.assertIn("default/sleeper", said["annotations"]["summary"])
        self.end(*workloads)

    def test_memory_near_the_device_s(self):
        said = self.assert_fires(lambda: self.pod_runs("large", "hold --memory 77Gi --device 1"), self.end,
                                 "TrancheGpuMemoryNearlyFull", index="1")
        self.assertRegex(said["annotations"]["description"], r"^9[5-9]\.?\d*% of the memory of GPU-")

    def test_memory_over_the_limit(self):
        self.given("large", "small")
        within = self.pod_runs("small", "hold --memory 2Gi")
        self.until_value('tranche_pod_gpu_processes{pod="small",index="0"}', 1)
        said = self.assert_fires(lambda: self.pod_runs("large", "hold --memory 24Gi"), self.end,
                                 "TrancheMemoryOverLimit")
        self.assertEqual((said["labels"]["pod"], said["labels"]["index"]), ("large", "0"))
        self.assertRegex(said["annotations"]["description"], r"One of its containers holds 24\.\d+GiB of GPU 0 ")
        self.end(within)

    def test_contention(self):
        self.assert_fires(
            lambda: (self.pod_runs("small", "steady --memory 1Gi"), self.pod_runs("large", "steady --memory 1Gi")),
            lambda processes: self.end(processes[0]), "TrancheGpuContended", index="0")

    def test_a_pod_without_a_wall(self):
        """Its programs have no shim here. On the first GPU limits are only shown."""
        self.given("small", "large")
        other = self.pod_runs("small", "hold --memory 1Gi")
        self.until_value('tranche_pod_gpu_processes{pod="small",index="0"}', 1)
        said = self.assert_fires(lambda: self.pod_runs("large", "hold --memory 1Gi --device 1"), self.end,
                                 "TrancheUnwalledPod")
        self.assertEqual([said["labels"][name] for name in ("namespace", "pod", "index", "reason")],
                         ["default", "large", "1", "no-shim"])
        self.end(other)

    def test_memory_that_no_counter_knows_of_and_walls_that_do_not_stand(self):
        """Neither is made here: the first is walls.evidence_test's, and promtool's what they fire on. A node whose walls
        stand has neither."""
        self.given("large")
        self.until_value("tranche_walls_standing", 1)
        self.until_value('tranche_pod_gpu_ledger_mismatch{pod="large",index="1"}', 0)
        for alert in ("TrancheLedgerMismatch", "TrancheWallsNotStanding"):
            self.assertEqual(self.prometheus.firing(alert), [])

    def test_a_gpu_that_was_not_given(self):
        self.given("small")
        workload = self.pod_runs("small", "steady --memory 1Gi")
        self.until_value('tranche_pod_gpu_processes{pod="small",index="0"}', 1)
        said = self.assert_fires(lambda: self.pod_runs("stranger", "hold --memory 1Gi"), self.end,
                                 "TrancheGpuNotGiven")
        self.assertEqual((said["labels"]["namespace"], said["labels"]["pod"]), ("default", "stranger"))
        self.end(workload)

    def test_a_lost_gpu(self):
        said = self.assert_fires(lambda: bed.sim("lose", 1, "--root", self.node.root),
                                 lambda _: bed.sim("return", 1, "--root", self.node.root), "TrancheGpuLost")
        self.assertEqual((said["labels"]["instance"], said["labels"]["index"]), ("worker-1", "1"))
        self.until_value("sum(tranche_plugin_gpu_healthy)", 2)
        self.until_well()

    def test_a_degraded_agent(self):
        self.assert_fires(lambda: bed.config.write_text(SHARING.replace("replicas: 4", "replicas: many")),
                          lambda _: bed.config.write_text(SHARING), "TrancheAgentDegraded")
        self.until_well()

    def test_a_degraded_node(self):
        self.assert_fires(bed.api.away.set, lambda _: bed.api.away.clear(), "TrancheNodeDegraded")


if __name__ == "__main__":
    unittest.main()
