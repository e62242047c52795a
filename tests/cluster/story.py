"""The story of ./run on a real cluster, with kubectl as the narrator: ./run --kubernetes [--keep].

One control plane and three nodes with simulated GPUs on this machine; the seed document's ConfigMap, its Helm
install, its labels and its pods. Exit status 1 if a step is not as told.
"""

import sys
import time

import bed
from suites.walk import COUNT, HELM_INSTALL, LABEL_DEV, LABEL_TRAIN, NODES, PODS, SEED, Walk, refused


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


def main():
    narrator = Narrator()
    archive = bed.product_image()
    bed.Cluster.keep_when_closed = "--keep" in sys.argv[1:]
    with bed.scratch() as folder, bed.Cluster(default_runtime="nvidia") as cluster:
        cluster.import_image(archive)
        try:
            tell(Walk(cluster, narrator, folder), narrator)
        except bed.Fault as fault:
            print(f"NOT AS TOLD: {fault}", flush=True)
            return 1
    print("\nAll as told.", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
