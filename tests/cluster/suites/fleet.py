"""Many `tranche agent` processes against one API server: a node object, an account's token and folders each,
over one simulated driver root, without kubelets.

They run in a set of namespaces of their own, a wire away from the API server, with the flags that the chart
gives them. What cannot be had from one machine is the kubelet's side: no agent registers.
"""

import datetime
import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess

import bed
from bed import network
from bed.api import Api
from bed.program import Namespaces, Program

WIRE = 200  # the number of their wire, far from those of nodes
NAMESPACE = "gpu-operator"
CONFIG_MAP = "device-plugin-config"
ACCOUNT = "tranche-plugin"
TRANCHE = bed.ROOT / "build/release/bin/tranche"
CHART = bed.ROOT / "deploy/chart/tranche"
APPLIED = re.compile(r"^(\S+) info .*event=ConfigApplied", re.M)


def seconds_of(timestamp):
    return datetime.datetime.fromisoformat(timestamp).timestamp()


def read(path):
    try:
        return pathlib.Path(path).read_text(errors="replace")
    except OSError:
        return ""


def chart(cluster, templates, **values):
    sets = [word for name, value in values.items() for word in ("--set", f"{name}={value}")]
    shown = [word for name in templates for word in ("--show-only", f"templates/{name}.yaml")]
    return cluster.helm("template", "tranche", CHART, "--namespace", NAMESPACE, "--set",
                        f"devicePlugin.config.name={CONFIG_MAP},devicePlugin.config.default=default", *sets,
                        *shown).stdout


def chart_flags(cluster, **values):
    """What the chart's DaemonSet starts the agent with; its port is left out, as all share one network here."""
    rendered = cluster.kubectl("create", "--dry-run=client", "-o", "json", "-f", "-",
                               input=chart(cluster, ["daemonset"], **values)).stdout
    flags = json.loads(rendered)["spec"]["template"]["spec"]["containers"][0]["args"]
    return [flag for flag in flags if not flag.startswith("--listen=")] + ["--listen="]


class Agent:
    def __init__(self, folder, node):
        self.folder, self.node = folder, node
        self.log = folder / "agent.log"
        self.pid = 0
        for name in ("run", "cdi", "plugins"):
            (folder / name).mkdir(parents=True)

    def command(self, driver, flags):
        own = [f"--node-name={self.node}", f"--kubeconfig={self.folder}/kubeconfig",
               f"--driver-root-ctr-path={driver}", f"--sys-root={driver}", "--pod-resources-socket=",
               f"--kubelet-socket={self.folder}/plugins/kubelet.sock", f"--run-dir={self.folder}/run",
               f"--cdi-dir={self.folder}/cdi"]
        return shlex.join([str(TRANCHE), "agent", *flags, *own]) + f" >>{shlex.quote(str(self.log))} 2>&1 &"

    def applied(self):
        """When it has put a config in force, each time, as its log says."""
        return [seconds_of(at) for at in APPLIED.findall(read(self.log))]

    def devices(self):
        try:
            resources = json.loads(read(self.folder / "run/status.json"))["resources"]
        except (ValueError, KeyError):
            return None
        return sum(resource["devices"] for resource in resources)

    def cpu_seconds(self):
        return sum(int(read(task / "schedstat").split()[0])
                   for task in pathlib.Path(f"/proc/{self.pid}/task").iterdir()) / 1e9

    def memory_mib(self):
        """(its own, proportional, all that is resident)"""
        rollup = read(f"/proc/{self.pid}/smaps_rollup")
        size = {name: int(kib) for name, kib in re.findall(r"^(\w+): +(\d+) kB", rollup, re.M)}
        return [kib / 1024 for kib in (size["Private_Clean"] + size["Private_Dirty"], size["Pss"], size["Rss"])]


class Fleet:
    def __init__(self, cluster, count):
        self.cluster, self.admin = cluster, Api(cluster)
        self.folder = cluster.record.folder / "fleet"
        self._driver = self.folder / "driver"
        self.folder.mkdir()
        subprocess.run([TRANCHE, "sim", "node", "create", "a100x2", "--root", self._driver], check=True,
                       stdout=subprocess.DEVNULL, timeout=60)
        self.namespaces = Namespaces(cluster.record, "agents", {"hostname": "agents"})
        self.namespaces.wait_ready()
        network.connect(cluster.plane.namespaces, self.namespaces, WIRE)
        self.agents = [Agent(self.folder / f"{number:04}", f"scale-{number:04}") for number in range(count)]
        self._program = None
        for agent in self.agents:
            self._introduce(agent)

    def _introduce(self, agent):
        """Its node and its kubeconfig: a token as a pod of that node gets it, with the node's name in it."""
        self.admin.send("POST", "/api/v1/nodes", {
            "apiVersion": "v1", "kind": "Node",
            "metadata": {"name": agent.node, "labels": {"kubernetes.io/hostname": agent.node}}})
        token = self.admin.send("POST", f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/{ACCOUNT}/token", {
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
            "spec": {"expirationSeconds": 7200,
                     "boundObjectRef": {"apiVersion": "v1", "kind": "Node", "name": agent.node}}})
        (agent.folder / "token").write_text(token["status"]["token"])
        (agent.folder / "kubeconfig").write_text(json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{"name": "c", "cluster": {
                "server": f"https://{network.SERVICE}:{network.PORT}",
                "certificate-authority": str(self.cluster.plane.pki("ca.crt"))}}],
            "users": [{"name": "u", "user": {"tokenFile": str(agent.folder / "token")}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}]}))

    def start(self, flags):
        """All of them, as fast as one shell can."""
        script = self.folder / "start"
        script.write_text("\n".join([*(agent.command(self._driver, flags) for agent in self.agents), "wait"]))
        self._program = Program(self.namespaces, "agents", ["sh", script], self.folder / "agents.log")
        self._program.start()
        bed.wait_for("all agents started", self._find, 120)

    def _find(self):
        shell = self._program.pid
        known = {agent.node: agent for agent in self.agents}
        for pid in read(f"/proc/{shell}/task/{shell}/children").split():
            name = re.search(r"--node-name=([^\0]+)", read(f"/proc/{pid}/cmdline"))
            if name and read(f"/proc/{pid}/comm").strip() == "tranche":
                known[name[1]].pid = int(pid)
        return all(agent.pid for agent in self.agents)

    def stop(self):
        """Ends them all; what they kept on their nodes goes too, so that the next start is a first one."""
        for agent in self.agents:
            os.kill(agent.pid, signal.SIGTERM)
            agent.pid = 0
        bed.wait_for("all agents ended", lambda: not self._program.running(), 60)
        for agent in self.agents:
            agent.log.unlink()
            shutil.rmtree(agent.folder / "plugins")
            (agent.folder / "plugins").mkdir()

    def all_apply(self, what, since, seconds=120):
        """Waits until each agent has put a config in force since then; the seconds it took each, sorted."""
        def took():
            times = [next((at for at in agent.applied() if at >= since), None) for agent in self.agents]
            return None if None in times else times
        return sorted(at - since for at in bed.wait_for(f"{what}, by all agents", took, seconds, 0.25))

    def all_serve(self, devices, seconds=60):
        def others():
            return [agent.node for agent in self.agents if agent.devices() != devices]
        bed.wait_for(f"all agents serve {devices} devices", lambda: not others(), seconds, 0.5)

    def bytes_to(self):
        """What has gone to the agents on their wire, TLS and TCP included."""
        text = read(f"/proc/{self.cluster.plane.namespaces.pid}/net/dev")
        return int(re.search(rf"veth{WIRE}:(?: *\d+){{8}} +(\d+)", text)[1])
