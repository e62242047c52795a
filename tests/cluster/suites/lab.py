"""What the suite of labels asks of the cluster again and again, and what it expects of each node, by hand."""

import json
import pathlib
import re
import time

import bed
from bed import expect
from bed.traces import FEATURE_FILE
from suites.gpu_operator import LABEL
from suites.walk import CHART, NODES

NAMESPACE, RELEASE = "tranche", "tranche"
FEATURES = "/" + FEATURE_FILE.rpartition("/")[0]
DAEMONSET = "tranche-plugin"
DRIVER_ROOT = "/run/nvidia/driver"
LIMIT_SECONDS = 90
MODELS = {"gpu-node": "a100-sxm4-80gb", "dev-gpu-node": "h100-sxm5-80gb", "train-gpu-node": "t4"}
# What each model's labels say, by hand: product, MiB, family, compute capability, whether MIG is possible.
FACTS = {"gpu-node": ("NVIDIA-A100-SXM4-80GB", 81920, "ampere", "8.0", "true"),
         "dev-gpu-node": ("NVIDIA-H100-80GB-HBM3", 81559, "hopper", "9.0", "true"),
         "train-gpu-node": ("Tesla-T4", 15360, "turing", "7.5", "false")}
# Of the labels of that prefix those that people and the operator set.
NOT_OURS = re.compile(r"nvidia\.com/(device-plugin\.config|gpu\.deploy\.)")


def profile(replicas, rename=False):
    return ("version: v1\nsharing:\n  timeSlicing:\n"
            f"    renameByDefault: {'true' if rename else 'false'}\n"
            f"    resources: [{{name: nvidia.com/gpu, replicas: {replicas}}}]\n")


PROFILES = {"default": profile(4), "dev": profile(8), "renamed": profile(3, rename=True), "plain": "version: v1\n"}


def whole_set(node, count=2, replicas=4, renamed=False):
    """Every label that the node should have, but the time of the start."""
    product, memory, family, compute, mig = FACTS[node]
    values = {"cuda.driver.major": "570", "cuda.driver.minor": "172", "cuda.driver.rev": "08",
              "cuda.driver-version.major": "570", "cuda.driver-version.minor": "172",
              "cuda.driver-version.revision": "08", "cuda.driver-version.full": "570.172.08",
              "cuda.runtime.major": "12", "cuda.runtime.minor": "8", "cuda.runtime-version.major": "12",
              "cuda.runtime-version.minor": "8", "cuda.runtime-version.full": "12.8",
              "mig.capable": mig, "mps.capable": "false", "vgpu.present": "false",
              "gpu.product": product + ("-SHARED" if replicas > 1 and not renamed else ""),
              "gpu.count": str(count), "gpu.replicas": str(replicas),
              "gpu.sharing-strategy": "time-slicing" if replicas > 1 else "none", "gpu.memory": str(memory),
              "gpu.family": family, "gpu.compute.major": compute[0], "gpu.compute.minor": compute[2],
              # A pod's own /sys is that of the machine underneath, where these GPUs are not on the PCI bus.
              "gpu.machine": machine(), "gpu.mode": "unknown"}
    return {f"nvidia.com/{name}": value for name, value in values.items()}


def machine():
    """The name in the firmware's tables of the machine underneath, as a label."""
    try:
        text = pathlib.Path("/sys/class/dmi/id/product_name").read_text()
    except OSError:
        return "unknown"
    return "-".join(re.sub(r"[^A-Za-z0-9_.\s-]", "", text).split())[:63].strip("-_.")


def labels_of(metadata):
    return {key: value for key, value in metadata.get("labels", {}).items()
            if key.startswith(("nvidia.com/", "tranche.dev/")) and not NOT_OURS.match(key)}


class Lab:
    """The cluster, and what the cases ask of it again and again."""

    def __init__(self, cluster):
        self.c, self.more = cluster, {}  # more: labels besides whole_set's, or instead of them

    def labels(self, node):
        return labels_of(self.c.node(node)["metadata"])

    def becomes(self, what, wanted, question, seconds=LIMIT_SECONDS):
        """Asks until it is as wanted, else says what differs; the seconds it took."""
        began, seen = time.monotonic(), None
        while time.monotonic() - began < seconds:
            seen = question()
            if seen == wanted:
                return time.monotonic() - began
            time.sleep(0.1)
        raise bed.Fault(f"{what}: not within {seconds} s\n{difference(wanted, seen)}")

    def whole(self, node, **different):
        """Until the node has the whole set and no other label of ours, and the count that it tells."""
        self.labelled(node, {**whole_set(node, **different), **self.more})

    def labelled(self, node, wanted):
        """Until the node has exactly these labels (and a time where there are any), and the count that they tell."""
        self.becomes(f"the labels of {node}", wanted, lambda: without_time(self.labels(node)))
        if wanted:
            self.agrees(node, wanted)

    def agrees(self, node, labels):
        """What labels promise is what the kubelet advertises."""
        renamed = labels["nvidia.com/gpu.replicas"] != "1" and not labels["nvidia.com/gpu.product"].endswith("-SHARED")
        resource = "nvidia.com/gpu.shared" if renamed else "nvidia.com/gpu"
        count = int(labels["nvidia.com/gpu.count"]) * int(labels["nvidia.com/gpu.replicas"])
        self.becomes(f"allocatable {resource} of {node}", count, lambda: self.c.allocatable(node, resource))

    def profile(self, node, name):
        self.c.kubectl("label", "--overwrite", "node", node, f"{LABEL}={name}" if name else f"{LABEL}-")

    def install(self, outlet, strategy=None):
        self.more = {"nvidia.com/mig.strategy": strategy} if strategy else {}
        values = {"config": {"map": PROFILES, "default": "default"}, "labels": outlet, "runtimeClassName": "nvidia",
                  "nvidiaDriverRoot": DRIVER_ROOT, "migStrategy": strategy}
        self.c.helm("install", RELEASE, CHART, "-n", NAMESPACE, "--create-namespace", "-f", "-",
                    input=json.dumps(values))
        self.rolled()

    def rolled(self):
        self.c.kubectl("-n", NAMESPACE, "rollout", "status", f"daemonset/{DAEMONSET}", "--timeout=170s", seconds=180)

    def uninstall(self):
        self.c.helm("uninstall", RELEASE, "-n", NAMESPACE, "--wait", seconds=120)
        for node in NODES:
            self.profile(node, "")

    def agent_pod(self, node):
        pods = self.c.get("pods", "-n", NAMESPACE, "-l", "app=nvidia-device-plugin-daemonset")["items"]
        return next((pod["metadata"] for pod in pods if pod["spec"].get("nodeName") == node and
                     "deletionTimestamp" not in pod["metadata"]), None)

    def replace_agent(self, node):
        """Its pod is deleted; returns when another is there."""
        old = self.agent_pod(node)
        self.c.kubectl("-n", NAMESPACE, "delete", "pod", old["name"])
        self.c.wait_for("a new pod", lambda: (self.agent_pod(node) or old)["uid"] != old["uid"], LIMIT_SECONDS)
        return self.agent_pod(node)


def without_time(labels):
    """Where there are labels of ours, the time of the start is one of them."""
    expect(not labels or re.fullmatch(r"\d{10}", labels.get("nvidia.com/gfd.timestamp", "")), f"no time: {labels}")
    return {key: value for key, value in labels.items() if key != "nvidia.com/gfd.timestamp"}


def difference(wanted, seen):
    if not isinstance(wanted, dict) or not isinstance(seen, dict):
        return f"wanted {wanted}\nlast seen {seen}"
    return "\n".join(f"  {key}: wanted {wanted.get(key)}, last seen {seen.get(key)}"
                     for key in sorted({*wanted, *seen}) if wanted.get(key) != seen.get(key))
