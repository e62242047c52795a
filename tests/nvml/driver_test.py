"""Programs that use the GPUs of a simulated node, as NVML clients see them that nobody here wrote.

The driver's clock goes four times slower than the machine's, and every program has its next kernel waiting, so
that a busy machine changes no figure.
"""

import json
import signal
import subprocess
import sys
import time
import unittest

sys.dont_write_bytecode = True

from clients import NVIDIA_ML_PY_PROCESSES, NVITOP_PROCESSES  # noqa: E402
from node import MIB, TRANCHE, Node, need  # noqa: E402

HANGS = 120  # seconds: only ends what would never end


class Programs:
    """A node with a driver and programs on it, all ended at the end."""

    def __init__(self, profile="a100x2"):
        self.node = Node(profile)
        self.started = [self.start("driver", "--time-scale", "4")]
        self.until(lambda: json.loads(self.node.run("node", "show", "-o", "json"))["driverPid"])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in reversed(self.started):
            process.terminate()
            process.communicate()
        self.node.__exit__()

    def start(self, *arguments):
        return subprocess.Popen([str(TRANCHE), "sim", *arguments, "--root", self.node.root],
                                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    def run(self, *arguments):
        """A workload; its process is the program itself."""
        process = self.start("workload", *arguments, "--for", "10m")
        self.started.append(process)
        return process

    def until(self, seen):
        """What `seen` gives once it gives something."""
        end = time.monotonic() + HANGS
        while time.monotonic() < end:
            value = seen()
            if value:
                return value
            for process in self.started:
                if process.poll() not in (None, -signal.SIGKILL):
                    raise AssertionError(f"{process.args} ended: {process.stderr.read()}")
            time.sleep(0.1)
        raise AssertionError("that never came")


class ProgramsSeen(unittest.TestCase):
    def busy(self, programs, script, *processes):
        """What a client sees of GPU 0 once all of `processes` share it."""
        def seen():
            gpu = programs.node.client(script)[0]
            shares = [gpu["processes"].get(str(process.pid), {"sm": 0})["sm"] for process in processes]
            return gpu if len(gpu["processes"]) == len(processes) and min(shares) >= 92 / len(shares) else None
        return programs.until(seen)

    def check(self, script):
        with Programs() as programs:
            small = programs.run("long", "--memory", "512Mi")
            large = programs.run("long", "--memory", "1Gi")
            gpu = self.busy(programs, script, small, large)
            seen = [gpu["processes"][str(process.pid)] for process in (small, large)]
            self.assertEqual(seen[1]["memory"] - seen[0]["memory"], 512 * MIB)
            self.assertGreater(seen[0]["memory"], 512 * MIB, "the context costs memory too")
            self.assertEqual(gpu["used"], seen[0]["memory"] + seen[1]["memory"])
            # They take turns, and a change from one to the other costs some of the time.
            self.assertAlmostEqual(seen[0]["sm"], seen[1]["sm"], delta=5)
            self.assertLess(seen[0]["sm"] + seen[1]["sm"], 99)
            self.assertGreater(gpu["utilization"], 90)
            large.kill()
            large.wait()
            alone = self.busy(programs, script, small)
            self.assertEqual(alone["used"], seen[0]["memory"], "what a process held is freed when it is killed")

    @need("pynvml")
    def test_nvidia_ml_py(self):
        self.check(NVIDIA_ML_PY_PROCESSES)

    @need("nvitop")
    def test_nvitop(self):
        self.check(NVITOP_PROCESSES)

    def test_nvidia_smi(self):
        with Programs() as programs:
            smi = programs.node.root + "/usr/bin/nvidia-smi"

            def lines(*arguments):
                return subprocess.run([smi, *arguments], text=True, capture_output=True,
                                      check=True).stdout.splitlines()

            program = programs.run("long", "--memory", "1Gi")
            apps = ("--query-compute-apps=pid,process_name", "--format=csv,noheader")
            named = programs.until(lambda: lines(*apps))
            self.assertEqual(len(named), 1)
            self.assertRegex(named[0], rf"^{program.pid}, .*tranche-workload long$", "each workload by its name")
            programs.until(lambda: [line for line in lines("pmon", "-c", "1")[2:]
                                    if line.split()[1] == str(program.pid) and int(line.split()[3]) > 85])


class ProgramsAccounted(unittest.TestCase):
    @need("pynvml")
    def test_a_program_that_has_ended(self):
        with Programs() as programs:
            smi = programs.node.root + "/usr/bin/nvidia-smi"
            on = subprocess.run([smi, "-am", "1"], capture_output=True, text=True)
            if on.returncode != 0:
                self.skipTest("accounting is switched on by root")
            program = programs.run("long", "--memory", "1Gi")
            stats = ("--query-accounted-apps=pid,gpu_util,max_memory_usage,time", "--format=csv,noheader,nounits")

            def accounted():
                out = subprocess.run([smi, *stats], capture_output=True, text=True, check=True).stdout
                rows = {int(row[0]): row[1:] for row in csv_rows(out)}
                return rows.get(program.pid)

            running = programs.until(lambda: [row for row in [accounted()] if row and row[0] > 50])[0]
            self.assertEqual(running[2], 0, "no time while it runs")
            self.assertGreater(running[1], 1024)
            program.kill()
            program.wait()
            ended = programs.until(lambda: [row for row in [accounted()] if row and row[2] > 0])[0]
            self.assertGreater(ended[0], 50)
            self.assertEqual(ended[1], running[1])


def csv_rows(text):
    return [[int(word) for word in line.split(", ")] for line in text.splitlines() if line]


if __name__ == "__main__":
    unittest.main()
