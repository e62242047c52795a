"""What the suites of walls work with: both programs by Helm, one GPU in eight shares, and pods that hold some.

    walls = Walls(cluster)
    walls.begin()              # without the line in the profile
    walls.enforce("envvar")    # with it, and a strategy of the device list
"""

import json

from suites import usage
from suites.sighted import FETCH, NAMESPACE, PROFILES, SECONDS, Sighted

MIB = 1 << 20
REPLICAS = 8
RESERVE = 512 * MIB  # the default
LINE = "tranche: {memory: {mode: enforce}}\n"
SHIM = "/var/lib/tranche/shim"


def profile(line, strategy="envvar"):
    return ("version: v1\n" f"flags: {{plugin: {{deviceListStrategy: {strategy}}}}}\n"
            f"sharing: {{timeSlicing: {{resources: [{{name: nvidia.com/gpu, replicas: {REPLICAS}}}]}}}}\n" + line)


class Walls(Sighted):
    """One GPU in eight shares, and pods that hold some."""

    def begin(self):
        """Both programs by Helm, without the line yet."""
        self.c.kubectl("create", "namespace", NAMESPACE)
        self.write(profile(""))
        self.helm("install", "--set", "node.walls=true")
        self.c.kubectl("-n", NAMESPACE, "rollout", "status", "daemonset/tranche-plugin", "--timeout=120s", seconds=130)
        self.c.wait_for("the plugin serves eight shares", lambda: self.c.allocatable(self.name) == REPLICAS, SECONDS)

    def write(self, text):
        self.c.apply(json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "data": {"default": text},
                                 "metadata": {"name": PROFILES, "namespace": NAMESPACE}}))

    def agent(self):
        """What the plugin says of itself; {} while it does not."""
        pods = self.c.get("pods", "-n", NAMESPACE, "-l", "app=nvidia-device-plugin-daemonset")["items"]
        address = next((pod["status"].get("podIP") for pod in pods if pod["spec"].get("nodeName") == self.name and
                        "deletionTimestamp" not in pod["metadata"]), "")
        said = self.node.run("python3", "-c", FETCH, f"http://{address}:9435/status", check=False).stdout
        try:
            return json.loads(said)
        except ValueError:
            return {}

    def enforce(self, strategy):
        """The line in the profile, until both programs have it in force."""
        applied = self.agent()["config"]["applied"]
        self.write(profile(LINE, strategy))
        self.in_force(applied)

    def in_force(self, applied):
        """Both programs have the line, by a config later than the `applied`th of the plugin."""
        self.until("walls are put into pods", lambda: self.agent().get("walls") == "installed" and
                   self.agent()["config"]["applied"] > applied)
        self.until("they stand", lambda: (self.status().get("walls"), self.status().get("shim")) ==
                   ("standing", "published"))

    def limit(self):
        """By the profile: what NVML says that the GPU has, less the reserve, in equal parts."""
        return (self.status()["devices"][0]["memoryBytes"] - RESERVE) // REPLICAS

    def start(self, *names, **spec):
        """Pods that hold a share and sleep. `spec`: more of their specs."""
        for name in names:
            self.c.run_pod(name, image=usage.IMAGE, gpus=1, node=self.name, **spec)

    def work(self, pod, *arguments):
        return self.c.exec(pod, "tranche-workload", *arguments, check=False)

    def has_shim(self, pod):
        return self.c.exec(pod, "ls", "/run/tranche/shim/tranche-hook", check=False).returncode == 0

    def peaks(self, pod):
        """The most that each process of the pod had, by the driver's count."""
        return [process["memory_peak_bytes"] for process in usage.of_pods(self.c, self.node, [pod])[pod]]

    def wall(self, pod):
        """What tranche-node says of the pod's wall; {} while it says nothing."""
        return next((wall for wall in self.status().get("memoryWalls", []) if wall["pod"] == pod), {})

    def exists(self, path):
        return self.node.run("test", "-e", path, check=False).returncode == 0
