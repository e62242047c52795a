"""What NVML clients in a pod see: the pod's limit, what it has, and its own programs under their own pids. Clients
that nobody here wrote look through the shim, on a simulated node with a driver, beside a neighbour.

Run with a Python that has tests/requirements.txt installed (tools/python-env makes one).
"""

import importlib.util
import json
import os
import pathlib
import struct
import subprocess
import sys
import time
import unittest

from arbiter import COUNTERS_BYTES, FOLDER, SLOT_BYTES, SLOTS_AT, Arbiter, own_run
from nvml_programs import ACCOUNTS, ATTACHED, LISTS, MEMORY, MIG, PROFILE, RAW, WATCHER
from pod import Bed, Pod, node_pids
from programs import PRELUDE
from shim import CONTEXT, NVML, SOURCE

MIB, GIB = 1 << 20, 1 << 30
TOTAL = 85899345920  # of an A100 of 80 GB, as NVML has it
LIMIT = 8 * GIB
NEIGHBOUR = 10 * GIB
NOT_FOUND, INSUFFICIENT_SIZE = 6, 7
OF_470 = sorted(NVML.hooks() - NVML.hooks(11040))  # what that driver has not


def load(path):
    """tests/cuda has a module of the same name."""
    specification = importlib.util.spec_from_file_location("nvml_" + path.stem, path)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


clients = load(SOURCE / "tests/nvml/clients.py")
need = load(SOURCE / "tests/nvml/node.py").need


class WhatClientsSee(unittest.TestCase):
    maxDiff = None

    def seen(self, script, views=True, missing=()):
        """What a client shows in a pod with two programs: its JSON, and the bytes by pid that are right."""
        with Arbiter(LIMIT, CONTEXT) as arbiter, Bed(views=views, missing=missing) as bed:
            self.stranger = bed.neighbour(NEIGHBOUR)
            with Pod(bed) as pod:
                own = {str(pod.hold(size)): size + CONTEXT for size in (1 * GIB, 2 * GIB)}
                found = pod.run(script)
                self.assertEqual(len(arbiter.slots), 2, "who looks has no slot")
                self.assertEqual(bool(arbiter.looks), views)
            self.assertEqual(sum(own.values()), arbiter.totals()[0])
        return found, own

    @need("pynvml")
    def test_nvidia_ml_py(self):
        gpus, own = self.seen(clients.NVIDIA_ML_PY_PROCESSES)
        self.assertEqual(gpus[0]["used"], sum(own.values()))
        self.assertEqual({pid: entry["memory"] for pid, entry in gpus[0]["processes"].items()}, own)
        self.assertEqual(gpus[1]["processes"], {})
        found, _ = self.seen(clients.NVIDIA_ML_PY)
        gpu = found["gpus"][0]
        self.assertEqual([gpu["memory"], gpu["v2"], gpu["sum"], gpu["v2sum"]], [LIMIT] * 4)

    @need("pynvml")
    def test_without_the_shim_it_is_the_device(self):
        gpus, own = self.seen(clients.NVIDIA_ML_PY_PROCESSES, views=False)
        self.assertGreater(gpus[0]["used"], NEIGHBOUR + sum(own.values()))
        self.assertEqual(gpus[0]["processes"][str(self.stranger)]["memory"], NEIGHBOUR + CONTEXT)
        self.assertEqual(len(gpus[0]["processes"]), 3)
        self.assertEqual(set(own) & set(gpus[0]["processes"]), set(), "the driver names them as the node does")
        found, _ = self.seen(clients.NVIDIA_ML_PY, views=False)
        self.assertEqual(found["gpus"][0]["memory"], TOTAL)

    @need("nvitop")
    def test_nvitop(self):
        found, own = self.seen(clients.NVITOP)
        gpu = found["gpus"][0]
        self.assertEqual((gpu["memory"], gpu["used"]), (LIMIT, sum(own.values())))
        self.assertEqual(gpu["processes"], own)

    @need("nvitop")
    def test_nvitop_on_older_drivers(self):
        """It tells layouts by what a driver has: so far back that there is no _v3, and where _v3 has longer entries."""
        for missing in (OF_470, ["nvmlDeviceGetRunningProcessDetailList", "nvmlDeviceGetProcessesUtilizationInfo"]):
            with self.subTest(missing=missing):
                found, own = self.seen(clients.NVITOP, missing=missing)
                self.assertEqual((found["gpus"][0]["memory"], found["gpus"][0]["processes"]), (LIMIT, own))

    @need("gpustat")
    def test_gpustat(self):
        for missing in ((), OF_470):
            with self.subTest(missing=missing):
                self.check_gpustat(missing)

    def check_gpustat(self, missing):
        found, own = self.seen(clients.GPUSTAT, missing=missing)
        gpu = found["gpus"][0]
        self.assertEqual((gpu["memory.total"], gpu["memory.used"]), (LIMIT // MIB, sum(own.values()) // MIB))
        self.assertEqual({str(entry["pid"]): entry["gpu_memory_usage"] for entry in gpu["processes"]},
                         {pid: size // MIB for pid, size in own.items()})


class WhatEachCallSays(unittest.TestCase):
    maxDiff = None

    def check_list(self, answers, expected):
        """Rows of an entry's fields that are compared, from what a call said without room, with too little, with
        enough."""
        count = len(expected)
        (none, there, _), (little, still, some), (enough, given, entries) = answers
        if count == 0:
            return self.assertEqual([none, there, little, still, enough, given], [0] * 6)
        self.assertEqual([none, there, enough, given], [INSUFFICIENT_SIZE, count, 0, count])
        self.assertEqual([little, still], [0 if count == 1 else INSUFFICIENT_SIZE, count])
        self.assertEqual([entry[:len(expected[0])] for entry in entries], expected)
        return None

    def test_lists_have_the_pods_own_alone(self):
        whole = 0xFFFFFFFF
        with Arbiter(LIMIT, CONTEXT) as arbiter, Bed() as bed, Pod(bed) as pod:
            own = [[pod.hold(size), size + CONTEXT] for size in (1 * GIB, 2 * GIB)]
            draws, shares = pod.start(ATTACHED)[0], pod.start(ATTACHED)[0]
            bed.neighbour(NEIGHBOUR)
            on_node = node_pids(arbiter)
            for pid, kind in ((on_node[draws], "graphics"), (on_node[shares], "mps"), (4710, "graphics"),
                              (4711, "mps")):
                bed.node.run("process", "0", "add", str(pid), "--kind", kind, "--memory", "64Mi", "--utilization",
                             "20", "--memory-utilization", "10")
            found = pod.run(LISTS)
            for suffix in ("", "_v2", "_v3"):
                instance = [whole, whole] if suffix else []
                self.check_list(found[f"nvmlDeviceGetComputeRunningProcesses{suffix}"],
                                [[*entry, *instance] for entry in own])
                self.check_list(found[f"nvmlDeviceGetGraphicsRunningProcesses{suffix}"], [[draws, 64 * MIB]])
                self.check_list(found[f"nvmlDeviceGetMPSComputeRunningProcesses{suffix}"], [[shares, 64 * MIB]])
            for mode, rows in enumerate((own, [[draws, 64 * MIB]], [[shares, 64 * MIB]], own)):
                self.check_list(found[f"details {mode}"], rows)
            self.check_list([[status, count, [[row[0], row[2]] for row in rows]]
                             for status, count, rows in found["utilization"]], [[draws, 20], [shares, 20]])
            self.check_list([[status, count, [[row[1], row[2]] for row in rows]]
                             for status, count, rows in found["infos"]], [[draws, 20], [shares, 20]])
            straight = bed.direct(LISTS)
            self.assertEqual(straight["utilization"][2][1], 4, "the driver lists them all")

    def test_a_driver_that_names_programs_as_the_pod_does(self):
        with Arbiter(LIMIT, CONTEXT), Bed() as bed, Pod(bed) as pod:
            pid = pod.hold(1 * GIB)
            for number, percent in ((pid, 30), (4711, 50)):
                bed.node.run("process", "0", "add", str(number), "--kind", "mps", "--memory", "64Mi", "--utilization",
                             str(percent))
            found = pod.run(LISTS)
            self.check_list([[status, count, [[row[0], row[2]] for row in rows]]
                             for status, count, rows in found["utilization"]], [[pid, 30]])

    def test_no_samples_are_said_as_the_driver_says_it(self):
        with Arbiter(LIMIT, CONTEXT), Bed() as bed, Pod(bed) as pod:
            pod.hold(1 * GIB)
            bed.node.run("process", "0", "add", "4711", "--memory", "64Mi", "--utilization", "50")
            found = pod.run(LISTS)
            for name in ("utilization", "infos"):
                self.assertEqual([answer[:2] for answer in found[name]], [[NOT_FOUND, 0]] * 3)

    def test_accounts_are_of_the_pods_own(self):
        with Arbiter(LIMIT, CONTEXT) as arbiter, Bed() as bed, Pod(bed) as pod:
            on = subprocess.run([bed.node.root + "/usr/bin/nvidia-smi", "-am", "1"], capture_output=True, text=True)
            if on.returncode != 0:
                self.skipTest("accounting is switched on by root")
            pid, stranger = pod.hold(1 * GIB), bed.neighbour(NEIGHBOUR)
            node_pid = node_pids(arbiter)[pid]
            self.assertEqual(pod.run(ACCOUNTS, pid, node_pid, stranger),
                             [[pid], [0, 1, GIB + CONTEXT], [NOT_FOUND, 0, 0], [NOT_FOUND, 0, 0]])

    def test_what_is_free_is_what_the_pod_may_take(self):
        with Arbiter(LIMIT, CONTEXT) as arbiter, Bed() as bed, Pod(bed) as pod:
            pod.hold(1 * GIB)
            used = GIB + CONTEXT
            self.assertEqual(pod.run(MEMORY, 0), [[LIMIT, LIMIT - used, used], [LIMIT, LIMIT - used, used, 0]])
            # The device has less left than the pod's limit: that is free, and all adds up by what is reserved.
            bed.neighbour(72 * GIB)
            (total, free, now), second = pod.run(MEMORY, 0)
            self.assertEqual((total, now), (LIMIT, used))
            self.assertLess(free, TOTAL - 72 * GIB - used)
            self.assertEqual(second, [LIMIT, free, used, LIMIT - used - free])
            # A limit that was lowered below what the pod has.
            arbiter.set_limit(512 * MIB)
            self.assertEqual(pod.run(MEMORY, 0)[0], [512 * MIB, 0, 512 * MIB])

    def test_free_memory_does_not_rise_without_a_free(self):
        """As vLLM asserts between the steps of its profile, while a neighbour comes and goes."""
        with Arbiter(LIMIT, CONTEXT), Bed() as bed:
            neighbour = subprocess.Popen([sys.executable, "-c", PRELUDE + """
begin()
print("begun", flush=True)
while True:
    plain(1024 * MiB)()
"""], stdout=subprocess.PIPE, text=True, env=bed.environment(False))
            try:
                self.assertEqual(neighbour.stdout.readline(), "begun\n")
                with Pod(bed) as pod:
                    _, line = pod.start(PROFILE)
                    seen = json.loads(line)
            finally:
                neighbour.kill()
                neighbour.communicate()
        for step, (cuda_free, cuda_total, total, free, used) in enumerate(seen):
            held = CONTEXT + 512 * MIB * (step if step < 7 else 0)
            self.assertEqual([cuda_total, total, used], [LIMIT, LIMIT, held])
            self.assertEqual([cuda_free, free], [LIMIT - held] * 2)
        self.assertEqual(len(seen), 8)


class WhereThereIsNoWall(unittest.TestCase):
    maxDiff = None

    def test_the_other_device_is_as_it_is(self):
        with Bed() as bed:
            walled = bed.devices()[0]["uuid"]
            with Arbiter(LIMIT, CONTEXT, devices=[walled]), Pod(bed) as pod:
                stranger = bed.neighbour(NEIGHBOUR, 1)
                pod.hold(1 * GIB, 0)
                self.assertEqual(pod.run(MEMORY, 0)[0][0], LIMIT)
                total, _, used = pod.run(MEMORY, 1)[0]
                self.assertEqual(total, TOTAL)
                self.assertGreater(used, NEIGHBOUR)
                listed = RAW + """
json.dump(listed(nvml.nvmlDeviceGetComputeRunningProcesses_v3, V2, device(1)), sys.stdout)
"""
                self.assertEqual([row[0] for row in pod.run(listed)[2][2]], [stranger])

    def same(self, bed, pod):
        for script, arguments in ((LISTS, ()), (MEMORY, ("0",))):
            straight = bed.direct(f"import sys; sys.argv[1:] = {list(arguments)}\n" + script)
            self.assertEqual(pod.run(script, *arguments), straight)

    def test_without_a_node_program_all_is_as_without_the_shim(self):
        with Bed() as bed, Pod(bed) as pod:
            bed.neighbour(NEIGHBOUR)
            self.assertFalse(FOLDER.exists())
            self.same(bed, pod)
            FOLDER.mkdir(parents=True)
            self.addCleanup(FOLDER.rmdir)
            self.same(bed, pod)

    def test_a_pod_that_has_no_wall_sees_the_device(self):
        with Arbiter(LIMIT, status="not walled") as arbiter, Bed() as bed, Pod(bed) as pod:
            bed.neighbour(NEIGHBOUR)
            self.same(bed, pod)
            self.assertTrue(arbiter.looks)

    def test_pages_are_those_of_the_node_program_that_is_there(self):
        """A client that goes on keeps what it knows while nobody answers, and sees what a successor says."""
        with Bed() as bed:
            uuid = bed.devices()[0]["uuid"]
            watcher = subprocess.Popen([sys.executable, "-c", WATCHER], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                       text=True, env=bed.environment(True))
            answer = os.path.join(bed.shadow.folder.name, "answer")

            def look():
                if os.path.exists(answer):
                    os.remove(answer)
                watcher.stdin.write(answer + "\n")
                watcher.stdin.flush()
                for _ in range(3000):
                    if os.path.exists(answer) and os.path.getsize(answer):
                        return int(pathlib.Path(answer).read_text())
                    time.sleep(0.01)
                raise AssertionError("it says nothing")

            with Arbiter(LIMIT, devices=[uuid]) as arbiter:
                self.assertEqual(int(watcher.stdout.readline()), LIMIT)
                first = len(arbiter.looks)
            FOLDER.mkdir(parents=True)
            # Long enough for it to have asked in vain.
            end = time.monotonic() + 3
            while time.monotonic() < end:
                self.assertEqual(look(), LIMIT)
            FOLDER.rmdir()
            with Arbiter(2 * LIMIT, devices=[uuid]):
                end = time.monotonic() + 60
                while look() != 2 * LIMIT:
                    self.assertLess(time.monotonic(), end, "the successor's pages are not seen")
            watcher.communicate()
            self.assertEqual(first, 1, "it does not ask each time")

    def test_a_forked_child_looks_for_itself(self):
        script = RAW + """
gpu = device()
before = memory(gpu)[0][0]
ends = os.pipe()
child = os.fork()
if child == 0:
    os.write(ends[1], str(memory(gpu)[0][0]).encode())
    os._exit(0)
os.waitpid(child, 0)
json.dump([before, int(os.read(ends[0], 64))], sys.stdout)
"""
        with Bed() as bed:
            with Arbiter(LIMIT, devices=[bed.devices()[0]["uuid"]]) as arbiter, Pod(bed) as pod:
                self.assertEqual(pod.run(script), [LIMIT, LIMIT])
                self.assertEqual(len(set(arbiter.looks)), 2)


class MigDevices(unittest.TestCase):
    maxDiff = None

    def test_the_wall_is_of_the_instance(self):
        with Bed("a100-mig-uniform") as bed:
            migs = [mig["uuid"] for mig in bed.devices()[0]["migDevices"]]
            with Arbiter(2 * GIB, CONTEXT, devices=[migs[1]]) as arbiter, Pod(bed) as pod:
                pid = pod.hold(1 * GIB, CUDA_VISIBLE_DEVICES=migs[1])
                used = arbiter.totals()[0]
                self.assertGreater(used, GIB)
                found = pod.run(MIG, migs[1], migs[0], bed.devices()[0]["uuid"])
                own, other, parent = found
                row = [pid, used, *own[2]]
                self.assertEqual(own[:2], [[2 * GIB, 2 * GIB - used, used], [row]])
                self.assertGreater(other[0][0], 9 * GIB, "an instance without a wall is as it is")
                self.assertEqual(other[1], [])
                self.assertEqual(parent[1], [row], "its processes are the GPU's, too")
                self.assertGreater(parent[0][0], 79 * GIB)


class PagesThatLie(unittest.TestCase):
    """Whatever a pod writes into its own counters, its own view is bounded by them, and nothing breaks."""

    def test_a_slot_of_somebody_else(self):
        with Arbiter(LIMIT, CONTEXT) as arbiter, Bed() as bed, Pod(bed) as pod:
            pid = pod.hold(1 * GIB)
            # The first process of the namespace, of another start; and one that there is not.
            for slot, inside in ((1, 1), (2, 54321)):
                at = SLOTS_AT + SLOT_BYTES * slot
                struct.pack_into("<IIIIQ", arbiter.counters, at, 1, 1, inside, 0, 7)
                struct.pack_into("<Q", arbiter.counters, at + 64, GIB)
            struct.pack_into("<I", arbiter.counters, 24, 3)
            self.assertEqual([row[0] for row in pod.run(LISTS)["details 0"][2][2]], [pid])

    def test_nonsense_everywhere(self):
        with Arbiter(LIMIT, CONTEXT) as arbiter, Bed() as bed, Pod(bed) as pod:
            pod.hold(1 * GIB)
            header = bytes(arbiter.counters[:24])
            arbiter.counters[24:] = b"\xff" * (COUNTERS_BYTES - 24)
            self.assertEqual(pod.run(MEMORY, 0), [[LIMIT, 0, LIMIT], [LIMIT, 0, LIMIT, 0]])
            self.assertEqual(pod.run(LISTS)["details 0"][2][:2], [0, 0])
            self.assertEqual(bytes(arbiter.counters[:24]), header)


if __name__ == "__main__":
    own_run()
    unittest.main()
