"""Our labels judged by the real Node Feature Discovery: as a feature file, as a NodeFeature object, and from
gpu-feature-discovery in the GPU operator's DaemonSet. What counts is what the Node objects then say."""

import contextlib
import json
import re
import time

import bed
import nfd
import operator_case
from bed import expect
from operator_case import LABEL
from seed_walk import CHART, NODES, Walk, apply
from traces import FEATURE_FILE, LabelTrace

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
              # The machine underneath has neither a name in its firmware's tables nor these GPUs on its PCI bus.
              "gpu.machine": "unknown", "gpu.mode": "unknown"}
    return {f"nvidia.com/{name}": value for name, value in values.items()}


def labels_of(metadata):
    return {key: value for key, value in metadata.get("labels", {}).items()
            if key.startswith(("nvidia.com/", "tranche.dev/")) and not NOT_OURS.match(key)}


class Lab:
    """The cluster, and what the cases ask of it again and again."""

    def __init__(self, cluster, folder):
        self.c, self.folder = cluster, folder

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

    def install(self, outlet):
        values = {"config": {"map": PROFILES, "default": "default"}, "labels": outlet, "runtimeClassName": "nvidia",
                  "nvidiaDriverRoot": DRIVER_ROOT}
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


def discovery_runs(lab):
    """It labels nodes with what it finds itself, and knows nothing of GPUs."""
    for node in NODES:
        lab.c.wait_for(f"labels of Node Feature Discovery's own on {node}", lambda node=node: own_of_nfd(lab, node), 60)
        expect(not lab.labels(node), f"{node} has GPU labels before there is anything of ours: {lab.labels(node)}")


def own_of_nfd(lab, node):
    return {key: value for key, value in lab.c.node(node)["metadata"]["labels"].items()
            if key.startswith("feature.node.kubernetes.io/")}


def whole_set_appears(lab):
    for node in NODES:
        lab.labelled(node, whole_set(node))


def profile_changes(lab, outlet):
    """Labels follow the node's own profile, other nodes keep theirs, and the time it takes is shown."""
    others = {node: lab.labels(node) for node in NODES[1:]}
    for name, replicas, renamed in (("dev", 8, False), ("renamed", 3, True), ("plain", 1, False), ("", 4, False)):
        with LabelTrace(lab.c, "gpu-node", "nvidia.com/gpu.replicas") as trace:
            began = time.monotonic() - trace.began
            lab.profile("gpu-node", name)
            lab.labelled("gpu-node", whole_set("gpu-node", replicas=replicas, renamed=renamed))
        print(f"    {outlet}, profile {name or 'by default'}: {trace.text(began)}", flush=True)
        expect(not trace.gaps(), f"the labels were gone on the way: {trace.changes}")
    expect({node: lab.labels(node) for node in others} == others, "another node's labels changed")


def missing_profile(lab):
    """Nothing changes, on either side."""
    before = lab.labels("gpu-node")
    lab.profile("gpu-node", "nobody-made-this")
    lab.c.wait_for("the event that says so", lambda: any(
        event["type"] == "Warning" and "nobody-made-this" in event["message"] for event in lab.c.events()), 60)
    time.sleep(2 * nfd.SLEEP_SECONDS + 2)  # long enough for it to be read and written, were it otherwise
    expect(lab.labels("gpu-node") == before, difference(before, lab.labels("gpu-node")))
    lab.agrees("gpu-node", before)
    lab.profile("gpu-node", "")


def hot_plug(lab):
    """A GPU that goes is unhealthy at first, and still counted on both sides; the next agent knows nothing of it.
    One that comes has no device node in a container that runs: it is the next agent's too, as with NVIDIA's."""
    node, full, single = lab.c.nodes["gpu-node"], whole_set("gpu-node"), whole_set("gpu-node", count=1)
    node.sim("unplug", "1")
    lab.becomes("allocatable without the GPU that went", 4, lambda: lab.c.allocatable("gpu-node"))
    status = lab.c.node("gpu-node")["status"]
    expect(status["capacity"]["nvidia.com/gpu"] == "8", f"capacity: {status['capacity']}")
    lab.becomes("the labels", full, lambda: without_time(lab.labels("gpu-node")))
    for command, labels in (((), single), (("plug", MODELS["gpu-node"]), full)):
        if command:
            node.sim(*command)
        lab.replace_agent("gpu-node")
        lab.labelled("gpu-node", labels)


def rolled_through(lab):
    """Each agent is replaced, and at no time does a node lack its labels; the time of the start is the new one's."""
    key = "nvidia.com/gfd.timestamp"
    before = {node: lab.labels(node)[key] for node in NODES}
    with contextlib.ExitStack() as stack:
        traces = [stack.enter_context(LabelTrace(lab.c, node, "nvidia.com/gpu.count")) for node in NODES]
        lab.c.kubectl("-n", NAMESPACE, "rollout", "restart", f"daemonset/{DAEMONSET}")
        lab.rolled()
        for node in NODES:
            lab.c.wait_for(f"{node}: the new agent's time", lambda node=node: int(lab.labels(node).get(key, 0)) >
                           int(before[node]), LIMIT_SECONDS)
            lab.labelled(node, whole_set(node))
    expect(not any(trace.gaps() for trace in traces), f"gone on the way: {[trace.changes for trace in traces]}")


# ---- the feature file ----

def file_of(lab, node):
    done = lab.c.nodes[node].run("cat", f"{FEATURES}/gfd", check=False)
    return dict(line.split("=", 1) for line in done.stdout.splitlines()) if done.returncode == 0 else None


def files_of(lab, node):
    return lab.c.nodes[node].run("ls", "-A", FEATURES).stdout.split()


def file_says_the_same(lab):
    """The worker takes all of the file over, and is no reason for one label more."""
    for node in NODES:
        written = file_of(lab, node)
        expect(written and written == lab.labels(node), f"{node}: {difference(written or {}, lab.labels(node))}")
        expect(files_of(lab, node) == ["gfd"], f"{node}: {files_of(lab, node)}")


def file_goes(lab):
    """After the uninstall no label of ours is left, what others put there is."""
    lab.c.kubectl("label", "node", "gpu-node", "nvidia.com/gpu.deploy.by-somebody=true")
    lab.uninstall()
    for node in NODES:
        lab.becomes(f"files of {node}", [], lambda node=node: files_of(lab, node))
        lab.labelled(node, {})
        expect(own_of_nfd(lab, node), f"{node} lost Node Feature Discovery's own labels")
    expect("nvidia.com/gpu.deploy.by-somebody" in lab.c.node("gpu-node")["metadata"]["labels"],
           "a label of somebody else's is gone")
    lab.c.kubectl("label", "node", "gpu-node", "nvidia.com/gpu.deploy.by-somebody-")


# ---- the NodeFeature object ----

def object_of(lab, node, namespace=NAMESPACE):
    return lab.c.get("nodefeature", "-n", namespace, f"nvidia-features-for-{node}")


def object_is_upstreams(lab):
    """In the agent's namespace, with the label that names the node, owned by the DaemonSet and the pod."""
    everywhere = lab.c.get("nodefeatures", "-A")["items"]
    ours = [item["metadata"] for item in everywhere if item["metadata"]["name"].startswith("nvidia-features-for-")]
    expect({(item["namespace"], item["name"]) for item in ours} ==
           {(NAMESPACE, f"nvidia-features-for-{node}") for node in NODES}, f"NodeFeatures: {ours}")
    daemonset = lab.c.get("daemonset", "-n", NAMESPACE, DAEMONSET)["metadata"]
    for node in NODES:
        found, pod = object_of(lab, node), lab.agent_pod(node)
        metadata = found["metadata"]
        expect(metadata["labels"] == {"nfd.node.kubernetes.io/node-name": node}, str(metadata["labels"]))
        owners = [{"apiVersion": "apps/v1", "kind": "DaemonSet", "name": DAEMONSET, "uid": daemonset["uid"],
                   "controller": True}, {"apiVersion": "v1", "kind": "Pod", "name": pod["name"], "uid": pod["uid"]}]
        expect(metadata["ownerReferences"] == owners, f"{metadata['ownerReferences']}\nnot {owners}")
        expect(found["spec"]["labels"] == lab.labels(node), difference(found["spec"]["labels"], lab.labels(node)))


def pod_is_replaced(lab):
    """The object outlives a pod, as it is the DaemonSet's too; the next pod makes it its own."""
    uid = object_of(lab, "gpu-node")["metadata"]["uid"]
    with LabelTrace(lab.c, "gpu-node", "nvidia.com/gpu.count") as trace:
        new = lab.replace_agent("gpu-node")
        lab.c.wait_for("the object is the new pod's", lambda: new["uid"] in [
            owner["uid"] for owner in object_of(lab, "gpu-node")["metadata"]["ownerReferences"]], LIMIT_SECONDS)
        lab.labelled("gpu-node", whole_set("gpu-node"))
    expect(not trace.gaps(), f"the labels were gone on the way: {trace.changes}")
    expect(object_of(lab, "gpu-node")["metadata"]["uid"] == uid, "it is another object")


def put_right(lab):
    """Changed or deleted by somebody, the object is as it should be again."""
    lab.c.kubectl("-n", NAMESPACE, "patch", "nodefeature", "nvidia-features-for-gpu-node", "--type=merge", "-p",
                  '{"spec": {"labels": {"nvidia.com/gpu.count": "99"}}}')
    lab.labelled("gpu-node", whole_set("gpu-node"))
    expect(object_of(lab, "gpu-node")["spec"]["labels"]["nvidia.com/gpu.count"] == "2", "the object is left wrong")
    lab.c.kubectl("-n", NAMESPACE, "delete", "nodefeature", "nvidia-features-for-gpu-node")
    lab.c.wait_for("the object is back", lambda: object_of(lab, "gpu-node"), 60)
    lab.labelled("gpu-node", whole_set("gpu-node"))


def object_goes(lab):
    """With the DaemonSet and its last pod Kubernetes takes the object away, and Node Feature Discovery the labels."""
    lab.uninstall()
    for node in NODES:
        lab.c.wait_for(f"the NodeFeature of {node} is gone", lambda node=node: object_of(lab, node) is None, 90)
        lab.labelled(node, {})
        expect(own_of_nfd(lab, node), f"{node} lost Node Feature Discovery's own labels")


# ---- the GPU operator's DaemonSets ----

def operator_labels(lab, image):
    """From what operator_case renders, with our image in both: GFD_USE_NODE_FEATURE_API is upstream's default."""
    walk = lab.walk
    apply(walk, operator_case.plugin(image), operator_case.discovery(image))
    for name in (operator_case.PLUGIN, operator_case.GFD):
        lab.c.kubectl("-n", operator_case.NAMESPACE, "rollout", "status", f"daemonset/{name}", "--timeout=170s",
                      seconds=180)
    for node in NODES:
        lab.labelled(node, operator_set(node, 8 if node == "dev-gpu-node" else 4))
        found = object_of(lab, node, operator_case.NAMESPACE)["metadata"]
        kinds = [(owner["kind"], owner.get("controller", False)) for owner in found["ownerReferences"]]
        expect(kinds == [("DaemonSet", True), ("Pod", False)], f"owners: {kinds}")


def operator_set(node, replicas):
    """The operator asks for MIG strategy single."""
    return {**whole_set(node, replicas=replicas), "nvidia.com/mig.strategy": "single"}


def operator_profile(lab):
    with LabelTrace(lab.c, "gpu-node", "nvidia.com/gpu.replicas") as trace:
        began = time.monotonic() - trace.began
        lab.profile("gpu-node", "dev")
        lab.labelled("gpu-node", operator_set("gpu-node", 8))
    print(f"    the operator's DaemonSets, profile dev: {trace.text(began)}", flush=True)
    expect(not trace.gaps(), f"the labels were gone on the way: {trace.changes}")


def operator_edit(lab):
    """An edit of the ConfigMap reaches labels and capacity alike (upstream's come to disagree)."""
    lab.c.kubectl("-n", operator_case.NAMESPACE, "patch", "configmap", "device-plugin-config", "--type", "merge",
                  "-p", json.dumps({"data": {"default": profile(5)}}))
    # The kubelet's own delay: it brings a ConfigMap's edit into a pod within a minute or so.
    lab.becomes("the label of train-gpu-node", "5",
                lambda: lab.labels("train-gpu-node").get("nvidia.com/gpu.replicas"), 180)
    lab.labelled("train-gpu-node", operator_set("train-gpu-node", 5))


def operator_goes(lab):
    for name in (operator_case.PLUGIN, operator_case.GFD):
        lab.c.kubectl("-n", operator_case.NAMESPACE, "delete", "daemonset", name, "--wait", seconds=120)
    for node in NODES:
        lab.labelled(node, {})


def file_cases(run, lab):
    lab.install("nfd-file")
    run("feature file: every node gets the whole set of labels, with right values", whole_set_appears, lab)
    run("and nothing but what is in the file", file_says_the_same, lab)
    run("feature file: labels and capacity follow the profile", profile_changes, lab, "nfd-file")
    run("feature file: a missing profile changes neither", missing_profile, lab)
    run("feature file: no label is lost while agents are replaced", rolled_through, lab)
    run("feature file: an uninstall takes file and labels away", file_goes, lab)


def object_cases(run, lab):
    lab.install("node-feature")
    run("NodeFeature: every node gets the whole set of labels, with right values", whole_set_appears, lab)
    run("NodeFeature: the object is where and whose upstream's would be", object_is_upstreams, lab)
    run("NodeFeature: labels and capacity follow the profile", profile_changes, lab, "node-feature")
    run("NodeFeature: labels and capacity follow hot-plug", hot_plug, lab)
    run("NodeFeature: it outlives its pod", pod_is_replaced, lab)
    run("NodeFeature: no label is lost while agents are replaced", rolled_through, lab)
    run("NodeFeature: what others do to it is put right", put_right, lab)
    run("NodeFeature: object and labels go with the DaemonSet", object_goes, lab)


def operator_cases(run, lab):
    lab.walk = Walk(lab.c, run, lab.folder)
    operator_case.set_up(lab.walk)
    image = f"docker.io/tranche/tranche:{operator_case.CHART_VERSION}"
    run("operator: gpu-feature-discovery labels every node by its profile", operator_labels, lab, image)
    run("operator: labels and capacity follow the profile", operator_profile, lab)
    run("operator: labels and capacity follow an edit of the ConfigMap", operator_edit, lab)
    run("operator: the labels go with the DaemonSets", operator_goes, lab)


def cases(run):
    archive = bed.product_image()
    with bed.scratch() as folder, bed.Cluster(driver_root=DRIVER_ROOT, models=MODELS,
                                              parts=bed.programs(seed_only=False)) as cluster:
        cluster.import_image(archive)
        nfd.install(cluster, folder)
        lab = Lab(cluster, folder)
        run("Node Feature Discovery runs, and knows nothing of GPUs", discovery_runs, lab)
        file_cases(run, lab)
        object_cases(run, lab)
        operator_cases(run, lab)
