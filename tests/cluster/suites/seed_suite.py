"""The seed document walked on the real cluster, each command as it is written there.

Two passes, one for each side of the document's "Or": its Helm install, and its patch of a ClusterPolicy.
Then its troubles section. Only names of images and charts are the project's own: the folder the commands
run in holds a chart called nvidia/gpu-operator. Between the set-up and the end of a pass nothing is done
to the cluster but what the document does.
"""

import shutil
import time

import bed
from bed.traces import AllocatableTrace, ManagerTrace, PodTrace
from suites.walk import COUNT, HELM_INSTALL, LABEL_DEV, LABEL_TRAIN, NODES, PODS, SEED, Walk, apply, pod, refused

CRD = bed.ROOT / "deploy/manifests/clusterpolicy-crd.yaml"
# The kubelet tells the API server of a new count at its next status update (nodeStatusUpdateFrequency).
STATUS_PERIOD_SECONDS = 10

PATCH = """kubectl patch clusterpolicy cluster-policy \\
--type merge \\
-p '{"spec":{"devicePlugin":{"config":{"name":"device-plugin-config","default":"default"}}}}'"""
DELETE_PLUGIN = "kubectl -n gpu-operator delete pods -l app=nvidia-device-plugin-daemonset"
COUNTS = """kubectl get nodes -o json | jq '.items[].status.allocatable["nvidia.com/gpu"]'"""


def set_up(walk):
    print("-- set-up: three nodes without a label of ours or of NFD's, the namespace gpu-operator")
    cluster = walk.cluster
    cluster.kubectl("create", "namespace", "gpu-operator", check=False)
    for node in walk.get("nodes")["items"]:
        labels = [label for label in node["metadata"]["labels"] if "nvidia.com" in label or "nfd" in label]
        walk.check(f"{node['metadata']['name']} has no label of ours", not labels, labels)


def clear(walk):
    """Back to the set-up: what a pass has made is taken away."""
    print("-- clearing away")
    cluster = walk.cluster
    cluster.kubectl("delete", "pods", "--all", "--force", "--grace-period=0", check=False)
    walk.line("helm uninstall gpu-operator -n gpu-operator --wait", check=False)
    cluster.kubectl("-n", "gpu-operator", "wait", "--for=delete", "pod", "-l", "app=nvidia-device-plugin-daemonset",
                    "--timeout=50s")
    cluster.kubectl("delete", "-f", str(CRD), "--ignore-not-found")
    cluster.kubectl("-n", "gpu-operator", "delete", "configmap", "device-plugin-config", "--ignore-not-found")
    for node in NODES:
        cluster.kubectl("label", "node", node, "nvidia.com/device-plugin.config-", check=False)
        cluster.nodes[node].run("rm", "-rf", "/var/lib/kubelet/device-plugins/tranche", "/run/tranche")


def profiles(walk):
    """Step 3: labels, the profile that is added, and what the nodes advertise."""
    with ManagerTrace(walk.cluster.nodes["dev-gpu-node"]) as manager, AllocatableTrace(walk.cluster) as trace:
        asked = time.monotonic()
        walk.sh(LABEL_DEV)
        walk.count_becomes("dev-gpu-node", 16)
        # The trace looks for itself, a moment later.
        walk.cluster.wait_for("the trace has seen it",
                              lambda: any(count == 16 for _, count in trace.changes.get("dev-gpu-node", [])), 10, 0.1)
        held = [began for began, count in manager.changes if count == 16]
        shown = [at for at, count in trace.changes.get("dev-gpu-node", []) if count == 16]
        walk.check("label to count", held and shown,
                   f"kubectl label, begun: kubelet's device manager {1000 * (manager.began + held[0] - asked):.0f} ms, "
                   f"API object {trace.began + shown[0] - asked:.1f} s" if held and shown else manager.changes)
    walk.sh(LABEL_TRAIN)
    walk.until("a missing profile is an event on its node",
               lambda: any(event["involvedObject"]["name"] == "train-gpu-node" and "no-sharing" in event["message"]
                           for event in walk.get("events", "-A")["items"] if event["type"] == "Warning"))
    walk.check("and kubectl shows it", "ConfigRejected" in walk.sh("kubectl describe node train-gpu-node"))
    walk.check("meanwhile the last good config stays", walk.count("train-gpu-node") == 8)
    shutil.copy(SEED / "02-no-sharing.yaml", walk.folder / "no-sharing.yaml")
    walk.sh("kubectl -n gpu-operator patch configmap device-plugin-config --type merge --patch-file no-sharing.yaml")
    walk.count_becomes("train-gpu-node", 2)


def verify(walk):
    """Step 4: the counts, four pods that share, and the request for two that is refused."""
    walk.check("gpu-node shows 8", walk.sh(COUNT.format("gpu-node")).strip() == '"8"')
    with PodTrace(walk.cluster) as pods:
        walk.sh(PODS)
        names = [f"gpu-test-{i}" for i in range(1, 5)]
        if walk.pods_run(names):
            walk.check("four pods are Running", True)
    walk.sh("kubectl get pods -o wide")
    # One status period and what it takes to start; three, since a busy machine is no fault of the plugin's.
    walk.check("no pod was Pending for long after the count was told",
               max(pods.pending.values(), default=0) <= 3 * STATUS_PERIOD_SECONDS, pods.pending)
    shown = {name: walk.gpus_of(name) for name in names}
    walk.check("each sees one GPU, by the driver in it", all(len(gpus) == 1 for gpus in shown.values()), shown)
    where = {name: walk.get("pod", name)["spec"]["nodeName"] for name in names}
    for node in set(where.values()):
        here = [shown[name][0] for name in names if where[name] == node and shown[name]]
        counts = sorted(here.count(gpu) for gpu in set(here)) + [0] * (2 - len(set(here)))
        walk.check(f"{node}: evenly over its two GPUs", max(counts) - min(counts) <= 1, here)
    refused(walk)


def restart_as_told(walk):
    """The document restarts the plugin after a change; here nothing needs it, and nothing is lost by it."""
    before = {name: walk.get("pod", name)["metadata"]["uid"] for name in ("gpu-test-1", "gpu-test-4")}
    with AllocatableTrace(walk.cluster) as trace:
        walk.sh(DELETE_PLUGIN)
        walk.plugin_ready()
        time.sleep(STATUS_PERIOD_SECONDS + 2)
    walk.check("allocatable is never 0 while the plugin's pods are replaced", not trace.dips(),
               f"{trace.looks} looks; {trace.text()}")
    counts = sorted(line.strip('"') for line in walk.sh(COUNTS).split())
    walk.check("and is as it was", counts == ["16", "2", "8"], counts)
    after = {name: walk.get("pod", name) for name in before}
    walk.check("running pods did not notice",
               all(after[name]["metadata"]["uid"] == uid and after[name]["status"]["phase"] == "Running" and
                   after[name]["status"]["containerStatuses"][0]["restartCount"] == 0
                   for name, uid in before.items()))


def helm_pass(walk):
    print("-- pass 1: the document's Helm install")
    with AllocatableTrace(walk.cluster) as trace:
        walk.sh("kubectl apply -f gpu-time-slicing-config.yaml")
        walk.sh(HELM_INSTALL)
        walk.plugin_ready()
        for node in NODES:
            walk.count_becomes(node, 8)
        profiles(walk)
        verify(walk)
    walk.check("allocatable was never 0 on the way", not trace.dips(), f"{trace.looks} looks; {trace.text()}")
    restart_as_told(walk)


def policy_pass(walk):
    print("-- pass 2: the document's patch of the ClusterPolicy; a chart without a config, an empty policy")
    walk.cluster.kubectl("apply", "-f", str(CRD))
    walk.cluster.kubectl("wait", "--for=condition=Established", "crd/clusterpolicies.nvidia.com", "--timeout=30s")
    apply(walk, {"apiVersion": "nvidia.com/v1", "kind": "ClusterPolicy", "metadata": {"name": "cluster-policy"},
                 "spec": {}})
    walk.line("helm install gpu-operator nvidia/gpu-operator -n gpu-operator --set clusterPolicy.enabled=true")
    walk.plugin_ready()
    with AllocatableTrace(walk.cluster) as trace:
        walk.count_becomes("gpu-node", 2)
        walk.sh("kubectl apply -f gpu-time-slicing-config.yaml")
        walk.sh(PATCH)
        walk.count_becomes("gpu-node", 8)
        profiles(walk)
        verify(walk)
    walk.check("allocatable was never 0 on the way", not trace.dips(), f"{trace.looks} looks; {trace.text()}")


def one_node(walk):
    """Two and two on a node with two GPUs, four on one where only one is left: the other nodes take no pods."""
    print("-- four pods on one node")
    cluster = walk.cluster
    cluster.kubectl("delete", "pods", "--all", "--force", "--grace-period=0", check=False)
    for gpus, node in ((2, "gpu-node"), (1, "dev-gpu-node")):
        cluster.kubectl("cordon", *[other for other in NODES if other != node])
        walk.until(f"{node} is served", lambda: walk.count(node) > 0)
        of_two = walk.count(node)
        if gpus == 1:
            cluster.nodes[node].sim("unplug", "1")
        # Until the kubelet knows, a pod may still be given the one that is gone.
        walk.until(f"{node} has {gpus} of them", lambda: walk.count(node) == of_two * gpus // 2)
        walk.sh(PODS)
        names = [f"gpu-test-{i}" for i in range(1, 5)]
        if walk.pods_run(names):
            shown = [gpu for name in names for gpu in walk.gpus_of(name)]
            counts = sorted(shown.count(gpu) for gpu in set(shown))
            walk.check(f"{node}: four pods on {gpus} GPU(s)", counts == ([2, 2] if gpus == 2 else [4]), shown)
        cluster.kubectl("delete", "pods", "--all", "--force", "--grace-period=0", check=False)
        cluster.kubectl("uncordon", *NODES)


def troubles(walk):
    """The pod of the troubles section: NVIDIA_VISIBLE_DEVICES=all in its own environment."""
    print("-- troubles: the document's environment, with each way of giving a pod its device")
    env = [{"name": "NVIDIA_VISIBLE_DEVICES", "value": "all"},
           {"name": "CUDA_MPS_ACTIVE_THREAD_PERCENTAGE", "value": "25"}]
    apply(walk, {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": "runc"}, "handler": "runc"})
    for strategy, runtime, wanted in (("envvar", "nvidia", 2), ("cdi-cri", "runc", 1), ("cdi-annotations", "runc", 1)):
        walk.line("helm upgrade gpu-operator nvidia/gpu-operator -n gpu-operator --reuse-values "
                  f"--set deviceListStrategy={strategy}")
        walk.plugin_ready()
        name = f"all-{strategy}"
        apply(walk, pod(name, 1, "gpu-node", env, runtimeClassName=runtime))
        if walk.pods_run([name]):
            shown = walk.gpus_of(name)
            walk.check(f"{strategy}: the pod sees {wanted} of the node's 2 GPUs", len(shown) == wanted, shown)
        walk.cluster.kubectl("delete", "pod", name, "--force", "--grace-period=0")


def cases(run):
    archive = bed.product_image()
    with bed.scratch() as folder, bed.Cluster(default_runtime="nvidia") as cluster:
        cluster.import_image(archive)
        walk = Walk(cluster, run, folder)
        set_up(walk)
        helm_pass(walk)
        clear(walk)
        policy_pass(walk)
        one_node(walk)
        troubles(walk)
        clear(walk)
