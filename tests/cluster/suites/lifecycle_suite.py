"""The product's life on a cluster: installed by Helm and by kubectl, upgraded, rolled back, its nodes rebooted,
taken away, cleaned up after; and what running pods notice of it, which is nothing.

Three pods were given a GPU by one strategy each, and their containers are ended after each step: what comes
back must have the same GPU. Two nodes have GPUs, one has no driver.
"""

import json
import pathlib
import time

import bed
from bed import expect
from bed.traces import AllocatableTrace
from suites.life import (CHART, DAEMONSET, GPU_NODES, NAMESPACE, NEXT, PLAIN, RELEASE, VERSION, Life, Snapshot,
                         next_image, rolled)

MANIFESTS = bed.ROOT / "deploy/manifests/tranche.yaml"
UPSTREAM_VALUES = bed.ROOT / "tests/deploy/upstream-values.yaml"


def upstreams_values(life):
    """NVIDIA's values file as it stands; its affinity wants labels that only one node is given."""
    cluster = life.cluster
    cluster.kubectl("label", "node", "gpu-node", "nvidia.com/gpu.present=true")
    life.helm("install", RELEASE, CHART, "--values", UPSTREAM_VALUES, "--wait", "--timeout", "120s")
    life.counts(2, ("gpu-node",))
    expect(set(life.agents()) == {"gpu-node"}, f"agents on {sorted(life.agents())}")
    expect(not cluster.allocatable("dev-gpu-node"), "dev-gpu-node is served against the affinity given")
    cluster.kubectl("label", "node", "gpu-node", "nvidia.com/gpu.present-")
    life.helm("uninstall", RELEASE, "--wait")
    life.gone()


def plain_manifests(life):
    cluster = life.cluster
    cluster.kubectl("apply", "-f", MANIFESTS)
    cluster.kubectl("rollout", "status", "-n", "tranche", f"daemonset/{DAEMONSET}", "--timeout=120s", seconds=130)
    life.counts(2)
    cluster.kubectl("label", "node", "gpu-node", "nvidia.com/device-plugin.config=shared")
    life.counts(8, ("gpu-node",))
    cluster.kubectl("label", "node", "gpu-node", "nvidia.com/device-plugin.config-")
    cluster.kubectl("delete", "-f", MANIFESTS, "--timeout=100s", seconds=120)
    life.gone("tranche")


def labels_alone(life):
    """gfd.enabled without the plugin: nodes are labelled, by their profiles, and nothing is advertised."""
    cluster = life.cluster
    life.helm("install", RELEASE, CHART, "--values", life.values(4, gfd={"enabled": True}, labels="node",
              devicePlugin={"enabled": False}), "--wait", "--timeout", "120s")

    def replicas(node):
        return cluster.node(node)["metadata"]["labels"].get("nvidia.com/gpu.replicas")
    for node in GPU_NODES:
        cluster.wait_for(f"{node} is labelled", lambda node=node: replicas(node) == "4", 60)
    cluster.kubectl("label", "node", "gpu-node", "nvidia.com/device-plugin.config=other")
    began = time.monotonic()
    cluster.wait_for("the labels follow the profile", lambda: replicas("gpu-node") == "5", 60)
    print(f"    labels follow a profile after {time.monotonic() - began:.1f} s")
    labels = cluster.node("gpu-node")["metadata"]["labels"]
    expect(labels["nvidia.com/gpu.count"] == "2" and labels["nvidia.com/gpu.product"].endswith("-SHARED"), labels)
    expect(not any(cluster.allocatable(node) for node in cluster.nodes), "GPUs are advertised without a plugin")
    pods = {pod["spec"]["nodeName"]: pod["status"]["containerStatuses"] for pod in
            cluster.get("pods", "-n", NAMESPACE, "-l", "app=gpu-feature-discovery")["items"]}
    expect(set(pods) == set(cluster.nodes), f"it runs on {sorted(pods)}")
    expect(all(one["ready"] and one["restartCount"] == 0 for status in pods.values() for one in status), pods)
    life.helm("uninstall", RELEASE, "--wait")
    for node in cluster.nodes:
        ours = [key + "-" for key in cluster.node(node)["metadata"]["labels"]
                if key.startswith(("nvidia.com/", "tranche.dev/"))]
        if ours:
            cluster.kubectl("label", "node", node, *ours)


def install(life):
    """No label of ours or NFD's on any node: every node has an agent, every GPU is served."""
    cluster = life.cluster
    life.cluster.helm("lint", "--strict", CHART, "--values", life.values(4))
    began = time.monotonic()
    life.helm("install", RELEASE, CHART, "--values", life.values(4), "--wait", "--timeout", "180s")
    ready = time.monotonic() - began
    life.counts(8)
    print(f"    agents Ready after {ready:.1f} s, counts shown after {time.monotonic() - began:.1f} s")
    expect(set(life.agents()) == {*GPU_NODES, PLAIN}, f"agents on {sorted(life.agents())}")
    life.versions(VERSION)
    labels = [key for node in cluster.get("nodes")["items"] for key in node["metadata"]["labels"] if "nvidia" in key]
    expect(not labels, f"nodes have labels: {labels}")


def idles_without_a_driver(life):
    """It registers nothing, is Ready, and stays: no crash loop in all the time the other cases took."""
    cluster = life.cluster
    pod = cluster.pod(NAMESPACE, life.agents()[PLAIN])
    status = pod["status"]["containerStatuses"][0]
    expect(status["ready"] and status["restartCount"] == 0, f"the agent without a driver: {json.dumps(status)}")
    expect(cluster.allocatable(PLAIN) is None, "a node without a driver has a GPU resource")
    log = cluster.logs(pod["metadata"]["name"], namespace=NAMESPACE)
    expect("DriverNotReady" in log and "registered with the kubelet" not in log, f"its log: {log}")


def owned_pods(life):
    return life.cluster.get("pods", "-l", "app=owned")["items"]


def works(life, pod):
    """The start of its container, by which two are told apart; None where it does not run."""
    for status in pod["status"].get("containerStatuses", []):
        if "running" in status["state"] and life.gpus(pod["metadata"]["name"]):
            return status["state"]["running"]["startedAt"]
    return None


def reboots(life):
    """The kubelet admits pods again before any plugin can have registered, and refuses those with GPUs; their
    owner makes others. That is the kubelet's way with every plugin; what must hold is that GPU work comes back."""
    cluster, node = life.cluster, "dev-gpu-node"
    template = {"metadata": {"labels": {"app": "owned"}}, "spec": {
        "runtimeClassName": "nvidia", "terminationGracePeriodSeconds": 0,
        "nodeSelector": {"kubernetes.io/hostname": node},
        "containers": [{"name": "c", "image": bed.CUDA, "command": ["sleep", "infinity"],
                        "resources": {"limits": {"nvidia.com/gpu": "1"}}}]}}
    cluster.apply(json.dumps({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "owned"}, "spec": {
        "selector": {"matchLabels": {"app": "owned"}}, "template": template}}))
    first = cluster.wait_for("a pod of the Deployment runs",
                             lambda: [works(life, pod) for pod in owned_pods(life) if works(life, pod)], 60)
    began = time.monotonic()
    cluster.nodes[node].reboot()
    cluster.wait_for("a pod of the Deployment runs after the reboot",
                     lambda: [pod for pod in owned_pods(life) if works(life, pod) not in (None, *first)], 180, 0.5)
    took = time.monotonic() - began
    life.counts(8)
    fates = [f"{pod['status'].get('phase')} {pod['status'].get('reason', '')}".strip() for pod in owned_pods(life)]
    print(f"    a pod with a GPU runs {took:.1f} s after the reboot began; the Deployment's pods: {', '.join(fates)}")
    cluster.kubectl("delete", "deployment", "owned", "--wait=true")
    cluster.kubectl("delete", "pods", "-l", "app=owned", "--force", "--grace-period=0", check=False)


def uninstall(life):
    cluster = life.cluster
    before = {pod: life.status(pod) for pod in life.pods}
    with AllocatableTrace(cluster) as trace:
        life.helm("uninstall", RELEASE, "--wait")
        life.gone()
    # What the trace of the upgrades would have shown.
    expect({node for node, _ in trace.dips()} == set(GPU_NODES), f"the trace shows no fall to 0: {trace.text()}")
    print(f"    {trace.text()}")
    life.unnoticed(before)
    life.restart_pods()


def in_a_pod(life, node, *arguments):
    """`tranche cleanup` as docs/kubernetes.md says: from a privileged pod that has the node's root at /host."""
    cluster = life.cluster
    container = {"name": "cleanup", "image": f"docker.io/tranche/tranche:{VERSION}",
                 "command": ["tranche", "cleanup", "--root=/host", *arguments],
                 "securityContext": {"privileged": True}, "volumeMounts": [{"name": "host", "mountPath": "/host"}]}
    cluster.apply(json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "cleanup"}, "spec": {
        "restartPolicy": "Never", "nodeSelector": {"kubernetes.io/hostname": node}, "containers": [container],
        "volumes": [{"name": "host", "hostPath": {"path": "/"}}]}}))
    pod = cluster.wait_pod("cleanup", phases=("Succeeded", "Failed"))
    text = cluster.logs("cleanup")
    cluster.delete_pod("cleanup")
    expect(pod["status"]["phase"] == "Succeeded", f"tranche cleanup: {text}")
    return text


def cleanup_spares_running_pods(life):
    text = in_a_pod(life, "gpu-node")
    expect("kept" in text and "running pods hold GPUs" in text, f"tranche cleanup: {text}")
    print("    " + text.replace("\n", "\n    ").strip())
    life.restart_pods(["spared"])


def specs_are_needed(life):
    """The harm that uninstall and cleanup spare them: a container does not come back without its CDI spec."""
    node = life.cluster.nodes["gpu-node"]
    specs = node.run("find", "/var/run/cdi/", "-name", "k8s.device-plugin.nvidia.com-*.json").stdout.split()
    expect(specs, "there is no CDI spec to take away")
    node.run("mkdir", "/run/elsewhere")
    node.run("mv", *specs, "/run/elsewhere")
    before = life.kill("spared")

    def refused():
        return "CDI" in life.status("spared")["state"].get("waiting", {}).get("message", "")
    life.cluster.wait_for("it cannot start for want of its CDI device", refused, 120, 0.5)
    node.run("sh", "-c", "mv /run/elsewhere/* /var/run/cdi/ && rmdir /run/elsewhere")
    life.cluster.wait_for("it runs again", lambda: life.status("spared")["restartCount"] > before["restartCount"] and
                          life.gpus("spared") == life.pods["spared"][1], 120, 0.5)


def cleanup_leaves_nothing(life, before):
    life.cluster.delete_pod(*life.pods)
    for number, node in enumerate(life.cluster.nodes):
        if number == 0:
            print("    " + in_a_pod(life, node).replace("\n", "\n    ").strip())
        else:
            life.cluster.nodes[node].run("/opt/bed/tranche/tranche", "cleanup")
    before.same(life.cluster)


def steps(life):
    """The steps of a release that pods live through."""
    yield "upgrade to another version, CDI annotations, 6 replicas", lambda: rolled(
        life, "upgrade", 12, NEXT, "upgrade", RELEASE, CHART, "--set", f"image.tag={NEXT}", "--values",
        life.values(6, deviceListStrategy="cdi-annotations")), ("by-cdi-annotations", "runc")
    yield "upgrade of the values alone, CDI by the kubelet, 5 replicas", lambda: rolled(
        life, "upgrade", 10, NEXT, "upgrade", RELEASE, CHART, "--set", f"image.tag={NEXT}", "--values",
        life.values(5, deviceListStrategy="cdi-cri")), ("by-cdi-cri", "runc"), ("spared", "runc")
    yield "rollback to the first release", lambda: rolled(
        life, "rollback", 8, VERSION, "rollback", RELEASE, "1")


def without_surge(life):
    """What the surge is for: where the old agent must go first nobody serves for a while."""
    gaps = rolled(life, "without a surge", 6, VERSION, "upgrade", RELEASE, CHART, "--values", life.values(
        3, updateStrategy={"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}},
        podAnnotations={"roll": "1"}), overlap=False)
    expect(all(gap > 0 for gap in gaps.values()), f"the measure shows no gap: {gaps}")
    rolled(life, "and back", 8, VERSION, "upgrade", RELEASE, CHART, "--values", life.values(4), overlap=False)


def cases(run):
    archive = bed.product_image()
    with bed.scratch() as folder, bed.Cluster(names=(*GPU_NODES, PLAIN), default_runtime="nvidia",
                                              without_driver=(PLAIN,)) as cluster:
        cluster.import_image(archive)
        cluster.import_image(next_image(archive, pathlib.Path(folder)))
        cluster.apply(json.dumps({"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "handler": "runc",
                                  "metadata": {"name": "runc"}}))
        cluster.kubectl("create", "namespace", NAMESPACE)
        cluster.wait_for("its service account", lambda: cluster.get("serviceaccount", "default", "-n", NAMESPACE), 30)
        life, before = Life(cluster, folder), Snapshot(cluster)
        run("NVIDIA's values file as it stands, its affinity honoured", upstreams_values, life)
        run("the plain manifests serve every GPU node", plain_manifests, life)
        run("labels without the plugin", labels_alone, life)
        if not run("installed by Helm, every GPU node served without any label", install, life):
            return
        run("a pod is given a GPU", life.start_pod, "by-envvar", "nvidia")
        for name, step, *pods in steps(life):
            run(name, step)
            run("… and containers that end come back with their GPUs", life.restart_pods)
            for pod in pods:
                run(f"a pod is given a GPU: {pod[0]}", life.start_pod, *pod)
        run("without a surge nobody serves for a while", without_surge, life)
        run("a node reboots, and its GPU work comes back", reboots, life)
        run("a node without a driver idled all the time", idles_without_a_driver, life)
        run("uninstalled, and containers still come back with their GPUs", uninstall, life)
        run("tranche cleanup spares what running pods need", cleanup_spares_running_pods, life)
        run("which do not start again without", specs_are_needed, life)
        run("without pods, tranche cleanup leaves nothing", cleanup_leaves_nothing, life, before)
