"""The demo, judged by what it prints and by the log of the simulated driver; README.md shows what it prints."""

import json
import os
import pathlib
import re
import signal
import subprocess
import unittest
import urllib.request

BIN = pathlib.Path(os.environ["TRANCHE_BIN_DIR"])
SOURCE = pathlib.Path(os.environ["TRANCHE_SOURCE_DIR"])
GIB, MIB = 1 << 30, 1 << 20
SPEC = pathlib.Path("/etc/cdi/tranche.dev-shim.json")
GROWN = 76 * GIB  # by the pod that nothing holds
HARM = "Two pods share a GPU, and nothing of it is theirs"
WALLS = "One line in the profile: a wall around each pod's memory"


def told():
    """What the demo prints until all is told, the driver's log up to then, and what is found where it says the page is."""
    demo = subprocess.Popen([BIN / "tranche", "demo", "--node=a100x2", "--keep"], text=True, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT)
    lines, log, page = [], [], {}
    try:
        for line in demo.stdout:
            print(line, end="", flush=True)
            lines.append(line.rstrip("\n"))
            if root := re.search(r"tranche sim xid 0 79 --root (\S+)", line):
                text = pathlib.Path(root[1], "var/log/tranche-sim/driver.jsonl").read_text()
                # What comes after the last end of a line is being written just now.
                log = [json.loads(each) for each in text.split("\n")[:-1]]
            if at := re.search(r"the page: (http\S+)", line):
                page = {path: read(at[1] + path) for path in ("", "api/v1/node")}
            if "curl localhost" in line:
                demo.send_signal(signal.SIGINT)
    finally:
        if demo.poll() is None:
            demo.send_signal(signal.SIGINT)
        status = demo.wait()
        demo.stdout.close()
    return lines, log, page, status


def read(address):
    with urllib.request.urlopen(address) as answer:
        return answer.headers["Content-Type"], answer.read().decode()


def held(log, pid):
    """(when, bytes) after each change of what a process has on its GPU, contexts included."""
    now, course = 0, []
    for line in log:
        if line.get("pid") != pid:
            continue
        if line["event"] == "context" or (line["event"] == "memory" and line["what"] == "taken"):
            now += line["taken_bytes"]
        elif line["event"] == "memory" and line["what"] == "freed":
            now -= line["taken_bytes"]
        elif line["event"] == "context_end":
            now -= line["freed_bytes"]
        course.append((line.get("ns", line.get("begun_ns")), now))
    return course


def most(course):
    return max(bytes for _, bytes in course)


def masked(lines):
    """Without what differs from run to run: numbers of processes."""
    return [re.sub(r"process \d+", "process N", line.strip()) for line in lines]


class Story(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.published = SPEC.exists()
        cls.lines, cls.log, cls.page, cls.status = told()

    def chapter(self, title):
        at = next((i for i, line in enumerate(self.lines) if re.fullmatch(r"\d+\. " + re.escape(title), line)), None)
        self.assertIsNotNone(at, f"there is no chapter {title!r}")
        text = self.lines[at + 1:]
        text = text[:text.index("")]
        if "left out" in text[0]:
            self.skipTest(text[0].strip())
        return text

    def found(self, pattern, text):
        matches = [match for match in (re.fullmatch(pattern, line.strip()) for line in text) if match]
        self.assertEqual(len(matches), 1, f"{pattern!r} in {text}")
        return matches[0].groups()

    def test_all_is_as_told(self):
        self.assertEqual(self.status, 0)
        self.assertTrue(any(line.startswith("Everything as told, in ") for line in self.lines))

    def test_the_page_is_where_it_is_said_to_be_and_shows_the_three_pods(self):
        self.chapter("Three pods share a GPU: who uses it, seen from outside by tranche node")
        kind, text = self.page[""]
        self.assertEqual(kind.split(";")[0], "text/html")
        self.assertIn("<title>", text)
        devices = json.loads(self.page["api/v1/node"][1])["devices"]
        pods = [pod for device in devices for pod in device["pods"]]
        self.assertEqual([pod["processes"] for pod in pods], [1, 1, 1])
        self.assertEqual(sum(pod["busyPercent"] > 0 for pod in pods), 2, "one of them is idle")

    def test_nothing_is_published_on_the_machine_itself(self):
        self.assertEqual(SPEC.exists(), self.published)

    def test_without_a_wall_one_takes_all_and_the_driver_refuses_the_other(self):
        """The control of the next one."""
        self.found(r"victim +░+ asked for 8\.0 GiB, [\d.]+ were free: CUDA_ERROR_OUT_OF_MEMORY", self.chapter(HARM))
        refused = [line for line in self.log if line["event"] == "memory" and line["what"] == "refused"]
        self.assertEqual([line["asked_bytes"] for line in refused], [8 * GIB])
        hogs = {line["pid"] for line in self.log if line["event"] == "memory"
                and line["free_bytes"] < 80 * GIB - GROWN}
        self.assertEqual(sum(most(held(self.log, pid)) > GROWN for pid in hogs), 1)

    def test_with_a_wall_it_is_refused_goes_on_and_gets_more_when_the_limit_is_raised(self):
        text = self.chapter(WALLS)
        self.found(r"\+ tranche: \{memory: \{mode: enforce, max: 50%\}\}", text)
        self.found(r"greedy +█+░+ 19\.\d of 19\.9 GiB, then CUDA_ERROR_OUT_OF_MEMORY; it goes on", text)
        victim = int(self.found(r"victim +█+░+ asked for 8\.0 GiB and has them, as process (\d+)", text)[0])
        self.found(r"\$ kubectl annotate pod greedy tranche\.dev/gpu-memory=30Gi .*", text)
        greedy = int(self.found(r"greedy +█+░+ 29\.\d of 30\.0 GiB, and it is still process (\d+)", text)[0])
        first, limit, second, raised = map(int, self.found(
            r"By the driver's log greedy never had more than (\d+) of (\d+) bytes, and then (\d+) of (\d+); "
            r"victim was refused nothing\.", text))
        self.assertEqual((limit, raised), ((80 * GIB - 512 * MIB) // 4, 30 * GIB))

        # By the log: it stood at its wall when its neighbour came, which is the very process that it was then.
        course, neighbour = held(self.log, greedy), held(self.log, victim)
        came = neighbour[0][0]
        before = most([step for step in course if step[0] <= came])
        self.assertEqual(before, first)
        self.assertTrue(limit - GIB - 2 * MIB < before <= limit, f"{before} of {limit}")
        self.assertEqual(most(course), second)
        self.assertTrue(raised - GIB - 2 * MIB < second <= raised, f"{second} of {raised}")
        self.assertGreater(most(neighbour), 8 * GIB)
        # The wall refused; the driver was never asked.
        self.assertEqual([line for line in self.log if line["event"] == "memory" and line["what"] == "refused"
                          and line["pid"] in (greedy, victim)], [])
        # Both computed when it had reached its second limit, too.
        full = next(when for when, bytes in course if bytes == second)
        for pid in (greedy, victim):
            self.assertTrue(any(line["event"] == "run" and line["pid"] == pid and line["begun_ns"] > full
                                for line in self.log), f"process {pid} has stopped computing")

    def test_the_readme_shows_what_is_printed(self):
        shown = re.search(r"^\d+\. " + re.escape(WALLS) + r"\n(.*?)^```", (SOURCE / "README.md").read_text(),
                          re.S | re.M)
        self.assertIsNotNone(shown, "README.md does not show the chapter")
        self.assertEqual(masked(shown[1].splitlines()), masked(self.chapter(WALLS)))


if __name__ == "__main__":
    unittest.main()
