"""What a walk through the seed document works with: the document's commands, and a folder they run in."""

import json
import pathlib
import re
import shutil
import time

import bed
from bed.traces import quantity

SEED = bed.ROOT / "tests/seed"
CHART = bed.ROOT / "deploy/chart/tranche"
NODES = bed.NODES
LIMIT_SECONDS = 60

HELM_INSTALL = """helm install gpu-operator nvidia/gpu-operator \\
--namespace gpu-operator \\
--create-namespace \\
--set devicePlugin.config.name=device-plugin-config \\
--set devicePlugin.config.default=default"""
LABEL_DEV = "kubectl label node dev-gpu-node nvidia.com/device-plugin.config=dev"
LABEL_TRAIN = "kubectl label node train-gpu-node nvidia.com/device-plugin.config=no-sharing"
COUNT = """kubectl get node {} -o jsonpath='{{.status.allocatable}}' | jq '."nvidia.com/gpu"'"""
# The document has --overrides behind "--command --", where kubectl takes it for an argument of sleep: the pods
# would ask for no GPU and end with "unrecognized option". It stands before it here.
PODS = """for i in $(seq 1 4); do
kubectl run gpu-test-$i --image=nvcr.io/nvidia/cuda:12.4.0-base-ubuntu22.04 \\
--overrides='{"spec":{"containers":[{"name":"gpu-test-'$i'","image":"nvcr.io/nvidia/cuda:12.4.0-base-ubuntu22.04","command":["sleep","infinity"],"resources":{"limits":{"nvidia.com/gpu":"1"}}}]}}' \\
--command -- sleep infinity
done"""


class Walk:
    """One walk: the cluster, what counts the cases, and the folder the commands run in."""

    def __init__(self, cluster, run, folder):
        self.cluster, self._run, self.folder = cluster, run, pathlib.Path(folder)
        (self.folder / "nvidia").mkdir(parents=True, exist_ok=True)
        (self.folder / "nvidia/gpu-operator").symlink_to(CHART)
        shutil.copy(SEED / "01-configmap.yaml", self.folder / "gpu-time-slicing-config.yaml")

    def line(self, command, check=True, seconds=120):
        return self.cluster.shell(f"cd {self.folder} && {command}", check=check, seconds=seconds)

    def sh(self, command):
        """Runs a command of the document as a user would, and shows it; its output."""
        for line in command.splitlines():
            print("    $ " + line, flush=True)
        done = self.line(command)
        for line in (done.stdout + done.stderr).splitlines()[-12:]:
            print("      " + line, flush=True)
        return done.stdout

    def check(self, name, passed, detail=""):
        def judge():
            if not passed:
                raise bed.Fault(str(detail))

        shown = str(detail)
        self._run(f"{name}: {shown}" if passed and 0 < len(shown) < 400 else name, judge)
        return bool(passed)

    def until(self, what, question, seconds=LIMIT_SECONDS):
        """Asks until the answer is True; a failed case, with the last answer, where it never is."""
        end, answer = time.monotonic() + seconds, None
        while time.monotonic() < end:
            answer = question()
            if answer is True:
                return True
            time.sleep(0.1)
        return self.check(what, False, f"not within {seconds} s; last seen: {answer}")

    def count(self, node):
        """By the document's own line."""
        done = self.line(COUNT.format(node), check=False)
        text = done.stdout.strip().strip('"')
        return quantity(text) if re.fullmatch(r"\d+[A-Za-z]*", text) else 0

    def count_becomes(self, node, wanted):
        def ask():
            seen = self.count(node)
            return True if seen == wanted else seen

        began = time.monotonic()
        if self.until(f"{node}: {wanted} allocatable", ask):
            self.check(f"{node}: {wanted} allocatable", True, f"after {time.monotonic() - began:.1f} s")

    def get(self, *arguments):
        return self.cluster.get(*arguments) or {"status": {}}

    def pods_run(self, names, namespace="default"):
        def ask():
            phases = [self.get("pod", name, "-n", namespace)["status"].get("phase") for name in names]
            return True if phases == ["Running"] * len(names) else phases

        return self.until(f"{' '.join(names)} Running", ask)

    def gpus_of(self, pod):
        """The GPUs that the driver shows inside a pod."""
        shown = self.line(f"kubectl exec {pod} -- nvidia-smi -L", check=False)
        return sorted(re.findall(r"GPU-[0-9a-f-]{36}", shown.stdout))

    def plugin_ready(self):
        self.cluster.kubectl("-n", "gpu-operator", "rollout", "status", "daemonset/tranche-plugin", "--timeout=120s",
                             seconds=130)


def pod(name, count=1, node=None, env=(), **more):
    container = {"name": name, "image": bed.CUDA, "command": ["sleep", "infinity"], "env": list(env),
                 "resources": {"limits": {"nvidia.com/gpu": str(count)}}}
    spec = {"containers": [container], "terminationGracePeriodSeconds": 0, "restartPolicy": "Never", **more}
    if node:
        spec["nodeSelector"] = {"kubernetes.io/hostname": node}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


def apply(walk, *objects):
    text = "\n---\n".join(json.dumps(item) for item in objects)
    walk.cluster.apply(text)


def refused(walk):
    apply(walk, pod("asks-for-two", 2, "gpu-node"))

    def ask():
        status = walk.get("pod", "asks-for-two")["status"]
        return True if status.get("phase") == "Failed" else status.get("phase")

    if not walk.until("a request for two is refused", ask):
        return
    status = walk.get("pod", "asks-for-two")["status"]
    wanted = "maximum request size for shared resources is 1; found 2"
    walk.check("a request for two is refused",
               status.get("reason") == "UnexpectedAdmissionError" and wanted in status.get("message", ""), status)
    events = [event for event in walk.get("events")["items"] if event["involvedObject"]["name"] == "asks-for-two"]
    walk.check("with the event that says why",
               any(event["reason"] == "UnexpectedAdmissionError" and wanted in event["message"] for event in events),
               [event["message"] for event in events])
    walk.cluster.kubectl("delete", "pod", "asks-for-two")
