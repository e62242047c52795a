"""What the suites of faults share: the chart installed, pods that hold GPUs and must never notice, what a user sees.

    with bed.Cluster(names=("gpu-node",), default_runtime="nvidia") as cluster:
        scene = Scene(cluster)
        scene.install()                     # two GPUs, four replicas: 8
        scene.hold("holder-1")              # a pod with a GPU, remembered as it is now
        scene.check_holders()               # each is the same process with the same GPU still
"""

import json
import re
import threading
import time

import bed
from bed import expect

NODE, NAMESPACE = "gpu-node", "gpu-operator"
RELEASE, DAEMONSET, MAP = "tranche", "tranche-plugin", "device-plugin-config"
RESOURCE = "nvidia.com/gpu"
LABEL = "nvidia.com/device-plugin.config"
APP = "app=nvidia-device-plugin-daemonset"
CHART = bed.ROOT / "deploy/chart/tranche"
SEED_MAP = bed.ROOT / "tests/seed/01-configmap.yaml"
CHECKPOINT = "/var/lib/kubelet/device-plugins/kubelet_internal_checkpoint"
GPUS = 2
# Generous: a kubelet may take 90 s to bring a ConfigMap into a pod, and what counts is printed.
LIMIT_SECONDS = 150


def tell(text):
    for line in str(text).rstrip().splitlines():
        print("    " + line[:200], flush=True)


def profile(replicas):
    return ("version: v1\nsharing:\n  timeSlicing:\n    resources:\n"
            f"    - {{name: nvidia.com/gpu, replicas: {replicas}}}\n")


SEED = {"default": profile(4), "dev": profile(8)}


class Watch:
    """How long until something is seen."""

    def __init__(self):
        self.began = time.monotonic()

    def seconds(self):
        return time.monotonic() - self.began

    def until(self, what, question, seconds=LIMIT_SECONDS, step=0.1):
        bed.wait_for(what, question, seconds, step)
        tell(f"{what}: after {self.seconds():.1f} s")


class Scene:
    def __init__(self, cluster, name=NODE):
        self.cluster, self.name, self.node = cluster, name, cluster.nodes[name]
        self._holders = {}

    # ---- the chart ----

    def install(self, *more):
        self.cluster.kubectl("create", "namespace", NAMESPACE)
        self.cluster.kubectl("apply", "-f", SEED_MAP)
        self.cluster.helm("install", RELEASE, CHART, "-n", NAMESPACE, "--set", f"devicePlugin.config.name={MAP}",
                          "--set", "devicePlugin.config.default=default", *more)
        self.rolled()
        self.counts(4 * GPUS)

    def rolled(self, daemonset=DAEMONSET, seconds=180):
        self.cluster.kubectl("-n", NAMESPACE, "rollout", "status", f"daemonset/{daemonset}", f"--timeout={seconds}s",
                             seconds=seconds + 10)

    def agents(self):
        """The plugin's pods that are not on their way out."""
        pods = self.cluster.get("pods", "-n", NAMESPACE, "-l", APP)["items"]
        return [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]

    def agent_container(self):
        """As containerd names it."""
        return self.agents()[0]["status"]["containerStatuses"][0]["containerID"].split("//")[1]

    def label(self, profile_name):
        self.cluster.kubectl("label", "node", self.name, "--overwrite",
                             f"{LABEL}={profile_name}" if profile_name else f"{LABEL}-")

    def write_map(self, data):
        """The ConfigMap, whole; not by `apply`, whose annotation holds no large one."""
        text = json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "data": data,
                           "metadata": {"name": MAP, "namespace": NAMESPACE}})
        there = self.cluster.get("configmap", MAP, "-n", NAMESPACE) is not None
        return self.cluster.kubectl("replace" if there else "create", "-f", "-", input=text, check=False)

    # ---- what is seen ----

    def agent_status(self):
        """What the agent writes down on its node: there is no API server between. {} while there is none."""
        done = self.node.run("cat", "/run/tranche/status.json", check=False)
        try:
            return json.loads(done.stdout)
        except ValueError:
            return {}

    def serving(self, status=None):
        """The resource as the agent tells of it, where it serves it; else None."""
        found = [entry for entry in (status or self.agent_status()).get("resources", []) if entry["name"] == RESOURCE]
        return found[0] if found and found[0]["phase"] == "serving" else None

    def registrations(self):
        resource = self.serving()
        return resource["registrations"] if resource else 0

    def checkpoint(self):
        try:
            return json.loads(self.node.run("cat", CHECKPOINT, check=False).stdout)["Data"]
        except ValueError:
            return {}

    def managed(self):
        """How many devices the kubelet's device manager has been told of."""
        return len((self.checkpoint().get("RegisteredDevices") or {}).get(RESOURCE) or [])

    def allocated(self):
        """Which ids which pod holds, as the kubelet wrote down: (pod's uid, ids), for the holders."""
        uids = {facts["uid"] for facts in self._holders.values()}
        return sorted((entry["PodUID"], str(entry["DeviceIDs"])) for entry in self.checkpoint()["PodDeviceEntries"]
                      or [] if entry["PodUID"] in uids)

    def allocatable(self):
        return self.cluster.allocatable(self.name, RESOURCE) or 0

    def follows_again(self, what):
        """The label "dev", set by now, is in force and nothing is wrong; then it is taken away."""
        watch = Watch()
        watch.until(f"{what}: device manager has {8 * GPUS}", lambda: self.managed() == 8 * GPUS)
        watch.until("nothing is wrong any more", self.well)
        self.label("")
        self.counts(4 * GPUS)

    def counts(self, wanted):
        """Until the kubelet's device manager and the API object both have it; what each took is printed."""
        watch = Watch()
        watch.until(f"device manager has {wanted}", lambda: self.managed() == wanted)
        watch.until(f"API object has {wanted}", lambda: self.allocatable() == wanted)

    def kubectl_tranche(self, *arguments):
        line = "PATH=build/release/bin:$PATH kubectl tranche " + " ".join(arguments)
        return self.cluster.shell(line, check=False).stdout

    def warnings(self):
        """What `kubectl tranche status` warns of on the node."""
        try:
            nodes = json.loads(self.kubectl_tranche("status", "-o", "json"))["nodes"]
        except ValueError:
            return []
        return [text for node in nodes if node["name"] == self.name for text in node["warnings"]]

    def warned(self, pattern):
        return any(re.search(pattern, text) for text in self.warnings())

    def well(self):
        """No warning, and it is sure that there was an answer."""
        status = self.agent_status()
        return status and status["ready"] and not status["degraded"]

    def events(self, pattern):
        """How often Events on the node have said what matches."""
        return sum(event.get("count") or 1 for event in self.cluster.events()
                   if event["involvedObject"]["name"] == self.name and re.search(pattern, event["message"]))

    def last_words(self):
        """What the agents of the node have said last; it needs no API server."""
        logs = f"tail -n 25 /var/log/pods/{NAMESPACE}_{DAEMONSET}*/*/*.log; ls -l /var/lib/kubelet/device-plugins"
        return f"{json.dumps(self.agent_status())[:1500]}\n{self.node.run('sh', '-c', logs, check=False).stdout[-6000:]}"

    def show(self):
        tell(self.kubectl_tranche("status"))

    # ---- pods that hold GPUs ----

    def hold(self, name):
        self.cluster.run_pod(name, gpus=1, node=self.name, restartPolicy="Always")
        self._holders[name] = self._facts(name)
        expect(len(self._holders[name]["gpus"]) == 1, f"{name} sees {self._holders[name]['gpus']}")

    def _facts(self, name):
        def look():
            start = self.cluster.exec(name, "cat", "/proc/1/stat", check=False)
            gpus = self.cluster.exec(name, "nvidia-smi", "-L", check=False)
            return (start.stdout, gpus.stdout) if start.returncode == 0 and gpus.returncode == 0 else None
        stat, gpus = bed.wait_for(f"a look into pod {name}", look, LIMIT_SECONDS, 0.2)
        pod = self.cluster.pod("default", name)
        return {"uid": pod["metadata"]["uid"], "deleted": pod["metadata"].get("deletionTimestamp"),
                "phase": pod["status"]["phase"], "started": stat.rsplit(")", 1)[1].split()[19],
                "restarts": pod["status"]["containerStatuses"][0]["restartCount"],
                "gpus": re.findall(r"GPU-[0-9a-f-]{36}", gpus)}

    def check_holders(self):
        for name, before in self._holders.items():
            now = self._facts(name)
            expect(now == before, f"{name} noticed: it was {before}, it is {now}")
            expect(now["restarts"] == 0 and now["phase"] == "Running", f"{name}: {now}")

    def new_pod(self, name):
        """A new pod gets one GPU, and is gone again."""
        watch = Watch()
        self.cluster.run_pod(name, gpus=1, node=self.name, seconds=LIMIT_SECONDS)
        facts = self._facts(name)
        expect(facts["phase"] == "Running" and len(facts["gpus"]) == 1, f"{name}: {facts}")
        tell(f"a new pod runs with one GPU: after {watch.seconds():.1f} s")
        self.cluster.delete_pod(name)


class PodLoop(threading.Thread):
    """Makes and deletes pods with a GPU, past the scheduler: the kubelet alone judges each."""

    BATCH = 4  # of the eight, of which two are held

    def __init__(self, scene):
        super().__init__(daemon=True)
        self._cluster, self._end = scene.cluster, threading.Event()
        self.ran, self.failed, self.fault = 0, [], None

    def run(self):
        try:
            while not self._end.is_set():
                self.batch()
        except Exception as fault:  # raised where the loop ends
            self.fault = fault

    def batch(self):
        number = self.ran + len(self.failed)
        names = [f"loop-{number + i}" for i in range(self.BATCH)]
        for name in names:
            self._cluster.run_pod(name, gpus=1, nodeName=NODE, wait=False)
        for name in names:
            status = self._cluster.wait_pod(name, phases=("Running", "Failed"), seconds=LIMIT_SECONDS)["status"]
            if status["phase"] == "Running":
                self.ran += 1
            else:
                self.failed.append(f"{name}: {status.get('reason')}: {status.get('message')}")
        self._cluster.delete_pod(*names)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self._end.set()
        self.join()
        if self.fault:
            raise self.fault


def case(run, scene, name, function, *arguments):
    def all_of_it():
        try:
            function(scene, *arguments)
            scene.check_holders()
        except bed.Fault as fault:
            raise bed.Fault(f"{fault}\n{scene.last_words()}") from None
    run(name, all_of_it)


def written(scene, data):
    done = scene.write_map(data)
    expect(done.returncode == 0, done.stderr)


# ---- pods that need no API server ----

STATIC = "/etc/kubernetes/manifests"


def static_pod(name):
    """A pod that the kubelet makes by itself; it writes down which GPUs its driver shows."""
    container = {"name": "c", "image": bed.CUDA, "imagePullPolicy": "Never",
                 "command": ["sh", "-c", "nvidia-smi -L >/out/gpus; exec sleep infinity"],
                 "volumeMounts": [{"name": "out", "mountPath": "/out"}],
                 "resources": {"limits": {"nvidia.com/gpu": "1"}}}
    out = {"name": "out", "hostPath": {"path": f"/run/{name}", "type": "DirectoryOrCreate"}}
    return json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default"},
                       "spec": {"terminationGracePeriodSeconds": 0, "containers": [container], "volumes": [out]}})


def allocates_by_itself(scene, name):
    watch, path = Watch(), f"{STATIC}/{name}.json"
    scene.node.run("sh", "-c", f"mkdir -p {STATIC}; cat >{path}", input=static_pod(name))

    def gpus():
        return re.findall(r"GPU-[0-9a-f-]{36}", scene.node.run("cat", f"/run/{name}/gpus", check=False).stdout)
    # The kubelet looks into that folder every 20 s.
    watch.until("a static pod has its GPU", gpus)
    expect(len(gpus()) == 1, f"it sees {gpus()}")
    scene.node.run("rm", "-f", path)
