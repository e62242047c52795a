"""The workloads on a simulated node with a driver: each does what its name says, and reports it."""

import json
import os
import pathlib
import subprocess
import sys
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SOURCE / "bench/native"))
from node import Node  # noqa: E402

BIN = pathlib.Path(os.environ["TRANCHE_BIN_DIR"])
TOTAL_GIB = 80  # of an A100


class Workloads(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.node = Node(BIN.parent, 1, 50).__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.node.__exit__()

    def run_workload(self, arguments, status=0):
        process = self.node.start(arguments)
        text, _ = process.communicate()
        self.assertEqual(process.returncode, status, text)
        return json.loads(text)

    def test_those_that_compute_do_what_they_launched(self):
        for name in ("steady", "streams --streams 4", "paced --period 1ms", "requests --think 1ms",
                     "graphs --burst 5"):
            with self.subTest(name):
                total = self.run_workload(f"{name} --for 0.3s")["total"]
                self.assertGreater(total["launched"], 0)
                self.assertGreater(total["done"], 0)
                self.assertLessEqual(total["done"], total["launched"])
                self.assertGreater(total["latency_ms"]["p50"], 0)
                self.assertEqual(total["errors"], {})

    def test_a_queue_that_is_full_blocks_and_one_that_is_not_does_not(self):
        # Twice as much as the GPU does: the queue is full after 1,024 launches of 1 ms, of which half are done.
        total = self.run_workload("paced --kernel 1ms --variation 0 --period 0.1ms --for 2s")["total"]
        self.assertGreater(total["launched"], 1024)
        self.assertGreater(total["blocked_share"], 0.2)
        total = self.run_workload("steady --kernel 1ms --variation 0 --for 2s")["total"]
        self.assertGreater(total["blocked_share"], 0.2)
        for name in ("paced --kernel 0.1ms --period 10ms", "steady --in-flight 8", "requests", "graphs --burst 5"):
            with self.subTest(name):
                self.assertEqual(self.run_workload(f"{name} --for 0.3s")["total"]["blocked_share"], 0)

    def test_latency_is_at_least_the_time_of_the_kernels(self):
        total = self.run_workload("requests --kernel 2ms --burst 5 --think 1ms --for 0.3s")["total"]
        self.assertGreaterEqual(total["latency_ms"]["p50"], 10)

    def test_what_is_computed_is_right(self):
        total = self.run_workload("check --memory 64Ki --for 0.3s")["total"]
        self.assertGreater(total["requests"], 0)
        self.assertIsNone(total["failed"])

    def test_a_check_compares_at_least_once(self):
        self.assertEqual(self.run_workload("check --memory 1Mi --for 0ns")["total"]["requests"], 1)

    def test_several_processes_are_several(self):
        report = self.run_workload("processes --processes 3 --for 0.3s")
        processes = report["processes"]
        self.assertEqual(len({process["pid"] for process in processes}), 3)
        self.assertEqual(len({process["begin_ns"] for process in processes}), 1)
        self.assertEqual(report["total"]["done"], sum(process["done"] for process in processes))
        self.assertTrue(all(process["done"] > 0 for process in processes))

    def test_memory_that_is_held_is_refused_to_others(self):
        process = self.node.start("hold --memory 76Gi --for 1h")
        try:
            # It is there when a process of NVML's list has it.
            while f'"memory": {76 << 30}' not in self.memory():
                self.assertIsNone(process.poll())
            total = self.run_workload("steady --memory 8Gi --for 0.1s", status=1)["total"]
            self.assertEqual(total["errors"], {"CUDA_ERROR_OUT_OF_MEMORY": 1})
        finally:
            process.terminate()
            report = Node.report(process)
        self.assertEqual(report["total"]["memory_bytes"], 76 << 30)
        self.run_workload("steady --memory 8Gi --for 0.1s")

    def memory(self):
        """What processes hold beside their contexts, in a text of lines."""
        shown = subprocess.run([BIN / "tranche", "sim", "driver-status", "--root", self.node.root, "-o", "json"],
                               capture_output=True, text=True, check=True)
        return "".join(f'"memory": {process["asked_bytes"]}\n'
                       for process in json.loads(shown.stdout)["processes"] if process["ended_ns"] is None)

    def test_a_leak_ends_in_a_refusal_and_greed_in_many(self):
        leak = self.run_workload("leak --piece 8Gi --period 1ms --for 0.5s")["total"]
        self.assertEqual(leak["errors"], {"CUDA_ERROR_OUT_OF_MEMORY": 1})
        self.assertGreater(leak["memory_bytes"], (TOTAL_GIB - 16) << 30)
        greedy = self.run_workload("greedy --piece 8Gi --period 1ms --for 0.5s")["total"]
        self.assertGreater(greedy["errors"]["CUDA_ERROR_OUT_OF_MEMORY"], 1)
        self.assertGreater(greedy["launched"], 0)

    def test_a_storm_stays_within_its_memory(self):
        total = self.run_workload("storm --memory 1Gi --piece 16Mi --for 0.3s")["total"]
        self.assertGreater(total["allocations"], 0)
        self.assertLessEqual(total["memory_peak_bytes"], 1 << 30)
        self.assertEqual(total["errors"], {})

    def test_a_signal_ends_it_with_a_report(self):
        process = self.node.start("steady --for 1h")
        while process.poll() is None and str(process.pid) not in self.pids():
            pass
        process.terminate()
        self.assertIsNone(Node.report(process)["total"]["failed"])

    def pids(self):
        shown = subprocess.run([BIN / "tranche", "sim", "driver-status", "--root", self.node.root, "-o", "json"],
                               capture_output=True, text=True, check=True)
        return {str(process["pid"]) for process in json.loads(shown.stdout)["processes"] if process["kernels"] > 0}

    def test_the_command_finds_program_and_node(self):
        command = [BIN / "tranche", "sim", "workload", "steady", "--for", "0.1s", "-o", "json"]
        done = subprocess.run([*command, "--root", self.node.root], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue(json.loads(done.stdout)["simulated"])
        done = subprocess.run([*command, "--streams", "5000"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 2)
        self.assertIn("1 to 1024 (see tranche sim workload --help)", done.stderr)
        listed = subprocess.run([BIN / "tranche", "sim", "workload", "list", "-o", "json"], capture_output=True,
                                text=True, check=True)
        self.assertIn("steady", [workload["name"] for workload in json.loads(listed.stdout)])
        done = subprocess.run([*command, "--root", "/nonexistent"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 1)
        self.assertIn("no simulated node in /nonexistent", done.stderr)

    def test_a_node_without_a_driver_is_said_to_have_none(self):
        for end in ("terminate", "kill"):  # kill: its socket stays, and nobody listens there
            with self.subTest(end), Node(BIN.parent, 1, 50) as node:
                command = [BIN / "tranche", "sim", "workload", "steady", "--for", "0.1s", "--root", node.root]
                self.assertEqual(subprocess.run(command, capture_output=True).returncode, 0, "with one it runs")
                getattr(node.driver, end)()
                node.driver.wait()
                done = subprocess.run(command, capture_output=True, text=True)
                self.assertEqual(done.returncode, 1)
                self.assertIn(f"tranche sim driver --root {node.root}", done.stderr)


class Lost(unittest.TestCase):
    """What only holds memory notices when there is nothing left to hold."""

    def start(self, node, arguments):
        process = node.start(f"{arguments} --for 1h")
        while self.held(node) < 10 << 30:
            self.assertIsNone(process.poll())
        return process

    def held(self, node):
        shown = subprocess.run([BIN / "tranche", "sim", "driver-status", "--root", node.root, "-o", "json"],
                               capture_output=True, text=True, check=True)
        return sum(process["asked_bytes"] for process in json.loads(shown.stdout)["processes"])

    def assert_lost(self, process):
        text, _ = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 1, text)
        total = json.loads(text)["total"]
        self.assertIn("CUDA_ERROR", total["failed"])
        self.assertEqual(total["memory_bytes"], 0)

    def test_a_driver_that_dies(self):
        for arguments in ("hold --memory 10Gi", "leak --piece 10Gi --period 1ms"):
            with self.subTest(arguments), Node(BIN.parent, 1, 50) as node:
                process = self.start(node, arguments)
                node.driver.kill()
                node.driver.wait()
                self.assert_lost(process)

    def test_a_gpu_that_is_lost(self):
        with Node(BIN.parent, 1, 50) as node:
            process = self.start(node, "hold --memory 10Gi")
            subprocess.run([BIN / "tranche", "sim", "lose", "0", "--root", node.root], check=True,
                           stdout=subprocess.DEVNULL)
            self.assert_lost(process)


class WithoutADriver(unittest.TestCase):
    def test_it_says_so(self):
        with Node(BIN.parent, 1, 50) as node:
            node.stop()
            process = node.start("steady --for 0.1s")
            text, _ = process.communicate()
            self.assertEqual(process.returncode, 1)
            self.assertIn("CUDA_ERROR_SYSTEM_NOT_READY", json.loads(text)["total"]["errors"])


if __name__ == "__main__":
    unittest.main()
