"""Our labels judged by the real Node Feature Discovery: as a feature file, as a NodeFeature object, and from
gpu-feature-discovery in the GPU operator's DaemonSet. What counts is what the Node objects then say."""

import contextlib
import json
import time

import bed
from bed import expect, nfd
from bed.traces import LabelTrace
from suites import gpu_operator
from suites.lab import (DAEMONSET, DRIVER_ROOT, FEATURES, LIMIT_SECONDS, MODELS, NAMESPACE, Lab, difference, profile,
                        without_time)
from suites.walk import NODES, Walk


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
        lab.whole(node)


def profile_changes(lab, outlet):
    """Labels follow the node's own profile, other nodes keep theirs, and the time it takes is shown."""
    others = {node: lab.labels(node) for node in NODES[1:]}
    for name, replicas, renamed in (("dev", 8, False), ("renamed", 3, True), ("plain", 1, False), ("", 4, False)):
        with LabelTrace(lab.c, "gpu-node", "nvidia.com/gpu.replicas") as trace:
            began = time.monotonic() - trace.began
            lab.profile("gpu-node", name)
            lab.whole("gpu-node", replicas=replicas, renamed=renamed)
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
    node, before = lab.c.nodes["gpu-node"], without_time(lab.labels("gpu-node"))
    node.sim("unplug", "1")
    lab.becomes("allocatable without the GPU that went", 4, lambda: lab.c.allocatable("gpu-node"))
    status = lab.c.node("gpu-node")["status"]
    expect(status["capacity"]["nvidia.com/gpu"] == "8", f"capacity: {status['capacity']}")
    expect(without_time(lab.labels("gpu-node")) == before, "the labels changed")
    lab.replace_agent("gpu-node")
    lab.whole("gpu-node", count=1)
    node.sim("plug", MODELS["gpu-node"])
    lab.replace_agent("gpu-node")
    lab.whole("gpu-node")


# Of an H100's 3g.40gb, by hand.
INSTANCE = {"count": "2", "replicas": "1", "sharing-strategy": "none", "memory": "40320", "multiprocessors": "60",
            "product": "NVIDIA-H100-80GB-HBM3-MIG-3g.40gb", "slices.gi": "3", "slices.ci": "3", "engines.copy": "3",
            "engines.decoder": "3", "engines.encoder": "0", "engines.jpeg": "3", "engines.ofa": "0"}


def mig_change(lab):
    """A GPU is cut while the agent runs: labels and count of the instances come, and go with them."""
    node, resource = "dev-gpu-node", "nvidia.com/mig-3g.40gb"
    wanted = {f"{resource}.{name}": value for name, value in INSTANCE.items()}
    with LabelTrace(lab.c, node, f"{resource}.count", resource) as trace:
        began = time.monotonic() - trace.began
        lab.c.nodes[node].sim("mig", "0", "3g.40gb*2")
        lab.becomes("the labels of the instances", wanted, lambda: {
            key: value for key, value in lab.labels(node).items() if key.startswith(resource)})
        lab.becomes("allocatable instances", 2, lambda: lab.c.allocatable(node, resource))
    print(f"    a GPU is cut by MIG: {trace.text(began)}", flush=True)
    lab.c.nodes[node].sim("mig", "0", "off")
    lab.whole(node)


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
            lab.whole(node)
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
        lab.whole("gpu-node")
    expect(not trace.gaps(), f"the labels were gone on the way: {trace.changes}")
    expect(object_of(lab, "gpu-node")["metadata"]["uid"] == uid, "it is another object")


def put_right(lab):
    """Changed or deleted by somebody, the object is as it should be again, and the node with it."""
    name = "nvidia-features-for-gpu-node"
    lab.c.kubectl("-n", NAMESPACE, "patch", "nodefeature", name, "--type=merge", "-p",
                  '{"spec": {"labels": {"nvidia.com/gpu.count": "99"}}}')
    lab.becomes("the object's count", "2",
                lambda: object_of(lab, "gpu-node")["spec"]["labels"]["nvidia.com/gpu.count"])
    lab.whole("gpu-node")
    uid = object_of(lab, "gpu-node")["metadata"]["uid"]
    lab.c.kubectl("-n", NAMESPACE, "delete", "nodefeature", name)
    lab.c.wait_for("another object", lambda: (object_of(lab, "gpu-node") or {"metadata": {"uid": uid}})
                   ["metadata"]["uid"] != uid, LIMIT_SECONDS)
    lab.whole("gpu-node")


def object_goes(lab):
    """With the DaemonSet and its last pod Kubernetes takes the object away, and Node Feature Discovery the labels."""
    lab.uninstall()
    for node in NODES:
        lab.c.wait_for(f"the NodeFeature of {node} is gone", lambda node=node: object_of(lab, node) is None, 90)
        lab.labelled(node, {})
        expect(own_of_nfd(lab, node), f"{node} lost Node Feature Discovery's own labels")


# ---- the GPU operator's DaemonSets ----

def operator_labels(lab, image):
    """From what gpu_operator renders, with our image in both: the NodeFeature API is the default, as upstream's."""
    for what in (gpu_operator.plugin(image), gpu_operator.discovery(image)):
        lab.c.apply(json.dumps(what))
    for name in (gpu_operator.PLUGIN, gpu_operator.GFD):
        lab.c.kubectl("-n", gpu_operator.NAMESPACE, "rollout", "status", f"daemonset/{name}", "--timeout=170s",
                      seconds=180)
    for node in NODES:
        lab.whole(node, replicas=8 if node == "dev-gpu-node" else 4)
        found = object_of(lab, node, gpu_operator.NAMESPACE)["metadata"]
        kinds = [(owner["kind"], owner.get("controller", False)) for owner in found["ownerReferences"]]
        expect(kinds == [("DaemonSet", True), ("Pod", False)], f"owners: {kinds}")


def operator_profile(lab):
    with LabelTrace(lab.c, "gpu-node", "nvidia.com/gpu.replicas") as trace:
        began = time.monotonic() - trace.began
        lab.profile("gpu-node", "dev")
        lab.whole("gpu-node", replicas=8)
    print(f"    the operator's DaemonSets, profile dev: {trace.text(began)}", flush=True)
    expect(not trace.gaps(), f"the labels were gone on the way: {trace.changes}")


def operator_edit(lab):
    """An edit of the ConfigMap reaches labels and capacity alike (upstream's come to disagree)."""
    lab.c.kubectl("-n", gpu_operator.NAMESPACE, "patch", "configmap", "device-plugin-config", "--type", "merge",
                  "-p", json.dumps({"data": {"default": profile(5)}}))
    # The kubelet's own delay: it brings a ConfigMap's edit into a pod within a minute or so.
    lab.becomes("the label of train-gpu-node", "5",
                lambda: lab.labels("train-gpu-node").get("nvidia.com/gpu.replicas"), 180)
    lab.whole("train-gpu-node", replicas=5)


def operator_goes(lab):
    for name in (gpu_operator.PLUGIN, gpu_operator.GFD):
        lab.c.kubectl("-n", gpu_operator.NAMESPACE, "delete", "daemonset", name, "--wait", seconds=120)
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
    lab.install("node-feature", "mixed")
    run("NodeFeature: every node gets the whole set of labels, with right values", whole_set_appears, lab)
    run("NodeFeature: the object is where and whose upstream's would be", object_is_upstreams, lab)
    run("NodeFeature: labels and capacity follow the profile", profile_changes, lab, "node-feature")
    run("NodeFeature: labels and capacity follow hot-plug", hot_plug, lab)
    run("NodeFeature: labels and capacity follow a change of MIG", mig_change, lab)
    run("NodeFeature: it outlives its pod", pod_is_replaced, lab)
    run("NodeFeature: no label is lost while agents are replaced", rolled_through, lab)
    run("NodeFeature: what others do to it is put right", put_right, lab)
    run("NodeFeature: object and labels go with the DaemonSet", object_goes, lab)


def operator_cases(run, lab, folder):
    gpu_operator.set_up(Walk(lab.c, run, folder))
    # What the operator asks for; and its DaemonSet has the node's own /sys.
    lab.more = {"nvidia.com/mig.strategy": "single", "nvidia.com/gpu.mode": "compute"}
    image = f"docker.io/tranche/tranche:{gpu_operator.CHART_VERSION}"
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
        lab = Lab(cluster)
        run("Node Feature Discovery runs, and knows nothing of GPUs", discovery_runs, lab)
        file_cases(run, lab)
        object_cases(run, lab)
        operator_cases(run, lab, folder)
