"""The story of ./run on a real cluster, with kubectl as the narrator: ./run --kubernetes [--keep].

One control plane and three nodes with simulated GPUs on this machine; the seed document's ConfigMap, its Helm
install, its labels and its pods; what pods that share a GPU do to each other, walls that keep their memory apart, and
who uses the GPUs. Exit status 1 if a step is not as told.
"""

import itertools
import json
import pathlib
import sys
import time

import bed
from suites import usage
from suites.sighted import FETCH
from suites.walk import COUNT, HELM_INSTALL, LABEL_DEV, LABEL_TRAIN, NODES, PODS, SEED, Walk, refused


GIB, MIB = 1 << 30, 1 << 20
WALLS = "tranche: {memory: {mode: enforce, max: 50%}}"
MEMORY = "nvidia-smi --query-gpu=memory.used,memory.total --format=csv,noheader"


class Narrator:
    """Stands where the tests' report does: says what was seen, and ends the story where it is not as told."""

    def __init__(self):
        self.chapter = 0

    def title(self, text):
        self.chapter += 1
        bold, plain = ("\033[1m", "\033[0m") if sys.stdout.isatty() else ("", "")
        print(f"\n{bold}{self.chapter}. {text}{plain}", flush=True)

    def __call__(self, name, function, *arguments):
        print(f"   {name}", flush=True)
        function(*arguments)


def tell(walk, narrator):
    narrator.title("The profiles of the document: default (4 replicas), dev (8); two GPUs on each of three nodes")
    walk.sh("kubectl get nodes")
    walk.sh("kubectl create namespace gpu-operator")
    walk.sh("kubectl apply -f gpu-time-slicing-config.yaml")
    narrator.title("Helm installs Tranche where NVIDIA's plugin would be")
    walk.sh(HELM_INSTALL)
    walk.plugin_ready()
    for node in NODES:
        walk.count_becomes(node, 8)
    walk.sh(COUNT.format("gpu-node"))
    narrator.title("Other profiles for two of the nodes, live: no restart, no pod disturbed")
    walk.sh(LABEL_DEV)
    walk.count_becomes("dev-gpu-node", 16)
    (walk.folder / "no-sharing.yaml").write_bytes((SEED / "02-no-sharing.yaml").read_bytes())
    walk.sh("kubectl -n gpu-operator patch configmap device-plugin-config --type merge --patch-file no-sharing.yaml")
    walk.sh(LABEL_TRAIN)
    walk.count_becomes("train-gpu-node", 2)
    narrator.title("Four pods, each asking for one nvidia.com/gpu")
    walk.sh(PODS)
    names = [f"gpu-test-{i}" for i in range(1, 5)]
    walk.pods_run(names)
    walk.sh("kubectl get pods -o wide")
    for name in names:
        walk.sh(f"kubectl exec {name} -- nvidia-smi -L")
    narrator.title("One that asks for two replicas of a shared GPU is refused")
    refused(walk)
    narrator.title("A GPU falls off its bus: its replicas go, and come back when it does")
    walk.cluster.nodes["gpu-node"].sim("lose", "0")
    walk.count_becomes("gpu-node", 4)
    time.sleep(2)  # as long as a reset takes
    walk.cluster.nodes["gpu-node"].sim("return", "0")
    walk.count_becomes("gpu-node", 8)
    walk.sh("kubectl get pods")


def bar(name, share):
    print(f"    {name:8} {'█' * round(40 * share):40} {100 * share:5.1f} %", flush=True)


def start_teams(walk, node):
    """Two pods that were given one GPU: with two GPUs on a node, two of three pods have the same."""
    names = ("team-a", "team-b", "team-c")
    for name in names:
        walk.cluster.run_pod(name, image=usage.IMAGE, gpus=1, node=node)
    gpus = {name: walk.gpus_of(name) for name in names}
    first, second = next(pair for pair in itertools.combinations(names, 2) if gpus[pair[0]] == gpus[pair[1]])
    print(f"    {first} and {second} share {gpus[first][0]}", flush=True)
    return first, second


def tell_harm(walk, narrator):
    """What sharing by turns alone does: numbers from the account of the simulated driver."""
    name = "gpu-node"
    node = walk.cluster.nodes[name]
    narrator.title("Two pods on one GPU: one takes 76 GiB, and the other's next allocation fails")
    first, second = start_teams(walk, name)

    def uses(pod, count, memory=0):
        found = usage.of_pods(walk.cluster, node, [pod])[pod]
        return len(found) == count and all(process["memory_peak_bytes"] > memory for process in found)
    def run(pod, *arguments):
        return usage.Background(walk.cluster, pod, *arguments, say=lambda text: print("    " + text, flush=True))
    with run(first, "hold", "--memory", "76Gi"):
        walk.cluster.wait_for(f"{first} holds 76 GiB", lambda: uses(first, 1, 76 << 30), 60)
        line = f"kubectl exec {second} -- tranche-workload hold --memory 8Gi --for 1s"
        print("    $ " + line, flush=True)
        done = walk.line(line, check=False)
        for said in (done.stdout + done.stderr).splitlines()[:6]:
            print("      " + said, flush=True)
        is_refused = done.returncode != 0 and "OUT_OF_MEMORY" in done.stdout
        walk.check(f"{second} gets no memory, and ends", is_refused, "" if is_refused else done.stdout)
    narrator.title("The same two: four processes in one of them get four fifths of the time")
    with run(first, "processes", "--processes", "4"), run(second, "steady"):
        walk.cluster.wait_for("five processes compute", lambda: uses(first, 4) and uses(second, 1), 60)
        before = usage.computed(walk.cluster, node, [first, second])
        time.sleep(3)
        used = usage.difference(usage.computed(walk.cluster, node, [first, second]), before)
    shares = {pod: used[pod] / sum(used.values()) for pod in used}
    for pod, share in shares.items():
        bar(pod, share)
    is_four_fifths = abs(shares[first] - 0.8) < 0.02
    walk.check("time is shared by processes, not by pods", is_four_fifths, "" if is_four_fifths else shares)


class Walled:
    """What both programs on a node say of walls, and the one line in the profile."""

    def __init__(self, walk, name):
        self.walk, self.name, self.node = walk, name, walk.cluster.nodes[name]

    def status(self, app, port):
        """What the program of that label on the node says of itself; {} while it does not."""
        pods = self.walk.get("pods", "-n", "gpu-operator", "-l", f"app={app}")["items"]
        address = next((pod["status"].get("podIP") for pod in pods if pod["spec"].get("nodeName") == self.name
                        and "deletionTimestamp" not in pod["metadata"]), None)
        said = self.node.run("python3", "-c", FETCH, f"http://{address}:{port}/status", check=False).stdout
        return json.loads(said) if said else {}

    def of(self, pod):
        """The wall of a pod as tranche-node tells of it; {} while it does not."""
        walls = self.status("tranche-node", 9436).get("memoryWalls", [])
        return next((wall for wall in walls if wall["pod"] == pod), {})

    def begin(self):
        walk = self.walk
        walk.sh("helm upgrade gpu-operator nvidia/gpu-operator --namespace gpu-operator --reuse-values "
                "--set node.enabled=true --set node.walls=true")
        config = walk.get("configmap", "device-plugin-config", "-n", "gpu-operator")["data"]["default"]
        (walk.folder / "walls.json").write_text(json.dumps({"data": {"default": config + WALLS + "\n"}}))
        print(f"    + {WALLS}", flush=True)
        walk.sh("kubectl -n gpu-operator patch configmap device-plugin-config --type merge --patch-file walls.json")
        walk.cluster.wait_for("walls stand", lambda: self.status("tranche-node", 9436).get("walls") == "standing", 120)
        walk.cluster.wait_for("pods are given them", lambda: self.status("nvidia-device-plugin-daemonset", 9435).get(
            "walls") == "installed", 120)

    def peak(self, pod):
        """The most that a process of the pod has had, contexts included, as the driver counts."""
        found = usage.of_pods(self.walk.cluster, self.node, [pod])[pod]
        return max((process["memory_peak_bytes"] for process in found), default=0)

    def fills(self, pod):
        """The pod, which asks for ever more GiB, reaches its limit; the driver has not seen a byte of it above."""
        def full():
            wall = self.of(pod)
            return wall.get("refusals") and wall["limitBytes"] - GIB - 2 * MIB < self.peak(pod)
        self.walk.cluster.wait_for(f"{pod} is refused memory at its limit", full, 90)
        limit, peak = self.of(pod)["limitBytes"], self.peak(pod)
        self.walk.check(f"{pod} has had {peak / GIB:.1f} of {limit / GIB:.1f} GiB at most, and is refused the next",
                        peak <= limit, "" if peak <= limit else f"{peak} bytes of {limit}")
        return limit


def computes(walk, node, pod):
    """From now on, as the driver counts."""
    before = usage.computed(walk.cluster, node, [pod])[pod]
    walk.cluster.wait_for(f"{pod} goes on computing",
                          lambda: usage.computed(walk.cluster, node, [pod])[pod] > before, 60)


def tell_walls(walk, narrator):
    """The same greed after one line in the profile. Pods are made anew, as walls come with their containers."""
    name = "gpu-node"
    narrator.title("One line in the profile: a wall around each pod's memory")
    walled = Walled(walk, name)
    walled.begin()
    walk.sh("kubectl delete pod --all --grace-period=0 --wait=true")
    greedy, victim = start_teams(walk, name)

    def run(pod, *arguments):
        return usage.Background(walk.cluster, pod, *arguments, say=lambda text: print("    " + text, flush=True))
    with run(greedy, "greedy", "--piece", "1Gi", "--period", "20ms"):
        limit = walled.fills(greedy)
        shown = walk.sh(f"kubectl exec {greedy} -- {MEMORY}")
        walk.check("nvidia-smi (the simulated driver's) shows the wall as the GPU's memory",
                   shown.strip().endswith(f", {limit // MIB} MiB"), "" if f"{limit // MIB} MiB" in shown else shown)
        walk.sh(f"kubectl exec {greedy} -- /run/tranche/shim/tranche-check")
        computes(walk, walled.node, greedy)
        narrator.title("Its neighbour never notices, and an annotation gives the greedy one more while it runs")
        with run(victim, "steady", "--memory", "8Gi"):
            walk.cluster.wait_for(f"{victim} has its 8 GiB", lambda: walled.peak(victim) > 8 * GIB, 60)
            computes(walk, walled.node, victim)
            walk.sh(f"kubectl annotate pod {greedy} tranche.dev/gpu-memory=30Gi")
            walk.cluster.wait_for("its limit is 30 GiB",
                                  lambda: walled.of(greedy).get("limitBytes") == 30 * GIB, 60)
            walled.fills(greedy)
            walk.sh(f"kubectl exec {greedy} -- {MEMORY}")
            for pod in (greedy, victim):
                computes(walk, walled.node, pod)
            refusals = walled.of(victim).get("refusals")
            walk.check(f"{victim} was refused nothing", refusals == 0, "" if refusals == 0 else walled.of(victim))
    return greedy, victim


def tell_use(walk, narrator, first, second):
    """The same two, as kubectl tells of them; of the third pod it is told how long it has been idle."""
    narrator.title("Who uses the GPUs? tranche-node tells, from outside, by pod")
    # The plugin of kubectl, as a user has it on the PATH.
    top = f"PATH={bed.ROOT}/build/release/bin:$PATH kubectl tranche top gpu-node"

    def seen():
        done = walk.line(f"{top} -o json", check=False)
        if not done.stdout:
            return False
        pods = {pod["pod"]: pod for node in json.loads(done.stdout)["nodes"] for device in node["status"]["devices"]
                for pod in device["pods"]}
        busy = {name: pod["busyPercent"] or 0 for name, pod in pods.items()}
        return busy.get(first, 0) > busy.get(second, 0) > 5

    def run(pod, *arguments):
        return usage.Background(walk.cluster, pod, *arguments, say=lambda text: print("    " + text, flush=True))
    with run(first, "processes", "--processes", "4"), run(second, "steady"):
        walk.cluster.wait_for(f"{first} and {second} are seen to compute", seen, 120, 0.5)
        print("    $ kubectl tranche top gpu-node", flush=True)
        print(walk.line(top, check=False).stdout, flush=True)


def main():
    narrator = Narrator()
    archive = bed.product_image()
    bed.Cluster.keep_when_closed = "--keep" in sys.argv[1:]
    with bed.scratch() as folder, bed.Cluster(default_runtime="nvidia") as cluster:
        cluster.import_image(archive)
        cluster.import_image(usage.workload_image(pathlib.Path(folder)), ["gpu-node"])
        try:
            walk = Walk(cluster, narrator, folder)
            tell(walk, narrator)
            tell_harm(walk, narrator)
            tell_use(walk, narrator, *tell_walls(walk, narrator))
        except bed.Fault as fault:
            print(f"NOT AS TOLD: {fault}", flush=True)
            return 1
    print("\nAll as told.", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
