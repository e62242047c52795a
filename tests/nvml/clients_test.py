"""The simulated node, read back by NVML clients that nobody here wrote.

Run with a Python that has tests/requirements.txt installed (tools/python-env makes one);
TRANCHE_BIN_DIR names the folder of the `tranche` program. What a client should see comes from the
profile files themselves. Clients run as processes of their own, on a node made for the test. A
missing client is a failure where CI=true.
"""

import importlib.util
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
PROFILES = SOURCE / "sim" / "profiles"
TRANCHE = pathlib.Path(os.environ.get("TRANCHE_BIN_DIR", SOURCE / "build/dev/bin")) / "tranche"
MIB = 1 << 20


def need(module):
    """Decorator: skips without the client, but fails where CI=true."""
    if importlib.util.find_spec(module) is not None:
        return lambda test: test
    if os.environ.get("CI") == "true":
        def missing(_self):
            raise AssertionError(f"{module} is not installed: pip install -r tests/requirements.txt")
        return lambda _test: missing
    return unittest.skip(f"{module} is not installed")


def read_models():
    """The facts of models.yaml that clients show, by model. (The file is simple enough.)"""
    models = {}
    for block in re.split(r"\n(?=\S)", (PROFILES / "models.yaml").read_text()):
        match = re.match(r"([\w-]+):\n", block)
        if not match:
            continue
        models[match[1]] = {
            "name": re.search(r"\n  name: (.+)", block)[1],
            "compute": [int(n) for n in re.search(r'compute: "(\d+)\.(\d+)"', block).groups()],
            "memory": int(re.search(r"memory: \{total: (\d+)", block)[1]) * MIB,
            "power_limit": int(re.search(r"power: \{limit: (\d+)", block)[1]),
            "idle_temperature": int(re.search(r"temperature: \{idle: (\d+)", block)[1]),
            "pci_id": int(re.search(r"device: (0x\w+)", block)[1], 16),
            "mig": {
                m[1]: int(m[2]) * MIB
                for m in re.finditer(r"name: ([\w.+]+),.*?memory: (\d+)", block)
            },
        }
    return models


def read_profile(name):
    text = (PROFILES / f"{name}.yaml").read_text()
    gpus = []
    for line in re.findall(r"^- \{(model: .*)\}$", text, re.M):
        gpu = dict(re.findall(r'([\w-]+): ("[^"]*"|[^,]+)', line))
        gpu = {key: value.strip('"') for key, value in gpu.items()}
        layout = []
        for item in gpu.get("mig", "").split(","):
            profile, _, count = item.partition("*")
            layout += [profile] * int(count or 1) if profile else []
        gpus.append({**gpu, "layout": sorted(layout)})
    cuda = re.search(r'cuda: "(\d+)\.(\d+)"', text)
    return {
        "driver": re.search(r"version: ([\d.]+)", text)[1],
        "cuda": int(cuda[1]) * 1000 + int(cuda[2]) * 10,
        "gpus": sorted(gpus, key=lambda gpu: gpu["bus"]),
    }


MODELS = read_models()
NAMES = sorted(p.stem for p in PROFILES.glob("*.yaml") if p.stem != "models")


class Node:
    """A simulated node in a folder of its own."""

    def __init__(self, profile):
        self.folder = tempfile.TemporaryDirectory(prefix="tranche-node-")
        self.root = self.folder.name + "/root"
        self.run("node", "create", profile)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.folder.cleanup()

    def run(self, *arguments):
        command = [str(TRANCHE), "sim", *arguments, "--root", self.root]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        if done.returncode != 0:
            raise AssertionError(f"{command}: {done.stdout}{done.stderr}")
        return done.stdout

    def environment(self):
        environment = dict(os.environ)
        environment["LD_LIBRARY_PATH"] = self.root + "/usr/lib/x86_64-linux-gnu"
        environment.pop("TRANCHE_SIM_NODE", None)
        return environment

    def start(self, script):
        return subprocess.Popen([sys.executable, "-c", script], env=self.environment(), text=True,
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def client(self, script):
        """What `script` prints, a JSON value."""
        done = subprocess.run([sys.executable, "-c", script], env=self.environment(), text=True,
                              capture_output=True, timeout=60)
        if done.returncode != 0:
            raise AssertionError(f"client failed: {done.stdout}{done.stderr}")
        return json.loads(done.stdout)


NVIDIA_ML_PY = """
import json, pynvml as n
def text(v): return v.decode() if isinstance(v, bytes) else v
def attempt(f, *a):
    try: return f(*a)
    except n.NVMLError as e: return str(e)
n.nvmlInit()
gpus = []
for i in range(n.nvmlDeviceGetCount()):
    d = n.nvmlDeviceGetHandleByIndex(i)
    pci, memory, v2 = n.nvmlDeviceGetPciInfo(d), n.nvmlDeviceGetMemoryInfo(d), \
        n.nvmlDeviceGetMemoryInfo(d, version=n.nvmlMemory_v2)
    migs = []
    if attempt(n.nvmlDeviceGetMigMode, d) == [1, 1]:
        for j in range(n.nvmlDeviceGetMaxMigDeviceCount(d)):
            try: m = n.nvmlDeviceGetMigDeviceHandleByIndex(d, j)
            except n.NVMLError_NotFound: break
            a = n.nvmlDeviceGetAttributes_v2(m)
            gi = n.nvmlDeviceGetGpuInstanceById(d, n.nvmlDeviceGetGpuInstanceId(m))
            ci = n.nvmlGpuInstanceGetComputeInstanceById(gi, n.nvmlDeviceGetComputeInstanceId(m))
            parent = n.nvmlDeviceGetDeviceHandleFromMigDeviceHandle(m)
            uuid = text(n.nvmlDeviceGetUUID(m))
            migs.append(dict(uuid=uuid, name=text(n.nvmlDeviceGetName(m)),
                memory=n.nvmlDeviceGetMemoryInfo(m).total, mb=a.memorySizeMB,
                parent=text(n.nvmlDeviceGetUUID(parent)),
                gi=n.nvmlGpuInstanceGetInfo(gi).id, ci=n.nvmlComputeInstanceGetInfo(ci).id,
                again=text(n.nvmlDeviceGetUUID(n.nvmlDeviceGetHandleByUUID(uuid)))))
    gpus.append(dict(uuid=text(n.nvmlDeviceGetUUID(d)), name=text(n.nvmlDeviceGetName(d)),
        index=n.nvmlDeviceGetIndex(d), minor=n.nvmlDeviceGetMinorNumber(d), bus=text(pci.busId),
        pci=[pci.domain, pci.bus, pci.device], pci_id=pci.pciDeviceId,
        by_bus=text(n.nvmlDeviceGetUUID(n.nvmlDeviceGetHandleByPciBusId(pci.busId))),
        by_uuid=n.nvmlDeviceGetIndex(n.nvmlDeviceGetHandleByUUID(n.nvmlDeviceGetUUID(d))),
        memory=memory.total, sum=memory.free + memory.used, v2=v2.total,
        v2sum=v2.free + v2.used + v2.reserved,
        compute=list(n.nvmlDeviceGetCudaComputeCapability(d)),
        power_limit=n.nvmlDeviceGetEnforcedPowerLimit(d) // 1000,
        temperature=n.nvmlDeviceGetTemperature(d, n.NVML_TEMPERATURE_GPU),
        mig=attempt(n.nvmlDeviceGetMigMode, d), migs=migs,
        events=n.nvmlDeviceGetSupportedEventTypes(d),
        beyond=attempt(lambda: n.nvmlDeviceGetHandleByIndex(1000)),
        links=sum(1 for l in range(18) if attempt(n.nvmlDeviceGetNvLinkState, d, l) == 1),
        remote=attempt(lambda: text(n.nvmlDeviceGetNvLinkRemotePciInfo(d, 0).busId))))
print(json.dumps(dict(driver=text(n.nvmlSystemGetDriverVersion()),
    cuda=n.nvmlSystemGetCudaDriverVersion(), gpus=gpus)))
n.nvmlShutdown()
"""

NVITOP = """
import json
from nvitop import Device, MigDevice
print(json.dumps(dict(driver=Device.driver_version(), count=Device.count(), gpus=[dict(
    uuid=d.uuid(), name=d.name(), bus=d.bus_id(), memory=d.memory_total(), used=d.memory_used(),
    utilization=d.gpu_utilization(), temperature=d.temperature(), power_limit=d.power_limit(),
    compute=list(d.cuda_compute_capability()), mig=d.mig_mode(), persistence=d.persistence_mode(),
    migs=[dict(uuid=m.uuid(), name=m.name(), memory=m.memory_total()) for m in d.mig_devices()],
    processes={pid: p.gpu_memory() for pid, p in d.processes().items()})
    for d in Device.all()])))
"""

GPUSTAT = """
import json, gpustat
query = gpustat.GPUStatCollection.new_query()
print(json.dumps(dict(driver=query.driver_version, gpus=[g.jsonify() for g in query]), default=str))
"""


class ProfilesReadBack(unittest.TestCase):
    """Every profile, as each client sees it."""

    maxDiff = None

    def check_migs(self, expected, model, migs):
        self.assertEqual(sorted(m["name"].split(" MIG ")[1] for m in migs), expected["layout"])
        self.assertEqual(len({m["uuid"] for m in migs}), len(migs))
        for mig in migs:
            self.assertEqual(mig["memory"], model["mig"][mig["name"].split(" MIG ")[1]])
            self.assertTrue(mig["uuid"].startswith("MIG-"))

    @need("pynvml")
    def test_nvidia_ml_py(self):
        for name in NAMES:
            with self.subTest(profile=name), Node(name) as node:
                profile = read_profile(name)
                seen = node.client(NVIDIA_ML_PY)
                self.assertEqual(seen["driver"], profile["driver"])
                self.assertEqual(seen["cuda"], profile["cuda"])
                self.assertEqual(len(seen["gpus"]), len(profile["gpus"]))
                for index, (gpu, expected) in enumerate(zip(seen["gpus"], profile["gpus"])):
                    self.check_gpu(index, gpu, expected)

    def check_gpu(self, index, gpu, expected):
        model = MODELS[expected["model"]]
        self.assertEqual(gpu["uuid"], expected["uuid"])
        self.assertEqual(gpu["name"], model["name"])
        self.assertEqual([gpu["index"], gpu["by_uuid"], gpu["by_bus"]],
                         [index, index, expected["uuid"]])
        self.assertEqual(gpu["bus"].lower(), "0000" + expected["bus"])
        place = [int(n, 16) for n in re.split("[:.]", expected["bus"])]
        self.assertEqual(gpu["pci"], place[:3])
        self.assertEqual(gpu["pci_id"], model["pci_id"])
        self.assertEqual(gpu["memory"], model["memory"])
        self.assertEqual([gpu["sum"], gpu["v2"], gpu["v2sum"]], [model["memory"]] * 3)
        self.assertEqual(gpu["compute"], model["compute"])
        self.assertEqual(gpu["power_limit"], model["power_limit"])
        self.assertEqual(gpu["temperature"], model["idle_temperature"])
        self.assertTrue(gpu["events"] & 0x8)
        self.assertEqual(gpu["beyond"], "Invalid Argument")
        cut = bool(expected["layout"])
        self.assertEqual(gpu["mig"], [int(cut)] * 2 if model["mig"] else "Not Supported")
        self.check_migs(expected, model, gpu["migs"])
        for mig in gpu["migs"]:
            self.assertEqual(mig["parent"], expected["uuid"])
            self.assertEqual(mig["again"], mig["uuid"])
            self.assertEqual(mig["mb"] * MIB, mig["memory"])

    @need("pynvml")
    def test_links_are_as_wired(self):
        expectations = {"h100x8": (18, "00000000:07:00.0"), "a100x2": (12, "00000000:0F:00.0"),
                        "v100x8": (6, "00000000:07:00.0"), "t4": (0, "Not Supported")}
        for name, expected in expectations.items():
            with self.subTest(profile=name), Node(name) as node:
                gpu = node.client(NVIDIA_ML_PY)["gpus"][0]
                self.assertEqual((gpu["links"], gpu["remote"]), expected)

    @need("nvitop")
    def test_nvitop(self):
        for name in NAMES:
            with self.subTest(profile=name), Node(name) as node:
                profile = read_profile(name)
                seen = node.client(NVITOP)
                self.assertEqual(seen["count"], len(profile["gpus"]))
                for gpu, expected in zip(seen["gpus"], profile["gpus"]):
                    model = MODELS[expected["model"]]
                    self.assertEqual(gpu["uuid"], expected["uuid"])
                    self.assertEqual(gpu["name"], model["name"])
                    self.assertEqual(gpu["bus"].lower(), "0000" + expected["bus"])
                    self.assertEqual(gpu["memory"], model["memory"])
                    self.assertEqual(gpu["compute"], model["compute"])
                    self.assertEqual(gpu["power_limit"], model["power_limit"] * 1000)
                    self.assertEqual(gpu["temperature"], model["idle_temperature"])
                    self.assertEqual(gpu["utilization"], "N/A" if expected["layout"] else 0)
                    self.check_migs(expected, model, gpu["migs"])

    @need("gpustat")
    def test_gpustat(self):
        for name in NAMES:
            with self.subTest(profile=name), Node(name) as node:
                profile = read_profile(name)
                seen = node.client(GPUSTAT)
                self.assertEqual(seen["driver"], profile["driver"])
                self.assertEqual(len(seen["gpus"]), len(profile["gpus"]))
                for index, (gpu, expected) in enumerate(zip(seen["gpus"], profile["gpus"])):
                    model = MODELS[expected["model"]]
                    self.assertEqual(gpu["index"], index)
                    self.assertEqual(gpu["uuid"], expected["uuid"])
                    self.assertEqual(gpu["name"], model["name"])
                    self.assertEqual(gpu["memory.total"], model["memory"] // MIB)
                    self.assertEqual(gpu["temperature.gpu"], model["idle_temperature"])
                    self.assertEqual(gpu["enforced.power.limit"], model["power_limit"])


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

    def test_nvidia_smi_lists_what_is_there(self):
        with Node("a100-mig-mixed") as node:
            out = subprocess.run([node.root + "/usr/bin/nvidia-smi", "-L"], text=True,
                                 capture_output=True, check=True).stdout
            for gpu in read_profile("a100-mig-mixed")["gpus"]:
                self.assertIn(f"NVIDIA A100-SXM4-80GB (UUID: {gpu['uuid']})", out)
            self.assertEqual(out.count("UUID: MIG-"), 7)


if __name__ == "__main__":
    unittest.main()
