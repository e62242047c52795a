"""What the lifecycle suite works with: the release, the pods that are to notice nothing of it, the agents' logs
while they are replaced, and what a cluster and its nodes hold."""

import gzip
import io
import json
import pathlib
import re
import tarfile
import time

import bed
from bed import expect, images
from bed.traces import AllocatableTrace

CHART = bed.ROOT / "deploy/chart/tranche"
NAMESPACE, RELEASE, DAEMONSET = "gpu-operator", "tranche", "tranche-plugin"
VERSION = re.search(r"project\(tranche VERSION (\S+)", (bed.ROOT / "CMakeLists.txt").read_text())[1]
NEXT = "9.9.9"
GPU_NODES, PLAIN = ("gpu-node", "dev-gpu-node"), "plain-node"
# What the kubelet, the runtime and the machine below write of themselves.
NOT_OURS = re.compile(r"^/(run/(containerd|netns|lock|xtables.lock)|var/lib/kubelet/(pods|plugins|plugins_registry"
                      r"|checkpoints|\w+_state|device-plugins/kubelet_internal_checkpoint))")
PLACES = ("/run", "/tmp", "/opt", "/usr/local", "/var/lib/kubelet", "/var/lib/tranche", "/var/run", "/etc/cdi",
          "/etc/kubernetes", "/etc/nvidia-container-runtime", "/etc/containerd", "/etc/cni", "/etc/ld.so.conf.d")
# The standard's folder, which other programs use and watch too: it may stay, empty.
SHARED_FOLDER = "/run/cdi"
# The bed makes it, to hide the machine's own; what cleans a node may take it away with what was in it.
OUR_FOLDER = "/var/lib/tranche"
# Objects that the cluster itself makes in the course of time.
PASSING = {"Event", "Lease", "ControllerRevision", "EndpointSlice"}
KINDS = ("daemonsets,pods,configmaps,secrets,serviceaccounts,roles,rolebindings,services,clusterroles,"
         "clusterrolebindings,validatingadmissionpolicies,validatingadmissionpolicybindings,"
         "customresourcedefinitions,runtimeclasses,priorityclasses,namespaces")


def next_image(archive, folder):
    """The image again, whose program calls itself NEXT: what tells two versions apart is the program itself."""
    tree = folder / "tree"
    with tarfile.open(archive) as tar:
        def blob(digest):
            return tar.extractfile("blobs/" + digest.replace(":", "/")).read()
        manifest = json.loads(blob(json.load(tar.extractfile("index.json"))["manifests"][0]["digest"]))
        for layer in manifest["layers"]:
            with tarfile.open(fileobj=io.BytesIO(gzip.decompress(blob(layer["digest"])))) as files:
                files.extractall(tree)
        config = json.loads(blob(manifest["config"]["digest"]))["config"]
    program = tree / "usr/bin/tranche"
    data = program.read_bytes()
    mine, other = (text.encode() + b"\0" for text in (VERSION, NEXT))
    expect(mine in data and len(mine) == len(other), f"the program does not hold its version {VERSION}")
    program.write_bytes(data.replace(mine, other))
    return images.write_image(folder / "next.tar", f"docker.io/tranche/tranche:{NEXT}", tree, config)


# One for each way of giving a pod its GPU; "spared" is for what comes after the uninstall.
WITNESSES = ("by-envvar", "by-cdi-annotations", "by-cdi-cri")


class Life:
    """The cluster, the folder of values files, and the pods that are to notice nothing."""

    def __init__(self, cluster, folder):
        self.cluster, self.folder = cluster, pathlib.Path(folder)
        self.pods = {}  # name: (node, the GPU it was given)

    def values(self, replicas, **more):
        """A values file with the keys of NVIDIA's chart; the agent of a node without GPUs is to wait."""
        profiles = {name: "version: v1\nsharing: {timeSlicing: {resources: [{name: nvidia.com/gpu, replicas: %d}]}}"
                    % count for name, count in (("default", replicas), ("other", replicas + 1))}
        values = {"config": {"map": profiles, "default": "default"}, "failOnInitError": False,
                  "gfd": {"enabled": False}, "devicePlugin": {"enabled": True}, "nfd": {}, "mps": {}, **more}
        path = self.folder / "values.yaml"
        path.write_text(json.dumps(values))
        return path

    def helm(self, *arguments):
        return self.cluster.helm(*arguments, "--namespace", NAMESPACE, seconds=300)

    def agents(self, label="nvidia-device-plugin-daemonset", namespace=NAMESPACE):
        """{node: name of the agent's pod}, those that are leaving apart."""
        return {pod["spec"]["nodeName"]: pod["metadata"]["name"]
                for pod in self.cluster.get("pods", "-n", namespace, "-l", f"app={label}")["items"]
                if "deletionTimestamp" not in pod["metadata"] and pod["spec"].get("nodeName")}

    def counts(self, wanted, nodes=GPU_NODES):
        def ask():
            return all(self.cluster.allocatable(node) == wanted for node in nodes)
        began = time.monotonic()
        self.cluster.wait_for(f"{' and '.join(nodes)} show {wanted}", ask, 120, 0.2)
        return time.monotonic() - began

    def gone(self, namespace=NAMESPACE):
        self.cluster.wait_for("the agents are gone", lambda: not self.cluster.get(
            "pods", "-n", namespace, "-l", "app=nvidia-device-plugin-daemonset")["items"], 60)
        for node in GPU_NODES:
            self.cluster.wait_for(f"{node} shows none", lambda node=node: not self.cluster.allocatable(node), 60, 0.2)

    def versions(self, wanted):
        for node, pod in self.agents().items():
            shown = self.cluster.exec(pod, "tranche", "--version", namespace=NAMESPACE).stdout
            expect(wanted in shown, f"the agent on {node} says {shown}")

    def gpus(self, pod):
        shown = self.cluster.exec(pod, "nvidia-smi", "-L", check=False)
        return sorted(re.findall(r"GPU-[0-9a-f-]{36}", shown.stdout))

    def start_pod(self, name, runtime, node="gpu-node", **more):
        self.cluster.run_pod(name, gpus=1, node=node, runtime=runtime, restartPolicy="Always", **more)
        self.pods[name] = (node, self.gpus(name))
        expect(len(self.pods[name][1]) == 1, f"{name} sees {self.pods[name][1]}")

    def status(self, pod):
        return self.cluster.pod("default", pod)["status"].get("containerStatuses", [{}])[0]

    def kill(self, pod):
        """Ends the pod's container from outside, as a crash would; its status before that."""
        status = self.status(pod)
        container = status["containerID"].removeprefix("containerd://")
        self.cluster.nodes[self.pods[pod][0]].ctr("task", "kill", "--signal", "SIGKILL", container)
        return status

    def restart_pods(self, pods=WITNESSES):
        """Their containers are ended and come back with the GPU they had."""
        began = time.monotonic()
        killed = {pod: self.kill(pod) for pod in pods if pod in self.pods}
        for pod, before in killed.items():
            def runs(pod=pod, before=before):
                status = self.status(pod)
                return status.get("restartCount", 0) > before["restartCount"] and "running" in status["state"]
            try:
                self.cluster.wait_for(f"{pod} runs again", runs, 120, 0.2)
            except bed.Fault as fault:
                raise bed.Fault(f"{fault}\n{json.dumps(self.status(pod), indent=1)}") from None
            expect(self.gpus(pod) == self.pods[pod][1], f"{pod} had {self.pods[pod][1]}, has {self.gpus(pod)}")
        print(f"    {len(killed)} containers ended and were back after {time.monotonic() - began:.1f} s")

    def restarts(self):
        """How often the agents' containers were started again."""
        pods = (self.cluster.pod(NAMESPACE, pod) for pod in self.agents().values())
        return {status["restartCount"] for pod in pods for status in pod["status"]["containerStatuses"]}

    def unnoticed(self, before):
        for pod, status in before.items():
            after = self.status(pod)
            expect(after["containerID"] == status["containerID"] and "running" in after["state"],
                   f"{pod} was restarted")


class Logs:
    """The agents' logs while they are replaced: held open on their nodes, as they go with their pods."""

    def __init__(self, life):
        self._life, self._held = life, {}

    def __enter__(self):
        self._hold()
        return self

    def __exit__(self, *_):
        for log in self._held.values():
            log.close()

    def _hold(self):
        for node, pod in self._life.agents().items():
            root = pathlib.Path(f"/proc/{self._life.cluster.nodes[node].namespaces.pid}/root/var/log/pods")
            for path in root.glob(f"{NAMESPACE}_{pod}_*/*/0.log") if pod not in self._held else ():
                self._held[pod] = open(path, encoding="utf-8")

    def _when(self, pod, words):
        """Seconds since midnight at which the pod first said so."""
        if pod not in self._held:
            return None
        self._held[pod].seek(0)
        for line in self._held[pod]:
            if words in line:
                parts = re.match(r"[0-9-]+T(\d+):(\d+):(\d+\.\d+)", line).groups()
                return sum(float(part) * unit for part, unit in zip(parts, (3600, 60, 1)))
        return None

    def gaps(self, old):
        """{node: seconds from the old agent's leaving to the new one's registration}; less than 0: they overlap."""
        found = {}
        for node in GPU_NODES:
            def both(node=node):
                self._hold()
                new = self._life.agents().get(node)
                times = self._when(old[node], "stopped"), self._when(new, "registered with the kubelet")
                return None if None in times else times
            left, registered = self._life.cluster.wait_for(f"the logs of {node}'s agents", both, 30)
            found[node] = (registered - left + 43200) % 86400 - 43200  # midnight may lie between
        return found


def rolled(life, what, wanted, version, *arguments, overlap=True):
    """One step of the release: the counts on the way, the version that runs then, and who served in between."""
    old = life.agents()
    before = {pod: life.status(pod) for pod in life.pods}
    with AllocatableTrace(life.cluster) as trace, Logs(life) as logs:
        began = time.monotonic()
        life.helm(*arguments, "--wait", "--timeout", "180s")
        took = time.monotonic() - began
        life.counts(wanted)
        gaps = logs.gaps(old)
    print(f"    {what}: {took:.1f} s; " + ", ".join(f"{node}: new agent registered {-gap:+.2f} s before the old one "
                                                    "left" for node, gap in gaps.items()))
    print(f"    {trace.looks} looks; {trace.text()}")
    life.versions(version)
    life.unnoticed(before)
    # An agent that leaves for its successor must not be started again, and take over from it.
    expect(life.restarts() == {0}, f"agents were restarted: {life.restarts()}")
    if overlap:
        expect(not trace.dips(), f"allocatable fell to 0: {trace.text()}")
        expect(all(gap < 0 for gap in gaps.values()), f"nobody served for {gaps}")
    return gaps


# ---- What a cluster and a node hold, to be the same afterwards ----

def files_of(node):
    """All that Tranche could have written on a node, and where it never should."""
    found = node.run("find", *PLACES, "-xdev", "-not", "-path", "/opt/bed/*", check=False).stdout.splitlines()
    return {path for path in found if not NOT_OURS.match(path)}


def objects_of(cluster):
    found = set()
    for item in cluster.get(KINDS, "-A")["items"]:
        metadata = item["metadata"]
        if item["kind"] not in PASSING:
            found.add((item["kind"], metadata.get("namespace", ""), metadata["name"]))
    for node in cluster.get("nodes")["items"]:
        metadata = node["metadata"]
        found |= {("Node", metadata["name"], *label) for label in metadata["labels"].items()}
        found |= {("Node", metadata["name"], "annotation", key) for key in metadata["annotations"]}
    return found


class Snapshot:
    def __init__(self, cluster):
        self.files = {name: files_of(node) for name, node in cluster.nodes.items()}
        self.objects = objects_of(cluster)

    def same(self, cluster):
        now = Snapshot(cluster)
        for name, files in self.files.items():
            files = files | {SHARED_FOLDER} & now.files[name]
            files = files - ({OUR_FOLDER} - now.files[name])
            expect(now.files[name] == files, f"{name}: left {sorted(now.files[name] - files)}, "
                                             f"gone {sorted(files - now.files[name])}")
        expect(now.objects == self.objects, f"left {sorted(now.objects - self.objects)}, "
                                            f"gone {sorted(self.objects - now.objects)}")
