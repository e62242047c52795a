"""A simulated node as a cluster has it, watched by a real Prometheus: driver, kubelet, device plugin, `tranche node`, and
an API server that knows the node's pods. Everything listens on loopback ports or sockets of its own."""

import pathlib
import subprocess
import tempfile

from names import Names, pod
from promtool import RULES, Prometheus
from sightbed import BIN, HANGS, SCALE, BedOfParts, Groups, Node, Sight, free_port, until

RESOURCE = "nvidia.com/gpu.shared"
SHARING = """version: v1
sharing:
  timeSlicing:
    renameByDefault: true
    resources:
    - {name: nvidia.com/gpu, replicas: 4}
"""
# Only `tranche node` is given this: the agent calls itself degraded where limits are asked for.
# The first GPU's is only shown, that of the second one enforced.
LIMIT = """tranche:
  memory: {mode: observe, limit: 25%}
  resources:
  - {name: nvidia.com/gpu, devices: ["1"], memory: {mode: enforce, limit: 25%}}
"""


class WatchedBed(BedOfParts):
    """with WatchedBed(names) as bed: … ; the names are those of pods that the API server knows."""

    def __init__(self, names):
        super().__init__()
        self.names = names

    def begin(self):
        self.groups = self.enter_context(Groups())
        if self.groups.root is None:
            return
        self.folder = pathlib.Path(self.enter_context(tempfile.TemporaryDirectory(prefix="tranche-watched-")))
        self.node = self.enter_context(Node(BIN.parent, SCALE, 50))
        self.pods, objects = {}, []
        for number, name in enumerate(self.names, 1):
            uid = f"6d2f1d4e-5c0f-4b39-9a50-{number:012x}"
            self.pods[name] = self.groups.container(uid, number)
            objects.append(pod(uid, "default", name, {number: "main"}))
        self.api = self.enter_context(Names(objects))
        self.begin_programs()

    def begin_programs(self):
        self.control = self.folder / "control.sock"
        self.config = self.folder / "config.yaml"
        self.config.write_text(SHARING)
        limits = self.folder / "limits.yaml"
        limits.write_text(SHARING + LIMIT)
        plugins, resources = self.folder / "device-plugins", self.folder / "pod-resources.sock"
        kubelet = self.run("sim", "kubelet", "--dir", plugins, "--state", self.folder / "kubelet", "--control",
                           self.control, "--pod-resources", resources, "--end-pods")
        until((plugins / "kubelet.sock").exists, kubelet)
        self.agent_port = free_port()
        agent = self.run("agent", f"--kubelet-socket={plugins}/kubelet.sock", f"--config-file={self.config}",
                         f"--container-driver-root={self.node.root}", f"--sys-root={self.node.root}",
                         f"--pod-resources-socket={resources}", f"--run-dir={self.folder}/run",
                         f"--cdi-dir={self.folder}/cdi", f"--listen=127.0.0.1:{self.agent_port}", "--rescan-interval=1s")
        self.sight = self.enter_context(Sight(
            self.node, f"--pod-resources-socket={resources}", "--node-name=worker-1", "--rescan-interval=1s",
            f"--kubeconfig={self.api.kubeconfig}", f"--config-file={limits}", "--dcgm-names=on",
            f"--walls-directory={self.folder}/walls"))
        until((self.folder / "run/status.json").exists, agent)
        self.sim("wait", f"{RESOURCE}=8", "--control", self.control, "--timeout", HANGS)
        (self.folder / "prometheus").mkdir()
        # The labels that the chart's PodMonitor makes, and its honorLabels.
        labels = {"instance": "worker-1", "namespace": "gpu-operator", "container": "tranche"}
        targets = {"tranche-plugin-x": self.agent_port, "tranche-node-x": self.sight.port}
        scrapes = [{"job_name": "tranche", "honor_labels": True,
                    "static_configs": [{"targets": [f"127.0.0.1:{port}"], "labels": {**labels, "pod": name}}
                                       for name, port in targets.items()]}]
        self.prometheus = Prometheus(self.folder / "prometheus", free_port(), scrapes, RULES.read_text())
        self.callback(self.prometheus.stop)
        until(self.prometheus.scrapes, self.prometheus.process)

    def run(self, *arguments):
        log = self.enter_context(open(self.folder / f"{arguments[0]}.log", "w"))
        process = subprocess.Popen([BIN / "tranche", *map(str, arguments)], stdout=log, stderr=log)

        def end():
            process.terminate()
            process.wait()

        self.callback(end)
        return process

    def sim(self, *arguments):
        return subprocess.run([BIN / "tranche", "sim", *map(str, arguments)], check=True, text=True,
                              stdout=subprocess.PIPE).stdout

    def give(self, name, count=1):
        """The kubelet gives a pod shares of GPUs; what it runs there sleeps."""
        self.sim("pod", "run", name, "--control", self.control, "--request", f"{RESOURCE}={count}")

    def take(self, name):
        self.sim("pod", "delete", name, "--control", self.control)
