"""The cluster as a whole, and the commands that a test gives it."""

import concurrent.futures
import contextlib
import fcntl
import json
import os
import pathlib
import subprocess
import tempfile
import time

from bed import images, records
from bed.control_plane import ControlPlane
from bed.node import Node, gpu_profile
from bed.program import ROOT, Fault, tail, wait_for

NODES = ("gpu-node", "dev-gpu-node", "train-gpu-node")
CUDA = images.CUDA
NOWHERE = "/opt/bed/driver"
SYSTEM = """
apiVersion: node.k8s.io/v1
kind: RuntimeClass
metadata: {name: nvidia}
handler: nvidia
"""


def programs(seed_only=True):
    """The folder of each part, built where a pin has changed."""
    arguments = ["--seed"] if seed_only else []
    found = _built(*arguments)
    if Cluster.kubernetes != "kubernetes":
        found["kubernetes"] = _built(Cluster.kubernetes)[Cluster.kubernetes]
    return found


def _built(*arguments):
    done = subprocess.run([ROOT / "tests/cluster/build", *arguments], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise Fault("tests/cluster/build failed (see above)")
    return {part: pathlib.Path(folder) for part, folder in (line.split(" ", 1) for line in done.stdout.splitlines())}


def expect(condition, what):
    if not condition:
        raise Fault(what)


def product_image():
    """The product's image, built now; imported it is docker.io/tranche/tranche:VERSION."""
    archive = ROOT / "build/image/tranche.oci.tar"
    archive.parent.mkdir(parents=True, exist_ok=True)
    with open(archive.parent / "lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = subprocess.run([ROOT / "deploy/image/build", "--output", archive], stdout=subprocess.PIPE, text=True,
                              check=False)
    if done.returncode != 0:
        raise Fault("deploy/image/build failed (see above)")
    return archive


def how_to_use(cluster):
    path = f"{cluster.parts['kubernetes']}:{cluster.parts['helm']}"
    return (f"the cluster stays up; to use it:\n  export KUBECONFIG={cluster.kubeconfig} PATH={path}:$PATH\n"
            "to take it down: tests/cluster/run.py --down")


class Cluster:
    keep_when_closed = False  # set by run.py --keep; the next Cluster takes it down all the same
    kubernetes = "kubernetes"  # or "kubernetes-oldest", of run.py --oldest: which of programs/ clusters are made of

    def __init__(self, gpus=None, models=None, driver_root="/", default_runtime="runc", names=NODES,
                 without_driver=(), drivers=None, toolkits=None, sim=ROOT / "build/release/bin", parts=None, say=print):
        """By name of node: `drivers` has versions of the simulated driver and of its CUDA, `toolkits` folders of programs/
        with NVIDIA's container toolkit."""
        self._say = say
        self._kept = self._complete = False
        self.record = None
        for fault in records.clean_up(kept=True, say=say):
            raise Fault(fault)
        self.parts = parts or programs()
        if toolkits:
            self.parts |= _built(*sorted(set(toolkits.values())))
        try:
            self._make(gpus or {}, models or {}, driver_root, default_runtime, names, without_driver,
                       drivers or {}, toolkits or {}, pathlib.Path(sim))
        except BaseException:
            self._say(self.report())
            self.close()
            raise

    def _make(self, gpus, models, driver_root, default_runtime, names, without_driver, drivers, toolkits, sim):
        start = time.monotonic()
        self.record = records.Record.new(f"tranche-cluster-{os.getpid()}")
        self.record.add_cgroup("/" + self.record.folder.name)
        (self.record.folder / "nodes").mkdir()
        self._images = images.make(self.record.folder / "images", sim)
        self.plane = ControlPlane(self.record, self.parts)
        self.kubeconfig = self.plane.kubeconfig
        path = f"{self.parts['kubernetes']}:{self.parts['helm']}:{os.environ.get('PATH', '/usr/bin:/bin')}"
        # Helm keeps its files in the cluster's folder; no proxy stands between here and the API server.
        self.environment = {**os.environ, "PATH": path, "KUBECONFIG": str(self.kubeconfig),
                            "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1", "HOME": str(self.record.folder)}
        self.nodes = {}
        for number, name in enumerate(names, 1):
            bare = name in without_driver
            # The simulated driver of such a node lies where nothing looks for one.
            place = (NOWHERE, "runc") if bare else (driver_root, default_runtime)
            profile = gpu_profile(name, 0 if bare else gpus.get(name, 2), models.get(name, "a100-sxm4-80gb"),
                                  drivers.get(name, ("570.172.08", "12.8")))
            self.nodes[name] = Node(self.plane, self.record, self.parts, number, name, profile, *place,
                                    toolkits.get(name, "toolkit"), sim)
        pool = concurrent.futures.ThreadPoolExecutor()
        try:
            waits = [pool.submit(self.plane.start)]
            waits += [pool.submit(self._prepare, node) for node in self.nodes.values()]
            for wait in waits:
                wait.result()
        finally:
            # After a fault nobody waits: what the threads wait for ends when the cluster is taken down.
            pool.shutdown(wait=False, cancel_futures=True)
        self._say(f"control plane ready, {time.monotonic() - start:.1f} s")
        self.apply(SYSTEM)
        for node in self.nodes.values():
            node.start_kubelet()
        for name in self.nodes:
            self.wait_for(f"{name} is Ready", lambda name=name: self.is_ready(name), 60)
        self.wait_for("the default service account", lambda: self.get("serviceaccount", "default"), 30)
        # Some suites need no node of the cluster's own.
        version = "".join(f", Kubernetes {self.node(name)['status']['nodeInfo']['kubeletVersion']}"
                          for name in names[:1])
        self._say(f"{len(self.nodes)} nodes Ready{version}, {time.monotonic() - start:.1f} s")
        self._complete = True

    def _prepare(self, node):
        node.start(self.plane)
        for archive in self._images:
            node.import_image(archive)

    def __enter__(self):
        return self

    def __exit__(self, kind, _value, _traceback):
        self.close()

    def keep(self):
        self._kept = True
        self.record.keep()

    def close(self, always=False):
        """Takes it down; raises a Fault where something is left."""
        if self.record is None or (self._kept and not always):
            return
        if self.keep_when_closed and self._complete and not always:
            self.keep()
            self._say(how_to_use(self))
            return
        record, self.record = self.record, None
        faults = record.take_down()
        with contextlib.suppress(OSError):
            records.BASE.rmdir()
        if faults:
            raise Fault("\n".join(faults))

    def report(self):
        if self.record is None:
            return ""
        logs = sorted(self.record.folder.glob("*.log")) + sorted(self.record.folder.glob("nodes/*/*.log"))
        return "\n".join(f"--- {log}\n{tail(log, 12)}" for log in logs)

    wait_for = staticmethod(wait_for)

    def _command(self, command, check=True, seconds=60, input=None):
        try:
            done = subprocess.run(command, env=self.environment, timeout=seconds, capture_output=True, text=True,
                                  input=input, stdin=subprocess.DEVNULL if input is None else None, check=False,
                                  cwd=ROOT)
        except subprocess.TimeoutExpired as error:
            raise Fault(f"{command}: not within {seconds} s") from error
        if check and done.returncode != 0:
            raise Fault(f"{command}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def kubectl(self, *arguments, **more):
        return self._command([str(self.parts["kubernetes"] / "kubectl"), *map(str, arguments)], **more)

    def helm(self, *arguments, **more):
        return self._command([str(self.parts["helm"] / "helm"), *map(str, arguments)], **more)

    def shell(self, line, **more):
        """A line for bash, as a user types it: kubectl and helm are on its PATH and know this cluster."""
        return self._command(["bash", "-c", line], **more)

    def apply(self, manifest, *more):
        return self.kubectl("apply", "-f", "-", *more, input=manifest)

    def get(self, *arguments):
        done = self.kubectl("get", *arguments, "-o", "json", check=False)
        if done.returncode == 0:
            return json.loads(done.stdout)
        if "NotFound" in done.stderr:
            return None
        raise Fault(f"kubectl get {' '.join(arguments)}: {done.stderr}")

    def node(self, name):
        return self.get("node", name)

    def pod(self, namespace, name):
        return self.get("pod", "-n", namespace, name)

    def events(self, namespace="default"):
        return self.get("events", "-n", namespace)["items"]

    def is_ready(self, name):
        node = self.node(name)
        return node and any(condition["type"] == "Ready" and condition["status"] == "True"
                            for condition in node["status"].get("conditions", []))

    def allocatable(self, node, resource="nvidia.com/gpu"):
        """As the API object says; None where the node does not have the resource."""
        value = self.node(node)["status"].get("allocatable", {}).get(resource)
        return None if value is None else int(value)

    def run_pod(self, name, image=CUDA, command=("sleep", "infinity"), gpus=0, node=None, runtime=None, env=None,
                namespace="default", resource="nvidia.com/gpu", wait=True, seconds=60, **spec):
        """A pod of one container; returns when it runs (or has ended). `spec`: more of the pod's spec."""
        container = {"name": "c", "image": image, "command": list(command), "imagePullPolicy": "IfNotPresent",
                     "env": [{"name": key, "value": value} for key, value in (env or {}).items()]}
        if gpus:
            container["resources"] = {"limits": {resource: str(gpus)}}
        pod = {"terminationGracePeriodSeconds": 0, "containers": [container], "restartPolicy": "Never", **spec}
        if node:
            pod["nodeSelector"] = {"kubernetes.io/hostname": node}
        if runtime:
            pod["runtimeClassName"] = runtime
        self.apply(json.dumps({"apiVersion": "v1", "kind": "Pod",
                               "metadata": {"name": name, "namespace": namespace}, "spec": pod}))
        if wait:
            self.wait_pod(name, namespace, ("Running", "Succeeded", "Failed"), seconds)

    def wait_pod(self, name, namespace="default", phases=("Running",), seconds=60):
        def phase():
            pod = self.pod(namespace, name)
            return pod if pod and pod["status"].get("phase") in phases else None
        try:
            return wait_for(f"pod {name} is {' or '.join(phases)}", phase, seconds, 0.1)
        except Fault as fault:
            raise Fault(f"{fault}\n{self.kubectl('describe', 'pod', '-n', namespace, name, check=False).stdout}"
                        ) from None

    def delete_pod(self, *names, namespace="default"):
        self.kubectl("delete", "pod", "-n", namespace, *names, "--wait=true", "--timeout=60s")

    def exec(self, pod, *command, namespace="default", check=True):
        return self.kubectl("exec", "-n", namespace, pod, "--", *command, check=check)

    def logs(self, pod, *more, namespace="default"):
        return self.kubectl("logs", "-n", namespace, pod, *more).stdout

    def import_image(self, archive, nodes=None):
        for name in nodes or self.nodes:
            self.nodes[name].import_image(archive)

    def stop_apiserver(self):
        self.plane.stop_apiserver()

    def start_apiserver(self):
        self.plane.start_apiserver()


def scratch(prefix="tranche-cluster-"):
    """A folder for files of a test; removed with the object."""
    return tempfile.TemporaryDirectory(prefix=prefix)
