"""What the suite of adoption works with: NVIDIA's own release, the pods that are to notice nothing, and a walk along a
section of docs/adopting.md, with a look at everything after each of its commands."""

import json
import re
import time

import bed
from bed import expect
from bed.traces import CHECKPOINT, AllocatableTrace
from suites.life import GPU_NODES, Life

GPU, SHARED = "nvidia.com/gpu", "nvidia.com/gpu.shared"
NVIDIA_NAMESPACE = "nvidia-device-plugin"
LABEL = "nvidia.com/device-plugin.config"
# The kubelet tells the API server of a new count at its next status update.
STATUS_PERIOD_SECONDS = 10
LIMIT_SECONDS = 120


def profile(rename):
    return ("version: v1\nsharing:\n  timeSlicing:\n"
            f"    renameByDefault: {rename}\n    resources: [{{name: nvidia.com/gpu, replicas: 4}}]\n")


class Adoption(Life):
    def __init__(self, cluster, folder, page, nvidia):
        super().__init__(cluster, folder)
        self._page, self._nvidia = page, nvidia
        self.resources = {}  # node: what it is to advertise now, and how many of it
        self.runtime = "nvidia"  # for new pods: what the device list strategy in force asks for
        self._new = 0
        (self.folder / "nvdp").mkdir()
        (self.folder / "nvdp/nvidia-device-plugin").symlink_to(nvidia.chart)
        (self.folder / "nvidia-device-plugin.yml").symlink_to(nvidia.manifest)
        for name in ("deploy", "build"):
            (self.folder / name).symlink_to(bed.ROOT / name)

    def line(self, command, **more):
        return self.cluster.shell(f"cd {self.folder} && set -o pipefail && {command}", seconds=180, **more)

    # ---- NVIDIA's release ----

    def nvidia_release(self, strategy):
        """NVIDIA's chart, as its own page says, with one device list strategy; until it serves both nodes."""
        values = {"config": {"map": {"default": profile("false"), "renamed": profile("true")}, "default": "default"},
                  "nvidiaDriverRoot": self.cluster.nodes["gpu-node"].driver_root}
        path = self.folder / "nvidia-values.yaml"
        path.write_text(json.dumps(values))
        self.line("helm upgrade --install nvdp nvdp/nvidia-device-plugin --namespace nvidia-device-plugin "
                  f"--create-namespace --values {path} --set deviceListStrategy={strategy}")
        self.line("kubectl rollout status --namespace nvidia-device-plugin daemonset/nvdp-nvidia-device-plugin")
        self.cluster.wait_for("NVIDIA's plugin has registered on each node", self.nvidia_registered, LIMIT_SECONDS)
        self.settled()

    def nvidia_registered(self):
        """Whether NVIDIA's pods say so, each of what its node is to advertise."""
        found = 0
        for pod in self.cluster.get("pods", "-n", NVIDIA_NAMESPACE, "-l", "app.kubernetes.io/instance=nvdp")["items"]:
            if "deletionTimestamp" not in pod["metadata"]:
                resource = self.resources[pod["spec"]["nodeName"]][0]
                log = self.cluster.kubectl("logs", "-n", NVIDIA_NAMESPACE, pod["metadata"]["name"], "-c",
                                           "nvidia-device-plugin-ctr", check=False).stdout
                found += f"Registered device plugin for '{resource}'" in log
        return found == len(GPU_NODES)

    # ---- what is seen ----

    def settled(self):
        for node, (resource, count) in self.resources.items():
            self.cluster.wait_for(f"{node} shows {count} {resource}",
                                  lambda node=node, resource=resource, count=count:
                                  self.cluster.allocatable(node, resource) == count, LIMIT_SECONDS, 0.2)

    def endpoints(self, node):
        """The names under which our agent has registered on the node."""
        status = json.loads(self.cluster.nodes[node].run("cat", "/run/tranche/status.json").stdout)
        return [resource["endpoint"] for resource in status["resources"]]

    def held(self):
        """Which ids each pod holds by the kubelet's checkpoint; their GPU is the one that the pod sees."""
        uids = {self.cluster.pod("default", name)["metadata"]["uid"]: name for name in self.pods}
        found = {}
        for node in self.resources:
            data = json.loads(self.cluster.nodes[node].run("cat", "/" + CHECKPOINT).stdout)["Data"]
            for entry in data["PodDeviceEntries"] or []:
                if entry["PodUID"] in uids:
                    ids = [one for some in entry["DeviceIDs"].values() for one in some]
                    found.setdefault(uids[entry["PodUID"]], []).extend((entry["ResourceName"], one) for one in ids)
        expect(set(found) == set(self.pods), f"the checkpoint has only {sorted(found)} of {sorted(self.pods)}")
        for name, ids in found.items():
            seen = [one.partition("::")[0] for _, one in ids]
            expect(seen == self.pods[name][1], f"{name} sees {self.pods[name][1]}, the kubelet gave it {seen}")
        return found

    def new_pods(self):
        """A new pod gets one GPU on each node."""
        self._new += 1
        names = {node: f"new-{node}-{self._new}" for node in self.resources}
        for node, name in names.items():
            self.cluster.run_pod(name, gpus=1, node=node, runtime=self.runtime, resource=self.resources[node][0],
                                 wait=False)
        for name in names.values():
            phase = self.cluster.wait_pod(name, phases=("Running", "Failed"), seconds=LIMIT_SECONDS)["status"]
            expect(phase["phase"] == "Running", f"{name}: {phase.get('reason')}: {phase.get('message')}")
            expect(len(self.gpus(name)) == 1, f"{name} sees {self.gpus(name)}")
        self.cluster.delete_pod(*names.values())

    # ---- along the page ----

    def follow(self, heading, gap=False, between=None, ended=()):
        """Runs the section's commands. After each, `between` does what somebody else does on a real cluster, and new
        pods run (with a gap: only after the last). No count changes, and no pod notices anything but those whose
        containers `between` has ended."""
        before, ids = {pod: self.status(pod) for pod in self.pods if pod not in ended}, self.held()
        commands = self._page.commands(heading)
        with AllocatableTrace(self.cluster, GPU) as gpus, AllocatableTrace(self.cluster, SHARED) as shared:
            for number, command in enumerate(commands, 1):
                self.run_command(command)
                if between:
                    between(number)
                if not gap or number == len(commands):
                    self.settled()
                    self.new_pods()
                expect(self.held() == ids, f"after {command}: pods hold {self.held()}, and held {ids}")
            time.sleep(STATUS_PERIOD_SECONDS + 2)
        self.unnoticed(before)
        self.settled()
        for node, (resource, count) in self.resources.items():
            trace = gpus if resource == GPU else shared
            self.judge(node, resource, count, trace, gap)

    def judge(self, node, resource, count, trace, gap):
        seen = trace.changes[node]
        text = ", ".join(f"{some} at {at:.1f} s" for at, some in seen)
        print(f"    {node}, {resource}: {trace.looks} looks; {text}")
        counts = [some for _, some in seen]
        expect(set(counts) <= ({count, 0} if gap else {count}) and counts[-1] == count,
               f"{node}: allocatable {resource} was {text}")

    def nobody_serves(self):
        """Until the count is 0 on every node."""
        for node, (resource, _) in self.resources.items():
            self.cluster.wait_for(f"{node} shows no {resource}", lambda node=node, resource=resource:
                                  self.cluster.allocatable(node, resource) == 0, LIMIT_SECONDS, 0.2)

    def run_command(self, command):
        print("    $ " + command, flush=True)
        if "| grep" not in command:
            self.line(command)
            return
        # A look at what is waited for: until there is a line for every resource, and one of every node's pod.
        wanted = {resource for resource, _ in self.resources.values()}

        def shown():
            text = self.line(command, check=False).stdout
            pods = set(re.findall(r"^\[pod/(\S+)\]", text, re.M))
            return all(f"'{resource}'" in text for resource in wanted) and len(pods) == len(self.resources)
        self.cluster.wait_for(f"each resource and node in: {command}", shown, LIMIT_SECONDS, 0.5)
