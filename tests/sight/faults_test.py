"""What `tranche node` does when something fails: it goes on, says what it lacks, and gives nothing a wrong name. The
rows of the table in docs/sight.md."""

import json
import pathlib
import signal
import subprocess
import tempfile
import unittest

from names import Names, pod
from sightbed import BIN, HANGS, SMALL, Programs, Sight, until

HELD_PODS = BIN.parent / "bench/held_pods"


class Faults(Programs):
    def setUp(self):
        super().setUp()
        if self.groups.root is None:
            self.skipTest("no control group can be made here")
        self.small = self.groups.container(SMALL, 1)
        self.names = self.enterContext(Names([pod(SMALL, "team", "trainer", {1: "main"})]))
        self.flags = ["--node-name=worker-1", f"--kubeconfig={self.names.kubeconfig}", "--rescan-interval=1s"]

    def hold(self):
        return self.start("hold --memory 1Gi", self.small)

    def degraded(self, sight):
        return " ".join(json.loads(sight.get("/status"))["degraded"])

    def await_pod(self, sight, name):
        until(lambda: name in sight.of_gpu("tranche_pod_gpu_processes"), sight.process)

    def sim(self, *arguments):
        subprocess.run([BIN / "tranche", "sim", *arguments, "--root", self.node.root], check=True,
                       stdout=subprocess.DEVNULL)

    def test_killed_and_started_again_it_counts_from_nothing_and_pods_keep_their_names(self):
        process = self.start("steady --memory 1Gi", self.small)
        with Sight(self.node, *self.flags) as sight:
            self.await_pod(sight, "trainer")
            until(lambda: sight.of_gpu("tranche_gpu_busy_seconds_total") > 10, process)
            sight.process.send_signal(signal.SIGKILL)
            sight.process.wait(HANGS)
        with Sight(self.node, *self.flags) as sight:
            self.assertLess(sight.of_gpu("tranche_gpu_busy_seconds_total"), 10)
            self.await_pod(sight, "trainer")
            self.assertEqual(set(sight.of_gpu("tranche_pod_gpu_processes")), {"trainer", ""})

    def test_an_api_server_that_goes_away_takes_no_name_with_it(self):
        self.hold()
        with Sight(self.node, *self.flags) as sight:
            self.await_pod(sight, "trainer")
            self.names.ended.set()
            self.names.server.shutdown()
            self.names.server.server_close()
            until(lambda: "pods: " in self.degraded(sight), sight.process)
            self.assertEqual(set(sight.of_gpu("tranche_pod_gpu_processes")), {"trainer", ""})
            self.assertEqual(sight.metrics()["tranche_node_ready"], [({}, 1)])
            self.assertEqual(sight.metrics()["tranche_node_pods_known"], [({}, 0)])

    def test_a_driver_that_hangs_is_said_and_what_it_said_is_no_longer_told(self):
        self.hold()
        with Sight(self.node, *self.flags) as sight:
            self.await_pod(sight, "trainer")
            self.sim("hang", "nvmlDeviceGetMemoryInfo")
            until(lambda: sight.of_gpu("tranche_pod_gpu_memory_used_bytes") == {}, sight.process)
            self.assertIn("has not returned", self.degraded(sight))
            self.assertEqual({gpu["health"] for gpu in json.loads(sight.get("/status"))["devices"]}, {"Unknown"})
            self.assertNotIn("tranche_gpu_healthy", sight.metrics())
            self.sim("heal")
            until(lambda: sight.of_gpu("tranche_pod_gpu_memory_used_bytes").get("trainer"), sight.process)

    def test_a_kubelet_that_starts_again_is_asked_again(self):
        folder = self.enterContext(tempfile.TemporaryDirectory(prefix="tranche-kubelet-"))
        socket = pathlib.Path(folder) / "kubelet.sock"
        shown = subprocess.run([BIN / "tranche", "sim", "node", "show", "--root", self.node.root, "-o", "json"],
                               capture_output=True, text=True, check=True)
        uuid = json.loads(shown.stdout)["gpus"][0]["uuid"]

        def kubelet():
            process = subprocess.Popen([HELD_PODS, socket, "3", uuid])

            def end():
                process.terminate()
                process.wait(HANGS)

            self.addCleanup(end)
            until(socket.exists, process)
            return end

        def granted():
            """At the look at the GPUs that follows the kubelet's answer."""
            return len(sight.of_gpu("tranche_pod_gpu_granted")) == 3

        end = kubelet()
        with Sight(self.node, *self.flags, f"--pod-resources-socket={socket}") as sight:
            until(lambda: sight.of_gpu("tranche_gpu_replicas_advertised") == 3, sight.process)
            until(granted, sight.process)
            end()
            until(lambda: "grants: " in self.degraded(sight), sight.process)
            self.assertNotIn("tranche_gpu_replicas_advertised", sight.metrics())
            self.assertNotIn("tranche_pod_gpu_granted", sight.metrics())
            kubelet()
            until(lambda: sight.of_gpu("tranche_gpu_replicas_advertised") == 3, sight.process)
            until(granted, sight.process)


if __name__ == "__main__":
    unittest.main()
