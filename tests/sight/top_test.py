"""`tranche top` in a terminal: before a small server that says what `tranche node` would say, and before the real one."""

import http.server
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from sightbed import GIB, SMALL, Programs, Sight  # noqa: E402
from terminal import HANGS, Terminal  # noqa: E402

TRANCHE = str(pathlib.Path(os.environ["TRANCHE_BIN_DIR"]) / "tranche")
COLOUR = re.compile(rb"\x1b\[[0-9;]+m")


def pod(name, **more):
    return {"namespace": "team-a", "pod": name, "container": "main", "uid": f"uid-{name}", "memoryBytes": 2 * GIB,
            "memoryLimitBytes": None, "processes": 1, "granted": True, "replicas": 1, "gpuSeconds": 12.5,
            "busyPercent": 50, "energyJoules": 100, "lastActive": time.time(), **more}


def gpu(index, pods, **more):
    return {"uuid": f"GPU-{index}", "index": str(index), "model": "NVIDIA A100", "migProfile": None,
            "health": "Healthy", "healthReason": "", "memoryBytes": 80 * GIB, "memoryUsedBytes": 40 * GIB,
            "busyPercent": 75, "powerWatts": 300, "powerLimitWatts": 400, "temperatureCelsius": 60,
            "replicas": {"advertised": 4, "held": 3, "free": 1}, "unmeasured": "", "pods": pods, **more}


def status(devices, **more):
    return {"apiVersion": "tranche.dev/v1", "kind": "NodeStatus", "version": "0", "nodeName": "worker-1", "ready": True,
            "degraded": [], "fresh": True, "grants": {"known": True, "error": ""}, "devices": devices, **more}


class Server:
    """Answers /status with `says`: a document, text, or None, where it does not answer at all."""

    def __init__(self, says, port=0):
        self.says, self.asked = says, 0
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.asked += 1
                if outer.says is None:
                    outer.ended.wait(HANGS)
                    return
                body = (outer.says if isinstance(outer.says, str) else json.dumps(outer.says)).encode()
                self.send_response(200 if self.path == "/status" else 404)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.ended = threading.Event()
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def address(self):
        return f"--address=127.0.0.1:{self.port}"


def top(server, *flags, **settings):
    return Terminal([TRANCHE, "top", server.address(), "--interval=0.2", *flags], **settings)


def once(server, *flags, **env):
    return subprocess.run([TRANCHE, "top", server.address(), *flags], capture_output=True, text=True, timeout=HANGS,
                          env={**os.environ, **env}, stdin=subprocess.DEVNULL)


class Screen(unittest.TestCase):
    def setUp(self):
        idle = pod("notebook", busyPercent=0, lastActive=time.time() - 1000, memoryBytes=9 * GIB)
        self.server = self.enterContext(Server(status([gpu(0, [idle, pod("train")]), gpu(1, [])])))

    def open(self, *flags, **settings):
        terminal = self.enterContext(top(self.server, *flags, **settings))
        terminal.shows("worker-1", "? help")
        return terminal

    def test_shows_gpus_and_pods_and_follows_them(self):
        terminal = self.open()
        screen = terminal.shows("GPU 0  NVIDIA A100  healthy  300/400 W  60 °C  3 of 4 held", "40.0/80.0 GiB", "75.0 %")
        lines = screen.split("\n")
        train, notebook = (next(i for i, line in enumerate(lines) if name in line) for name in ("train", "notebook"))
        self.assertLess(train, notebook, "who computes comes first")
        self.assertRegex(lines[train], r"team-a/train main +█+░+ +50\.0 % +2\.0 GiB +1$")
        self.assertRegex(lines[notebook], r" 0\.0 % +9\.0 GiB +1 +16 min$")
        self.server.says = status([gpu(0, [pod("late", granted=False, memoryLimitBytes=GIB)], health="Unhealthy",
                                       healthReason="XID 79", busyPercent=12.5)])
        terminal.shows("team-a/late", "Unhealthy: XID 79", "not granted, over limit", "12.5 %")
        self.assertNotIn("train", terminal.text())

    def test_walls_are_shown_where_there_are_any(self):
        walls = [{"namespace": "team-a", "pod": name, "device": "GPU-0", "limitBytes": limit * GIB, "usedBytes": GIB,
                  "contextBytes": 0, "refusals": refused, "walled": walled, "reason": reason, "why": "",
                  "ledgerMismatch": walled} for name, limit, refused, walled, reason in
                 (("train", 8, 3, True, ""), ("old", 4, 0, False, "no-shim"))]
        terminal = self.open()
        terminal.shows("team-a/train")
        terminal.shows_no("refused")
        self.server.says = status([gpu(0, [pod("train"), pod("old"), pod("new")])], memoryWalls=walls)
        screen = terminal.shows("team-a/old", "team-a/new")
        lines = {name: next(line for line in screen.split("\n") if f"team-a/{name}" in line)
                 for name in ("train", "old", "new")}
        self.assertRegex(lines["train"], r" 2\.0/8\.0 GiB +1 +more than counted, 3 refused$")
        self.assertRegex(lines["old"], r" 2\.0/4\.0 GiB +1 +no wall: no-shim$")
        self.assertRegex(lines["new"], r" 2\.0 GiB +1$")

    def test_nothing_flickers(self):
        self.server.says = status([gpu(0, [pod("train")])])
        terminal = self.open()
        terminal.shows("team-a/train")
        self.assertIn(b"\x1b[?2026h", terminal.bytes)
        begun, asked = len(terminal.bytes), self.server.asked
        terminal.until(lambda _: self.server.asked > asked + 3, "it is asked again")
        self.assertEqual(terminal.bytes[begun:], b"", "what did not change is not written")
        self.server.says["devices"][0]["busyPercent"] = 33
        terminal.shows("33.0 %")
        self.assertNotIn(b"train", terminal.bytes[begun:], "only the line that changed")
        for clears in (b"\x1b[2J", b"\x1b[J", b"\x1b[2K"):
            self.assertNotIn(clears, terminal.bytes)

    def test_takes_the_size_that_the_terminal_gets(self):
        terminal = self.open()
        for columns, rows in ((60, 12), (140, 40), (20, 5), (100, 30)):
            terminal.set_size(columns, rows)
            terminal.until(lambda text: text.split("\n")[rows - 1].startswith("q quit"), f"{columns}x{rows}")
            lines = terminal.text().split("\n")
            self.assertTrue(lines[0].startswith("tranche top"), lines)
            self.assertEqual(sum(line.startswith("q quit") for line in lines), 1)

    def test_gives_the_terminal_back(self):
        ways = {"q": lambda terminal: terminal.type("q"), "Ctrl-C": lambda terminal: terminal.type("\x03")}
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            ways[number.name] = lambda terminal, number=number: terminal.process.send_signal(number)
        for name, end in ways.items():
            with self.subTest(name), top(self.server) as terminal:
                terminal.shows("worker-1")
                self.assertFalse(terminal.is_restored(), "it is taken until then")
                end(terminal)
                self.assertEqual(terminal.ends(), 0)
                self.assertTrue(terminal.is_restored())

    def test_stops_and_goes_on(self):
        terminal = self.open()
        for stop in (lambda: terminal.type("\x1a"), lambda: terminal.process.send_signal(signal.SIGTSTP)):
            stop()
            terminal.stops()
            self.assertTrue(terminal.is_restored())
            terminal.screen.reset()
            terminal.goes_on()
            terminal.shows("worker-1", "team-a/train", "? help")
            self.assertFalse(terminal.is_restored())

    def test_keys_sort_scroll_and_help(self):
        names = [f"pod-{i:02}" for i in range(40)]
        self.server.says = status([gpu(0, [pod(name, busyPercent=80 - i, memoryBytes=(i + 1) * GIB)
                                           for i, name in enumerate(names)])])
        terminal = self.open()
        first = re.compile(r"team-a/(pod-\d+)")
        terminal.until(lambda text: first.search(text)[1] == "pod-00", "by busy")
        terminal.type("\x1b[6~")
        terminal.until(lambda text: "pod-00" not in text and "lines " in text, "a page on")
        terminal.type("\x1b[F")
        terminal.shows("pod-39")
        terminal.type("\x1b[H")
        terminal.shows("pod-00")
        terminal.type("\x1b[B" * 3)
        terminal.until(lambda text: first.search(text)[1] == "pod-01", "three lines on")
        terminal.type("gs")
        terminal.until(lambda text: "by memory" in text and first.search(text)[1] == "pod-39", "by memory")
        terminal.type("?")
        terminal.shows("Ctrl-Z", "this help")
        terminal.type("?")
        terminal.shows("pod-39")

    def test_without_an_answer_the_last_figures_stay_and_it_is_asked_again(self):
        terminal = self.open()
        terminal.shows("team-a/train")
        port = self.server.port
        self.server.__exit__()
        terminal.shows("no answer for", "asking again: Failed to connect", "team-a/train")
        with Server(status([gpu(0, [pod("back")])]), port):
            terminal.shows("team-a/back")
            terminal.shows_no("no answer")
        terminal.type("q")
        self.assertEqual(terminal.ends(), 0)

    def test_it_is_said_where_nobody_answers_from_the_start(self):
        for says, why in ((None, "waiting for http://127.0.0.1:"), ("no JSON", "cannot be read"),
                          ({"kind": "AgentStatus"}, "no NodeStatus")):
            self.server.says = says
            with self.subTest(why), top(self.server) as terminal:
                terminal.shows(why)
                terminal.type("q")
                self.assertEqual(terminal.ends(), 0)

    def test_what_is_degraded_is_said(self):
        self.server.says = status([], ready=False, fresh=False, degraded=["driver: not ready"])
        self.open().shows("driver: not ready", "these figures are old", "no GPU is known yet")

    def test_a_hostile_name_is_only_text(self):
        name = "x\x1b[2J\x1b]0;owned\x07\u202e\n\r日本語"
        self.server.says = status([gpu(0, [pod(name, namespace="\x9b5n", container="🚀" * 40)], model=name)])
        terminal = self.open()
        terminal.shows("50.0 %", "40.0/80.0 GiB")
        for sequence in (b"\x1b[2J", b"\x1b]", b"\x07", b"\xe2\x80\xae", b"\xc2\x9b"):
            self.assertNotIn(sequence, terminal.bytes)
        line = next(line for line in terminal.screen.display if "50.0 %" in line)
        self.assertRegex(line, r"░ +50\.0 % +2\.0 GiB +1 *$", "its columns are where they are")

    def test_colour_only_where_it_is_wanted(self):
        terminal = self.open()
        terminal.shows("team-a/train")
        self.assertRegex(terminal.bytes, COLOUR)
        plain = self.open(NO_COLOR="1")
        plain.shows("team-a/train")
        plain.type("q")
        plain.ends()
        self.assertEqual(set(COLOUR.findall(plain.bytes)), {b"\x1b[0m"}, "all it says of colour is: none, at the end")

    def test_ascii_where_the_locale_has_no_more(self):
        terminal = self.open(LC_ALL="C")
        terminal.shows("team-a/train", "####")
        self.assertTrue(terminal.bytes.isascii())

    def test_a_dumb_terminal_gets_a_table(self):
        with top(self.server, TERM="dumb") as terminal:
            self.assertEqual(terminal.ends(), 0)
            self.assertIn("team-a     train", terminal.text())
            self.assertNotIn(b"\x1b", terminal.bytes)
            self.assertEqual(terminal.bytes.count(b"GPU  NAMESPACE"), 1)


class Once(unittest.TestCase):
    def setUp(self):
        self.server = self.enterContext(Server(status([gpu(0, [pod("train")])])))

    def test_tables(self):
        shown = once(self.server, "--once")
        self.assertEqual((shown.returncode, shown.stderr), (0, ""))
        self.assertIn("0    NVIDIA A100  Healthy  75.0 %  40.0/80.0 GiB", shown.stdout)
        self.assertIn("0    team-a     train  main       50.0 %  2.0 GiB", shown.stdout)
        self.assertNotIn("\x1b", shown.stdout)
        self.assertEqual(once(self.server).stdout, shown.stdout, "no terminal: once")
        self.assertIn("uid-train", once(self.server, "-o", "wide").stdout)

    def test_documents(self):
        self.assertEqual(json.loads(once(self.server, "-o", "json").stdout), self.server.says)
        self.assertIn("\nnodeName: worker-1\n", once(self.server, "--once", "-o", "yaml").stdout)

    def test_exit_statuses(self):
        self.server.says = status([gpu(0, [])], degraded=["gpu GPU-0: lost"])
        shown = once(self.server, "--once")
        self.assertEqual(shown.returncode, 1)
        self.assertIn("Degraded:\n  gpu GPU-0: lost\n", shown.stdout)
        self.assertEqual(once(self.server, "-o", "json").returncode, 1)
        for says in (None, "no JSON", {"kind": "AgentStatus"}):
            self.server.says = says
            shown = once(self.server, "--once")
            self.assertEqual((shown.returncode, shown.stdout), (2, ""))
            self.assertIn("tranche top: ", shown.stderr)
        self.assertEqual(once(self.server, "--sort=size").returncode, 2)
        self.assertEqual(once(self.server, "--once", "--address=a b").returncode, 2)


class OnANode(Programs):
    def test_shows_what_runs_there(self):
        if self.groups.root is None:
            self.skipTest("no control group can be made here")
        with Sight(self.node) as sight, Terminal([TRANCHE, "top", f"--address={sight.port}"], columns=130) as terminal:
            terminal.shows("GPU 0", "GPU 1", "no pod")
            workloads = (("steady --memory 2Gi", self.groups.container(SMALL, 1)), ("hold --memory 1Gi", None))
            processes = self.run_for(600, workloads)
            terminal.until(lambda text: re.search(rf"{SMALL} \S+ +█+░* +\d+\.\d % +2\.\d GiB +1", text), "the pod")
            terminal.until(lambda text: re.search(r"\(no pod's\) +1\.\d GiB +1", text), "the program of the host")
            for process in processes:
                process.kill()
            terminal.shows_no("(no pod's)")
            terminal.type("q")
            self.assertEqual(terminal.ends(), 0)


if __name__ == "__main__":
    unittest.main()
