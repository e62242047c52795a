"""What `tranche sim` does to a simulated node, seen by NVML clients that nobody here wrote.

Run with a Python that has tests/requirements.txt installed (tools/python-env makes one).
"""

import json
import os
import subprocess
import sys
import time
import unittest

sys.dont_write_bytecode = True

from clients import GPUSTAT, NVIDIA_ML_PY, NVITOP  # noqa: E402
from node import Node, need, read_profile  # noqa: E402


class ChangesSeen(unittest.TestCase):
    """What `tranche sim` does to a node, as clients see it."""

    @need("nvitop")
    @need("gpustat")
    def test_readings_and_processes(self):
        pid = os.getpid()  # nvitop and gpustat look the process up, so it must be a real one
        with Node("a100x2") as node:
            node.run("set", "1", "--utilization", "83", "--memory-used", "3Gi", "--temperature", "61")
            node.run("process", "1", "add", str(pid), "--memory", "2Gi")
            nvitop = node.client(NVITOP)["gpus"]
            gpustat = node.client(GPUSTAT)["gpus"]
            self.assertEqual([nvitop[0]["utilization"], nvitop[1]["utilization"]], [0, 83])
            self.assertEqual(nvitop[1]["used"], 5 << 30)
            self.assertEqual(nvitop[1]["temperature"], 61)
            self.assertEqual(nvitop[1]["processes"], {str(pid): 2 << 30})
            self.assertEqual(gpustat[1]["utilization.gpu"], 83)
            self.assertEqual(gpustat[1]["memory.used"], 5 * 1024)
            self.assertEqual([(p["pid"], p["gpu_memory_usage"]) for p in gpustat[1]["processes"]],
                             [(pid, 2048)])
            self.assertEqual(gpustat[0]["processes"], [])
            node.run("process", "1", "remove", str(pid))
            self.assertEqual(node.client(NVITOP)["gpus"][1]["processes"], {})

    @need("pynvml")
    def test_each_event_set_of_each_process_sees_an_xid_once(self):
        script = """
import pynvml as n
n.nvmlInit()
sets = [n.nvmlEventSetCreate() for _ in range(2)]
for s in sets:
    for i in range(2): n.nvmlDeviceRegisterEvents(n.nvmlDeviceGetHandleByIndex(i), 8, s)
print("ready", flush=True); input()
for s in sets:
    e = n.nvmlEventSetWait_v2(s, 5000)
    print(n.nvmlDeviceGetIndex(e.device), e.eventType, e.eventData, hex(e.gpuInstanceId))
    try: n.nvmlEventSetWait_v2(s, 50); print("again")
    except n.NVMLError_Timeout: print("once")
"""
        with Node("a100x2") as node:
            node.run("xid", "0", "31")  # before anybody listens: seen by nobody
            clients = [node.start(script) for _ in range(2)]
            for client in clients:
                self.assertEqual(client.stdout.readline(), "ready\n")
            node.run("xid", "1", "48")
            for client in clients:
                out, _ = client.communicate("\n", timeout=30)
                self.assertEqual(out, "1 8 48 0xffffffff\nonce\n" * 2)

    @need("pynvml")
    def test_lost_gpu_fails_alone_and_returns(self):
        script = """
import json, pynvml as n
n.nvmlInit()
out = []
for i in range(n.nvmlDeviceGetCount()):
    try: out.append(n.nvmlDeviceGetName(n.nvmlDeviceGetHandleByIndex(i)) and "ok")
    except n.NVMLError as e: out.append(str(e))
print(json.dumps(out))
"""
        with Node("a100x2") as node:
            node.run("lose", "0")
            self.assertEqual(node.client(script), ["GPU is lost", "ok"])
            node.run("return", "0")
            self.assertEqual(node.client(script), ["ok", "ok"])

    @need("pynvml")
    def test_plug_unplug_duplicate(self):
        script = """
import json, pynvml as n
n.nvmlInit()
print(json.dumps([n.nvmlDeviceGetUUID(n.nvmlDeviceGetHandleByIndex(i))
                  for i in range(n.nvmlDeviceGetCount())]))
"""
        with Node("a100x2") as node:
            before = node.client(script)
            plugged = node.run("plug", "t4").strip()
            self.assertEqual(node.client(script), before + [plugged])
            self.assertTrue(os.path.exists(node.root + "/dev/nvidia2"))
            node.run("unplug", before[0])
            self.assertEqual(node.client(script), [before[1], plugged])
            self.assertFalse(os.path.exists(node.root + "/dev/nvidia0"))
            node.run("duplicate", "0")
            self.assertEqual(node.client(script), [before[1], plugged, before[1]])
            node.run("heal")
            self.assertEqual(node.client(script), [before[1], plugged])

    @need("pynvml")
    def test_mig_is_cut_and_uncut_live(self):
        def migs(node):
            return node.client(NVIDIA_ML_PY)["gpus"][0]["migs"]

        with Node("a100x2") as node:
            node.run("mig", "0", "3g.40gb:1c+2c,1g.10gb*3")
            self.assertEqual(sorted(m["name"].split(" MIG ")[1] for m in migs(node)),
                             ["1c.3g.40gb", "1g.10gb", "1g.10gb", "1g.10gb", "2c.3g.40gb"])
            caps = os.listdir(node.root + "/dev/nvidia-caps")
            self.assertEqual(len(caps), 2 + 4 + 5)  # config, monitor, GPU and compute instances
            node.run("mig", "0", "off")
            self.assertEqual(migs(node), [])
            with self.assertRaisesRegex(AssertionError, "do not fit"):
                node.run("mig", "0", "3g.40gb*2,1g.10gb")

    @need("pynvml")
    def test_calls_fail_and_hang_as_told(self):
        script = """
import json, pynvml as n
n.nvmlInit()
out = []
for _ in range(3):
    try: n.nvmlDeviceGetMemoryInfo(n.nvmlDeviceGetHandleByIndex(0)); what = "ok"
    except n.NVMLError as e: what = str(e)
    out.append(what)
print(json.dumps(out))
"""
        with Node("a100x2") as node:
            node.run("fail", "nvmlDeviceGetMemoryInfo=GPU_IS_LOST", "--count", "2")
            self.assertEqual(node.client(script), ["GPU is lost"] * 2 + ["ok"])
            node.run("heal")
            node.run("fail", "nvmlDeviceGetMemoryInfo=GPU_IS_LOST", "--gpu", "1")
            self.assertEqual(node.client(script), ["ok"] * 3)
            node.run("heal")
            node.run("hang", "nvmlDeviceGetMemoryInfo", "--count", "1")
            started = node.start(script)
            time.sleep(1)
            self.assertIsNone(started.poll(), "the call returned while it was to hang")
            node.run("heal")
            out, _ = started.communicate(timeout=300)
            self.assertEqual(json.loads(out), ["ok"] * 3)

    @need("pynvml")
    def test_driver_that_is_not_loaded(self):
        script = """
import json, pynvml as n
try: n.nvmlInit(); print('"up"')
except n.NVMLError as e: print(json.dumps(str(e)))
"""
        with Node("t4") as node:
            node.run("fail", "nvmlInit=DRIVER_NOT_LOADED")
            self.assertEqual(node.client(script), "Driver Not Loaded")
            node.run("heal")
            self.assertEqual(node.client(script), "up")

    def smi(self, node, *arguments):
        return subprocess.run([node.root + "/usr/bin/nvidia-smi", *arguments], text=True,
                              capture_output=True, check=True).stdout

    def test_nvidia_smi_shows_processes(self):
        me = str(os.getpid())
        with Node("a100x2") as node:
            self.assertIn("No running processes found", self.smi(node))
            node.run("process", "0", "add", me, "--memory", "2Gi", "--utilization", "35")
            self.assertRegex(self.smi(node), rf"\|    0   N/A  N/A +{me}      C .* 2048MiB \|")
            self.assertEqual(self.smi(node, "--query-compute-apps=pid,used_memory", "--format=csv"),
                             f"pid, used_memory [MiB]\n{me}, 2048 MiB\n")
            self.assertEqual(
                self.smi(node, "--query-compute-apps=pid,used_gpu_memory", "--format=csv,noheader,nounits"),
                f"{me}, 2048\n")
            monitor = [line.split() for line in self.smi(node, "pmon", "-c", "1").splitlines()[2:]]
            self.assertEqual([line[:4] for line in monitor], [["0", me, "C", "35"], ["1", "-", "-", "-"]])

    def test_nvidia_smi_answers_about_gpus(self):
        with Node("a100x2") as node:
            node.run("ecc", "1", "--uncorrected", "3")
            fields = "index,memory.total,ecc.errors.uncorrected.volatile.total,fan.speed"
            self.assertEqual(self.smi(node, f"--query-gpu={fields}", "--format=csv", "-i", "1"),
                             "index, memory.total [MiB], ecc.errors.uncorrected.volatile.total, fan.speed [%]\n"
                             "1, 81920 MiB, 3, [N/A]\n")
            wrong = subprocess.run([node.root + "/usr/bin/nvidia-smi", "--query-gpu=what", "--format=csv"],
                                   capture_output=True, text=True)
            self.assertEqual(wrong.returncode, 2)
            self.assertIn('"what" is not a valid field', wrong.stderr)

    def test_nvidia_smi_lists_what_is_there(self):
        with Node("a100-mig-mixed") as node:
            out = subprocess.run([node.root + "/usr/bin/nvidia-smi", "-L"], text=True,
                                 capture_output=True, check=True).stdout
            for gpu in read_profile("a100-mig-mixed")["gpus"]:
                self.assertIn(f"NVIDIA A100-SXM4-80GB (UUID: {gpu['uuid']})", out)
            self.assertEqual(out.count("UUID: MIG-"), 7)


if __name__ == "__main__":
    unittest.main()
