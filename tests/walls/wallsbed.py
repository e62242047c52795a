"""Memory walls as a node has them: the simulated driver, a kubelet that says who holds what, `tranche node` with walls,
and programs in the control groups of pods, with the shim before the driver's libcuda. Two pods hold a share of both GPUs.

Tests run with a /run of their own (own_run), because programs look for the node program's socket there."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.dont_write_bytecode = True
sys.path.insert(0, str(SOURCE / "tests/sight"))
from names import Names, pod  # noqa: E402
from sightbed import BIN, GIB, HANGS, LARGE, MIB, SMALL, BedOfParts, Groups, Sight, free_port, until  # noqa: E402

# Both beds have a module `node`, and sightbed's has been taken by now.
del sys.modules["node"]
sys.path[:0] = [str(SOURCE / "tests/shim"), str(SOURCE / "tests/cuda")]
from arbiter import FOLDER, own_run  # noqa: E402
from programs import POOL, PRELUDE  # noqa: E402
from shim import CONTEXT, DrivenNode, Shadow, copy_for_folder  # noqa: E402

__all__ = ["BIN", "CONTEXT", "FOLDER", "GIB", "HANGS", "MIB", "POD", "POOL", "NEIGHBOUR", "PRELUDE", "RACER", "Bed", "Program",
           "Shadow", "copy_for_folder", "free_port", "most_used", "own_run", "until"]

POD, NEIGHBOUR = SMALL, LARGE
RACER = BIN.parent / "tests/walls_racer"
HELD_PODS = BIN.parent / "bench/held_pods"
CONFIG = """version: v1
sharing: {{timeSlicing: {{resources: [{{name: nvidia.com/gpu, replicas: {replicas}}}]}}}}
tranche: {{memory: {{mode: {mode}, limit: {limit}, reserve: 0, arbiterAway: {away}{bounds}}}}}
"""
# Does what each line of its input says and answers with a line of JSON: `take MIB` [CUDA's error, MiB held],
# `free` all of it, `info` [free, total].
PUPPET = PRELUDE + """
def answer(word, number=0):
    if word == "take":
        try:
            held.append(plain(number * MiB)); sizes.append(number)
            return [0, sum(sizes)]
        except Refused:
            return [2, sum(sizes)]
    if word == "free":
        for free in held: free()
        held.clear(); sizes.clear()
    return info()

device = int(sys.argv[1])
held, sizes = [], []
begin(device)
print("ready", flush=True)
for line in sys.stdin:
    word, *numbers = line.split()
    print(json.dumps(answer(word, *map(int, numbers))), flush=True)
"""


class Program:
    """A PUPPET on one GPU, in a pod."""

    def __init__(self, bed, uid, device=0, walled=True, container=0, shadow=None):
        self.process = bed.start([sys.executable, "-c", PUPPET, str(device)], uid, walled, container, shadow)
        line = self.process.stdout.readline()
        if line != "ready\n":
            raise AssertionError(f"{line}{self.process.communicate()}")

    def ask(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError(f"the program has ended: {self.process.communicate()}")
        return json.loads(line)

    def take(self, mib):
        """CUDA's error, and the MiB that the program has."""
        return tuple(self.ask("take", mib))

    def free(self):
        return self.ask("free")

    def info(self):
        """Free and all of the memory, as the program is told."""
        return self.ask("info")

    def fill(self, piece=1024):
        """Takes what there is in ever smaller pieces, down to 2 MiB; the MiB that it has then."""
        held = 0
        while piece >= 2:
            error, held = self.take(piece)
            piece = piece if error == 0 else piece // 2
        return held

    def end(self):
        self.process.kill()
        self.process.communicate()


class Bed(BedOfParts):
    """`limit` of a pod on each GPU, the `most` that one may ask for, `mode` and `away` as the config has them. `sight` is
    the node program. `more` pods beside the two of tests have a container each."""

    def __init__(self, limit="4Gi", mode="enforce", away="open", more=0, most=None):
        super().__init__()
        self.more = [f"6d2f1d4e-5c0f-4b39-9a50-1f6a{number:08x}" for number in range(more)]
        self.config = {"limit": limit, "mode": mode, "away": away, "replicas": 4 + more,
                       "bounds": f", max: {most}" if most else ""}
        self.sight = None

    def begin(self):
        self.groups = self.enter_context(Groups())
        if self.groups.root is None:
            return
        self.folder = pathlib.Path(self.enter_context(tempfile.TemporaryDirectory(prefix="tranche-walls-")))
        self.node = self.enter_context(self.make_node())
        self.shadow = self.enter_context(Shadow(self.node.library()))
        self.uuids = self.find_uuids()
        self.callback(self.clear)
        kubelet = self.folder / "kubelet.sock"
        self.run(HELD_PODS, kubelet, 2 + len(self.more), "+".join(self.uuids))
        until(kubelet.exists)
        numbers = {POD: {1: "main", 2: "second"}, NEIGHBOUR: {3: "main"},
                   **{uid: {4 + i: "main"} for i, uid in enumerate(self.more)}}
        self.names = {uid: f"worker-{self.uuids[-1][-12:]}-{i}" for i, uid in enumerate(numbers)}
        self.containers = {uid: [self.groups.container(uid, number) for number in each]
                           for uid, each in numbers.items()}
        self.api = self.enter_context(Names([pod(uid, f"team-{i % 8}", self.names[uid], each)
                                             for i, (uid, each) in enumerate(numbers.items())]))
        self.flags = ["--node-name=worker-1", "--events", f"--kubeconfig={self.api.kubeconfig}",
                      f"--pod-resources-socket={kubelet}",
                      f"--config-file={self.folder / 'config.yaml'}", f"--run-dir={self.folder / 'node'}"]
        self.arbitrate()

    @staticmethod
    def make_node():
        # All of the driver's log is kept: races are judged by it.
        return DrivenNode("a100x2", "--log-size=64Gi")

    def find_uuids(self):
        return [gpu["uuid"] for gpu in json.loads(self.node.run("node", "show", "-o", "json"))["gpus"]]

    @staticmethod
    def clear():
        for path in FOLDER.glob("*"):
            path.unlink()

    def run(self, *command):
        process = subprocess.Popen(list(map(str, command)))

        def end():
            process.terminate()
            process.wait(HANGS)

        self.callback(end)
        return process

    def arbitrate(self, **config):
        """Starts the node program, and waits until its walls stand; `config` changes what it is told."""
        self.begin_node_program(**config)
        self.await_walls()

    def begin_node_program(self, **config):
        self.config.update(config)
        (self.folder / "config.yaml").write_text(CONFIG.format(**self.config))
        self.sight = Sight(self.node, *self.flags, wait=False)
        self.callback(self.end_node_program, self.sight)

    def await_walls(self):
        self.sight.await_gpus()
        until(lambda: self.status()["memoryWalls" if self.config["mode"] == "enforce" else "config"],
              self.sight.process)

    def ask(self, memory, uid=POD):
        """The pod's annotation asks for so much memory; None: there is none."""
        self.api.annotate(self.names[uid], {"tranche.dev/gpu-memory": memory} if memory else {})

    def attached(self):
        """How many programs are."""
        return sum(value for _, value in self.sight.metrics().get("tranche_walls_programs", []))

    @staticmethod
    def end_node_program(sight):
        if sight.process.poll() is None:
            sight.process.send_signal(signal.SIGCONT)
            sight.__exit__()

    def kill_node_program(self):
        self.sight.process.kill()
        self.sight.process.communicate()
        self.sight.folder.cleanup()

    def start(self, command, uid, walled=True, container=0, shadow=None, stdin=subprocess.PIPE):
        """A program in a container of a pod; its libcuda is the shim where it is walled."""
        libraries = ([str((shadow or self.shadow).path)] if walled else []) + [self.node.libraries()]
        group = self.containers[uid][container]

        def join():
            (group / "cgroup.procs").write_text("0")

        process = subprocess.Popen(list(map(str, command)), text=True, preexec_fn=join, stdin=stdin,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   env={**os.environ, "LD_LIBRARY_PATH": ":".join(libraries)})

        def end():
            process.kill()
            process.communicate()

        self.callback(end)
        return process

    def program(self, uid=POD, **options):
        return Program(self, uid, **options)

    def python(self, script, uid=POD, walled=True):
        """What the script prints last, as JSON."""
        process = self.start([sys.executable, "-c", PRELUDE + script], uid, walled)
        out, errors = process.communicate(timeout=5 * HANGS)
        if process.returncode != 0:
            raise AssertionError(f"{process.returncode}: {out}{errors}")
        return json.loads(out.splitlines()[-1])

    def status(self):
        return json.loads(self.sight.get("/status"))

    def wall(self, uid=POD, device=0):
        """What the node program says of a pod's wall on a GPU."""
        for wall in self.status()["memoryWalls"]:
            if wall["pod"] == self.names[uid] and wall["device"] == self.uuids[device]:
                return wall
        return {}

    def seen_by_driver(self, uid=POD, device=0):
        """The bytes that the driver itself says that a pod has, in all its containers."""
        return sum(value for labels, value in self.sight.metrics().get("tranche_pod_gpu_memory_used_bytes", [])
                   if labels["pod"] == self.names[uid] and labels["index"] == str(device))


def most_used(log, pids, slots=2):
    """The most bytes, contexts included, that some processes had on each GPU at any instant, by the driver's log."""
    held = [{} for _ in range(slots)]  # by process and client
    now, most = [0] * slots, [0] * slots
    for line in map(json.loads, log):
        key = (line.get("pid"), line.get("client"))
        if key[0] not in pids:
            continue
        if line["event"] == "process_end":
            for slot in range(slots):
                now[slot] -= held[slot].pop(key, 0)
            continue
        if line["event"] == "context" or (line["event"] == "memory" and line["what"] == "taken"):
            change = line["taken_bytes"]
        elif line["event"] == "memory" and line["what"] == "freed":
            change = -line["taken_bytes"]
        elif line["event"] == "context_end":
            change = -line["freed_bytes"]
        else:
            continue
        slot = line["slot"]
        held[slot][key] = held[slot].get(key, 0) + change
        now[slot] += change
        most[slot] = max(most[slot], now[slot])
    return most
