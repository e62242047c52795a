"""`tranche node` on a GPU that is cut by MIG: two pods, each on an instance of its own, beside what the driver has given."""

import json
import os
import re
import subprocess
import unittest

from sightbed import BIN, LARGE, MIB, SMALL, Programs, Sight, until

WHOLE = "6d2f1d4e-5c0f-4b39-9a50-1f6a1c3f0003"
MEASURED = ("tranche_pod_gpu_seconds_total", "tranche_pod_gpu_busy_percent", "tranche_gpu_busy_seconds_total",
            "tranche_gpu_contended_seconds_total", "DCGM_FI_DEV_GPU_UTIL")


class OnInstances(Programs):
    def setUp(self):
        super().setUp()
        subprocess.run([BIN / "tranche", "sim", "mig", "0", "3g.40gb,1g.10gb", "--root", self.node.root], check=True)
        listed = subprocess.run([self.node.root / "usr/bin/nvidia-smi", "-L"], capture_output=True, text=True, check=True,
                                env={**os.environ, "LD_LIBRARY_PATH": str(self.node.root / "usr/lib/x86_64-linux-gnu")})
        self.half, self.small = re.findall(r"MIG-[0-9a-f-]+", listed.stdout)
        self.whole = re.findall(r"GPU-[0-9a-f-]+", listed.stdout)[1]
        if self.groups.root is None:
            self.skipTest("no control groups can be made here")

    def compute(self, uid, number, gibibytes, instance):
        """A program that computes in a pod on an instance, until the test ends."""
        return self.start(f"steady --memory {gibibytes}Gi --for 600s", self.groups.container(uid, number),
                          {"CUDA_VISIBLE_DEVICES": instance})

    def test_each_instance_has_its_pod_and_nobody_claims_to_know_its_time(self):
        programs = [self.compute(SMALL, 1, 2, self.half), self.compute(LARGE, 2, 4, self.small),
                    self.compute(WHOLE, 3, 1, self.whole)]
        with Sight(self.node, "--dcgm-names=on") as sight:
            until(lambda: all(sight.of_gpu("tranche_pod_gpu_processes", index).get(uid) == 1
                              for index, uid in (("0:0", SMALL), ("0:1", LARGE), ("1", WHOLE))), *programs)
            until(lambda: sight.of_gpu("tranche_pod_gpu_busy_percent", 1).get(WHOLE), *programs)
            metrics = sight.metrics()
            held = {entry["pid"]: entry["memory_peak_bytes"] for entry in self.status()["processes"]}
            self.check_memory(sight, [held[program.pid] for program in programs[:2]])
            self.check_time(metrics)
            self.check_names_of_dcgm(metrics)
            self.check_status(json.loads(sight.get("/status"))["devices"])
            top = subprocess.run([BIN / "tranche", "top", "--once", f"--address=127.0.0.1:{sight.port}"],
                                 capture_output=True, text=True, check=True).stdout
        for index, uid in (("0:0", SMALL), ("0:1", LARGE)):
            self.assertRegex(top, rf"(?m)^{index} .* - \(mig\) ", "nor why there is none")
            self.assertRegex(top, rf"(?m)^{index} +- +{uid} +\w+ +- ", "no time is shown")

    def check_memory(self, sight, held):
        """To the byte what the driver has given each program, on its own instance and on no other."""
        for index, uid, taken in zip(("0:0", "0:1"), (SMALL, LARGE), held, strict=True):
            shown = sight.of_gpu("tranche_pod_gpu_memory_used_bytes", index)
            self.assertEqual(shown.pop(uid), taken)
            self.assertEqual(list(shown), [""], "a pod is on the instance of another")
            self.assertEqual(sight.of_gpu("tranche_gpu_memory_used_bytes", index), shown[""] + taken)

    def check_time(self, metrics):
        """It is absent, and not 0; the GPU that is not cut has it, and its pod."""
        for name in MEASURED:
            gpus = {labels.get("index") or labels["gpu"] for labels, _ in metrics[name]}
            self.assertEqual(gpus, {"1"}, name)
        reasons = {labels["index"]: labels["reason"] for labels, value in metrics["tranche_gpu_unmeasured"] if value}
        self.assertEqual(reasons["0:0"], "mig")
        self.assertEqual(reasons["0:1"], "mig")
        self.assertNotIn("1", reasons)

    def check_names_of_dcgm(self, metrics):
        used = {(labels["gpu"], labels["GPU_I_PROFILE"]): (labels["GPU_I_ID"], value)
                for labels, value in metrics["DCGM_FI_DEV_FB_USED"]}
        of = {labels["index"]: value for labels, value in metrics["tranche_gpu_memory_used_bytes"]}
        self.assertEqual(used, {("0", "3g.40gb"): ("2", of["0:0"] / MIB), ("0", "1g.10gb"): ("7", of["0:1"] / MIB),
                                ("1", ""): ("", of["1"] / MIB)})

    def check_status(self, devices):
        shown = {device["index"]: device for device in devices}
        for index, profile, uid in (("0:0", "3g.40gb", SMALL), ("0:1", "1g.10gb", LARGE)):
            device = shown[index]
            self.assertEqual((device["migProfile"], device["unmeasured"], device["busyPercent"]), (profile, "mig", None))
            self.assertEqual([(pod["uid"], pod["gpuSeconds"], pod["busyPercent"]) for pod in device["pods"]],
                             [(uid, None, None)])
        self.assertEqual(shown["1"]["unmeasured"], "")
        self.assertGreater(shown["1"]["pods"][0]["busyPercent"], 0)


if __name__ == "__main__":
    unittest.main()
