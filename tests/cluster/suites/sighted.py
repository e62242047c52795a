"""What the suites of sight work with: `tranche-node` by Helm, what it shows, and what the driver has counted itself.

    sight = Sighted(cluster)
    sight.install("--set", "devicePlugin.enabled=false")    # beside another plugin
    sight.figures("tranche_pod_gpu_memory_used_bytes")   # {(namespace, pod, container, GPU's index): value}
    load = Load(sight); load.start(); load.judge()       # pods and processes that compute, and what is shown of them
"""

import json
import re
import subprocess
import time

import bed
from bed import expect
from bed.node import DRIVER
from suites import usage
from suites.scene import CHART, NODE, tell

NAMESPACE, RELEASE, DAEMONSET = "tranche", "tranche", "tranche-node"
PROFILES = "profiles"
SECONDS = 90
SAMPLE = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$")
LABEL = re.compile(r'(\w+)="([^"]*)"')
FETCH = "import sys, urllib.request; sys.stdout.write(urllib.request.urlopen(sys.argv[1], timeout=10).read().decode())"
SHARING = ("version: v1\nsharing:\n  timeSlicing:\n    resources:\n"
           "    - {name: nvidia.com/gpu, replicas: 8}\n")
ALL_GPUS = [{"name": "NVIDIA_VISIBLE_DEVICES", "value": "all"}]
# The driver's samples are whole percents.
SHARE, SECONDS_A_MINUTE = 0.02, 0.6


class Sighted:
    """The release, and what its pod on the node shows."""

    def __init__(self, cluster, node=NODE):
        self.c, self.name, self.node, self._address = cluster, node, cluster.nodes[node], None

    def install(self, *more):
        """With the profiles of a ConfigMap that is there already: eight shares of each GPU."""
        self.c.kubectl("create", "namespace", NAMESPACE)
        self.c.apply(json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "data": {"default": SHARING},
                                 "metadata": {"name": PROFILES, "namespace": NAMESPACE}}))
        self.helm("install", *more)

    def helm(self, verb, *more):
        self.c.helm(verb, RELEASE, CHART, "-n", NAMESPACE, "--set", "node.enabled=true", "--set",
                    f"config.name={PROFILES}", "--set", "config.default=default", *more, seconds=120)
        self.rolled()

    def plugin_serves(self):
        self.c.kubectl("-n", NAMESPACE, "rollout", "status", "daemonset/tranche-plugin", "--timeout=120s", seconds=130)
        self.c.wait_for("our plugin serves 16 shares", lambda: self.c.allocatable(self.name) == 16, SECONDS)

    def rolled(self):
        self.c.kubectl("-n", NAMESPACE, "rollout", "status", f"daemonset/{DAEMONSET}", "--timeout=120s", seconds=130)
        self._address = None
        self.well()

    def pod(self):
        """The program's pod on the node, and not one that is about to end; None where there is none."""
        pods = self.c.get("pods", "-n", NAMESPACE, "-l", "app=tranche-node")["items"]
        return next((pod for pod in pods if pod["spec"].get("nodeName") == self.name and
                     "deletionTimestamp" not in pod["metadata"]), None)

    def replace(self):
        """Its pod is deleted; returns when another one answers."""
        old = self.pod()["metadata"]
        self.c.kubectl("-n", NAMESPACE, "delete", "pod", old["name"], "--wait=false")
        self.c.wait_for("a new pod of tranche-node", lambda: (self.pod() or {"metadata": old})["metadata"]["uid"] !=
                        old["uid"], SECONDS, 0.1)
        self._address = None
        self.until("the new one answers", self.status)

    def container(self):
        return self.pod()["status"]["containerStatuses"][0]["containerID"].split("//")[1]

    def exec(self, *command, check=True):
        return self.c.exec(self.pod()["metadata"]["name"], *command, namespace=NAMESPACE, check=check)

    # ---- what it shows ----

    def get(self, path):
        """From the node, so that no API server stands between; "" while nobody answers."""
        try:
            self._address = self._address or self.pod()["status"]["podIP"]
        except (KeyError, TypeError):
            return ""
        return self.node.run("python3", "-c", FETCH, f"http://{self._address}:9436{path}", check=False).stdout

    def status(self):
        try:
            return json.loads(self.get("/status"))
        except ValueError:
            return {}

    def metrics(self):
        """{name: [(labels, value)]}"""
        found = {}
        for line in self.get("/metrics").splitlines():
            if not line.startswith("#"):
                name, labels, value = SAMPLE.match(line).groups()
                found.setdefault(name, []).append((dict(LABEL.findall(labels or "")), float(value)))
        return found

    def figures(self, name, metrics=None):
        """{(namespace, pod, container, GPU's index): value}; of the rest the first three are empty."""
        return {(labels["namespace"], labels["pod"], labels["container"], labels["index"]): value
                for labels, value in (metrics or self.metrics()).get(name, [])}

    def of_pod(self, name, pod):
        """{container: value} of a pod of the namespace default, over all GPUs."""
        found = {}
        for (space, shown, container, _), value in self.figures(name).items():
            if (space, shown) == ("default", pod):
                found[container] = found.get(container, 0) + value
        return found

    def one(self, name):
        """The value of a metric without labels; None while it is not shown."""
        found = self.metrics().get(name)
        return found[0][1] if found else None

    def until(self, what, question, seconds=SECONDS):
        try:
            return self.c.wait_for(what, question, seconds, 0.2)
        except bed.Fault as fault:
            raise bed.Fault(f"{fault}\n{self.get('/status')}\n{self.log()[-4000:]}") from None

    def log(self):
        return self.c.kubectl("-n", NAMESPACE, "logs", "-l", "app=tranche-node", "--tail=-1", check=False).stdout

    def degraded(self):
        return "; ".join(self.status().get("degraded", ["it does not answer"]))

    def well(self):
        self.until("nothing is degraded", lambda: self.status().get("ready") and not self.degraded())

    # ---- a pod that computes on one GPU ----

    def start_holder(self, name="holder", **more):
        line = "tranche-workload steady --memory 1Gi --for 1h"
        self.c.apply(pod(name, container("main", line, **more), nodeName=self.name))
        self.c.wait_pod(name)
        self.until(f"{name} is shown", lambda: self.is_shown(name))

    def start_thief(self):
        """The same, on a GPU that it was not given."""
        self.start_holder("thief", gpu=False, env=ALL_GPUS)

    def is_shown(self, name):
        """Whether the holder's memory is shown under this name."""
        return any(shown == name and value > 1 << 30 for (_, shown, _, _), value in
                   self.figures("tranche_pod_gpu_memory_used_bytes").items())

    def holder_is_shown(self):
        self.until("the holder is shown by its name", lambda: self.is_shown("holder"))

    def events(self, name):
        """How often Events on the node have said that a pod uses a GPU that it was not given."""
        return sum(event.get("count") or 1 for event in self.c.events() if event["reason"] == "GpuNotGiven" and
                   event["involvedObject"]["name"] == self.name and f"pod default/{name} " in event["message"])


def container(name, line, gpu=True, **more):
    """Runs a line of the shell. `gpu`: it is given one."""
    made = {"name": name, "image": usage.IMAGE, "imagePullPolicy": "IfNotPresent", "command": ["sh", "-c", line],
            **more}
    if gpu:
        made["resources"] = {"limits": {"nvidia.com/gpu": "1"}}
    return made


def pod(name, *containers, **spec):
    return json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default"},
                       "spec": {"terminationGracePeriodSeconds": 0, "restartPolicy": "Never",
                                "containers": list(containers), **spec}})


class Load:
    """Programs that use the GPUs from every place that one can be in, all at the same time."""

    GATE = "/run/sight"
    STATIC = "/etc/kubernetes/manifests/static.json"
    # By pod and container. The init container ends, and those behind it begin, while others compute.
    USES = {("plain", "main"): "steady --memory 2Gi --for 1h",
            ("user", "main"): "paced --memory 1Gi --period 2ms --for 1h",
            ("mapped", "main"): "paced --memory 896Mi --period 3ms --for 1h",
            ("cars", "first"): "steady --memory 3Gi --for 4s", ("cars", "car"): "requests --memory 512Mi --for 1h",
            ("cars", "main"): "hold --memory 4Gi --for 1h",
            (f"static-{NODE}", "main"): "paced --memory 1536Mi --period 1ms --for 1h",
            ("thief", "main"): "hold --memory 768Mi --for 1h"}
    HOST = "paced --memory 640Mi --period 5ms --for 1h"
    # How long all of them compute together.
    TOGETHER_SECONDS = 15

    def __init__(self, sight):
        self.sight, self.c, self.node = sight, sight.c, sight.node
        self._began, self._groups = 0, {}  # of each process that used a GPU: the text of its cgroups
        self._host = None

    def _container(self, name, where, last="exec sleep infinity", **more):
        gate = f"until [ -e {self.GATE}/go ]; do sleep 0.1; done; "
        return container(where, f"{gate}tranche-workload {self.USES[name, where]}; {last}",
                         volumeMounts=[{"name": "gate", "mountPath": self.GATE}], **more)

    def start(self):
        """Until each of them computes."""
        gate = {"volumes": [{"name": "gate", "hostPath": {"path": self.GATE}}]}
        place = f"rm -rf {self.GATE}; mkdir -p {self.GATE} $(dirname {self.STATIC}); cat >{self.STATIC}"
        self.node.run("sh", "-c", place, input=pod("static", self._container(f"static-{NODE}", "main"), **gate))
        here = {"nodeName": NODE, **gate}
        self.c.apply(pod("plain", self._container("plain", "main"), **here))
        self.c.apply(pod("user", self._container("user", "main", securityContext={"runAsUser": 1000}), **here))
        self.c.apply(pod("mapped", self._container("mapped", "main"), hostUsers=False, **here))
        before = [self._container("cars", "first", "exit 0"), self._container("cars", "car", restartPolicy="Always")]
        self.c.apply(pod("cars", self._container("cars", "main"), initContainers=before, **here))
        self.c.apply(pod("thief", self._container("thief", "main", gpu=False, env=ALL_GPUS), **here))
        for name in ("plain", "user", "mapped", "thief", f"static-{NODE}"):
            self.c.wait_pod(name, seconds=SECONDS)
        expect(usage.root_on_node(self.c, "mapped") != 0, "root in the pod is root on the node")
        self.c.wait_for("the init container runs", lambda: "running" in self.c.pod("default", "cars")["status"].get(
            "initContainerStatuses", [{"state": {}}])[0]["state"], SECONDS)
        self._began = time.monotonic()
        self.node.run("touch", f"{self.GATE}/go")
        self._host = subprocess.Popen(self.node.namespaces.enter(
            "env", f"LD_LIBRARY_PATH={DRIVER}/usr/lib/x86_64-linux-gnu", "/opt/bed/tranche/sim/tranche-workload",
            *self.HOST.split()), stdout=subprocess.DEVNULL)
        self.sight.until("every program uses its GPU", lambda: len(self.look()) == len(self.USES) + 1)
        end = time.monotonic() + self.TOGETHER_SECONDS
        while time.monotonic() < end:
            self.look()
            time.sleep(0.2)

    def look(self):
        """The processes that have used a GPU since the beginning, as the driver counts them: {pid: account}."""
        found = {process["pid"]: process for process in self.node.usage()["processes"]}
        new = [pid for pid in found if pid not in self._groups and found[pid]["ended_ns"] is None]
        if new:
            line = "; ".join(f"echo @{pid}; cat /proc/{pid}/cgroup" for pid in new)
            for text in self.node.run("sh", "-c", line, check=False).stdout.split("@")[1:]:
                pid, _, groups = text.partition("\n")
                self._groups.setdefault(int(pid), groups)
        return {pid: process for pid, process in found.items() if pid in self._groups}

    def counted(self):
        """{(pod, container): the accounts of its processes}, None for those of no pod; by the ids in their cgroups."""
        ids = {}
        for name in {name for name, _ in self.USES}:
            found = self.c.pod("default", name)["status"]
            for kind in ("containerStatuses", "initContainerStatuses"):
                for one in found.get(kind, []):
                    ids[one["containerID"].partition("//")[2]] = (name, one["name"])
        accounts = {}
        for pid, process in self.look().items():
            owner = next((owner for identifier, owner in ids.items() if identifier in self._groups[pid]), None)
            accounts.setdefault(owner, []).append(process)
        return accounts

    # ---- what is shown, beside what was counted ----

    def judge_memory(self):
        """To the byte, while all of them hold it."""
        wanted = {owner: sum(process["memory_peak_bytes"] for process in accounts if process["ended_ns"] is None)
                  for owner, accounts in self.counted().items()}
        expect(set(wanted) == {*self.USES, None}, f"the driver counts {wanted}")

        def shown():
            found = {}
            for (space, name, where, _), value in self.sight.figures("tranche_pod_gpu_memory_used_bytes").items():
                owner = (name, where) if name else None
                expect(space == ("default" if name else ""), f"namespace {space} of {owner}")
                found[owner] = found.get(owner, 0) + value
            return found if found == wanted else None
        self.sight.until(f"memory is shown as the driver counts it: {wanted}", shown)
        tell(", ".join(f"{'/'.join(owner) if owner else 'host'} {size >> 20} MiB" for owner, size in wanted.items()))

    def stop(self):
        """Ends the programs; the containers stay."""
        pids = [str(pid) for pid, process in self.look().items() if process["ended_ns"] is None]
        self.node.run("kill", "-KILL", *pids)
        self._host.wait(60)
        seen = []

        def settled():
            """Two looks of which each saw a new sample find the same."""
            seen.append(self.sight.figures("tranche_pod_gpu_seconds_total"))
            time.sleep(1)
            return len(seen) > 2 and seen[-1] == seen[-2] == seen[-3]
        self.sight.until("the last sample is counted", settled)

    def judge_seconds(self):
        """Within 2 % or 0.6 s a minute, whichever is larger; and the parts are the device."""
        accounts, metrics = self.counted(), self.sight.metrics()
        minutes, shown = (time.monotonic() - self._began) / 60, {}
        for (_, name, where, _), value in self.sight.figures("tranche_pod_gpu_seconds_total", metrics).items():
            shown[name, where] = shown.get((name, where), 0) + value
        nameless = [owner for owner, seconds in shown.items() if owner[0] and not owner[1] and seconds]
        expect(not nameless, f"computed under no container's name: {nameless}")
        for owner in self.USES:
            counted = sum(process["computed_ns"] for process in accounts[owner]) / 1e9
            tell(f"{'/'.join(owner)}: {shown.get(owner, 0):.2f} s, the driver counted {counted:.2f} s")
            expect(abs(shown.get(owner, 0) - counted) <= max(SHARE * counted, SECONDS_A_MINUTE * minutes),
                   f"{owner}: {shown.get(owner)} s, the driver counted {counted} s")
        busy = sum(value for _, value in metrics["tranche_gpu_busy_seconds_total"])
        expect(abs(sum(shown.values()) - busy) <= 0.01 * busy, f"the parts are {shown}, the devices {busy}")

    def clear(self):
        self.node.run("rm", "-f", self.STATIC)
        self.c.delete_pod("plain", "user", "mapped", "cars", "thief")
