"""`tranche node` beside the driver: what it shows of each pod is what the driver has counted."""

import json
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

from sightbed import GIB, HANGS, LARGE, MIB, SMALL, Programs, Sight, until

OWN = "6d2f1d4e-5c0f-4b39-9a50-1f6a1c3f0003"  # of the pod that `tranche node` runs in

class Pods(Programs):
    def setUp(self):
        super().setUp()
        if self.groups.root is None:
            self.skipTest("no control group can be made here")
        self.small = self.groups.container(SMALL, 1)
        self.large = self.groups.container(LARGE, 2)

    def test_two_pods_and_a_program_of_the_host(self):
        with Sight(self.node, "--dcgm-names=on") as sight:
            processes = self.run_for(8, (("steady --memory 2Gi", self.small),
                                          ("paced --memory 4Gi --period 2ms", self.large),
                                          ("hold --memory 1Gi", None)))
            until(lambda: list(sight.of_gpu("tranche_pod_gpu_processes").values()) == [1, 1, 1], *processes)
            self.check_memory(sight, processes)
            for process in processes:
                process.wait()
            # The last sample is counted, and nobody is there.
            until(lambda: sight.of_gpu("DCGM_FI_DEV_GPU_UTIL") == 0)
            until(lambda: sight.of_gpu("tranche_pod_gpu_busy_percent") == {SMALL: 0, LARGE: 0})
            seconds = sight.of_gpu("tranche_pod_gpu_seconds_total")
            self.assert_seconds(seconds[SMALL], processes[0])
            self.assert_seconds(seconds[LARGE], processes[1])
            with self.assertRaises(AssertionError, msg="the comparison tells one pod from the other"):
                self.assert_seconds(seconds[LARGE], processes[0])
            self.assert_adds_up(sight)
            self.assertGreater(sight.of_gpu("tranche_gpu_contended_seconds_total"), seconds[LARGE])
            self.assertEqual(sight.of_gpu("tranche_pod_gpu_memory_used_bytes"), {SMALL: 0, LARGE: 0, "": 0})
            self.assertEqual(sight.of_gpu("tranche_pod_gpu_seconds_total", 1), {"": 0})

    def check_memory(self, sight, processes):
        """To the byte what the driver has given, in all of its shapes."""
        status = self.status()
        held = {entry["pid"]: entry["memory_peak_bytes"] for entry in status["processes"]}
        small, large, host = (held[process.pid] for process in processes)
        self.assertGreater(large - small, GIB)
        self.assertEqual(sight.of_gpu("tranche_pod_gpu_memory_used_bytes"), {SMALL: small, LARGE: large, "": host})
        device = status["devices"][0]
        used = device["memory_bytes"] - device["free_bytes"]
        self.assertEqual(sight.of_gpu("tranche_gpu_memory_used_bytes"), used)
        self.assertEqual(sight.of_gpu("DCGM_FI_DEV_FB_USED"), used / MIB)
        self.assertEqual(sight.of_gpu("DCGM_FI_DEV_FB_FREE"), device["free_bytes"] / MIB)
        labels = sight.metrics()["DCGM_FI_DEV_FB_USED"][0][0]
        self.assertEqual((labels["Hostname"], labels["GPU_I_ID"]), ("worker-1", ""))
        self.assertNotIn("pod", labels, "what is dcgm-exporter's is the device's")
        shown = json.loads(sight.get("/status"))["devices"]
        pods = [pod for gpu in shown for pod in gpu["pods"]]
        self.assertEqual({pod["uid"]: pod["memoryBytes"] for pod in pods}, {SMALL: small, LARGE: large})

    def test_from_within_a_container_of_its_own(self):
        """With the second version of control groups a container has a namespace of them, and sees others' paths from
        there."""
        own = self.groups.container(OWN, 3)
        with Sight(self.node, within=own) as sight:
            seen = pathlib.Path(f"/proc/{sight.process.pid}/ns/cgroup").readlink()
            self.assertNotEqual(seen, pathlib.Path("/proc/self/ns/cgroup").readlink())
            processes = self.run_for(600, (("hold --memory 2Gi", self.small), ("hold --memory 4Gi", self.large),
                                           ("hold --memory 1Gi", None)))
            until(lambda: sight.of_gpu("tranche_pod_gpu_processes") == {SMALL: 1, LARGE: 1, "": 1}, *processes)
            shown = sight.of_gpu("tranche_pod_gpu_memory_used_bytes")
            self.assertGreater(shown[LARGE] - shown[SMALL], GIB)
            outside = {labels["of"]: value for labels, value in sight.metrics()["tranche_gpu_processes_outside_pods"]
                       if labels["index"] == "0"}
            self.assertEqual(outside, {"host": 1, "unknown": 0})

    def test_programs_that_end_before_anybody_looks(self):
        with Sight(self.node) as sight:
            for _ in range(10):
                for process in self.run_for(0.05, (("steady --memory 1Gi", self.small),)):
                    process.wait()
            until(lambda: sight.of_gpu("tranche_gpu_busy_seconds_total") > 0, sight.process)
            self.assert_adds_up(sight)
            pods = set(sight.of_gpu("tranche_pod_gpu_seconds_total"))
            self.assertLessEqual(pods, {SMALL, ""}, "one is its pod's or nobody's")


class Host(Programs):
    def test_a_program_of_the_host_is_the_rest(self):
        with Sight(self.node) as sight:
            process, = self.run_for(5, (("steady --memory 1Gi", None),))
            until(lambda: sight.of_gpu("tranche_pod_gpu_processes") == {"": 1}, process)
            process.wait()
            until(lambda: sight.of_gpu("tranche_pod_gpu_processes") == {"": 0})
            until(lambda: self.settled(sight))
            self.assert_seconds(sight.of_gpu("tranche_pod_gpu_seconds_total")[""], process)
            self.assertEqual(sight.of_gpu("tranche_gpu_contended_seconds_total"), 0)

    def settled(self, sight):
        """Whether two looks find the same."""
        seen = sight.of_gpu("tranche_gpu_busy_seconds_total")
        time.sleep(2)
        return seen == sight.of_gpu("tranche_gpu_busy_seconds_total")

    def test_the_names_of_dcgm_exporter_are_left_to_it(self):
        with Sight(self.node) as sight:
            self.assertEqual(sight.of_gpu("DCGM_FI_DEV_FB_USED"), 0)
        with tempfile.TemporaryDirectory() as folder:
            exporter = shutil.copy(shutil.which("sleep"), folder + "/dcgm-exporter")
            process = subprocess.Popen([exporter, "600"])
            try:
                with Sight(self.node) as sight:
                    metrics = sight.metrics()
            finally:
                process.kill()
                process.wait()
        self.assertEqual(metrics["tranche_node_dcgm_names"], [({}, 0)])
        self.assertEqual([name for name in metrics if name.startswith("DCGM")], [])

    def test_a_signal_ends_it_and_takes_its_status_away(self):
        sight = Sight(self.node)
        status = pathlib.Path(sight.folder.name) / "status.json"
        until(status.exists, sight.process)
        sight.process.send_signal(signal.SIGTERM)
        self.assertEqual(sight.process.wait(HANGS), 0)
        self.assertFalse(status.exists())
        sight.__exit__()


if __name__ == "__main__":
    unittest.main()
