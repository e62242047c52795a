"""docs/adopting.md on the cluster: from NVIDIA's own plugin to Tranche and back, command by command.

Pods were given a GPU by each device list strategy, on one node under the plain name, on the other under a profile that
renames. They keep it, their containers that end come back with it, and new pods run at every step.
"""

import json

import bed
from bed import expect, nvidia
from suites import gpu_operator
from suites.adoption import GPU, LABEL, NVIDIA_NAMESPACE, SHARED, Adoption
from suites.life import GPU_NODES, VERSION
from suites.page import Page
from suites.walk import Walk

# By which runtime a pod of each strategy is started: NVIDIA's acts on variables and mounts, any on CDI.
STRATEGIES = {"envvar": "nvidia", "volume-mounts": "nvidia", "cdi-annotations": "runc", "cdi-cri": "runc"}
IMAGE = f"docker.io/tranche/tranche:{VERSION}"
PUSHED = f"registry.example/team/tranche:{VERSION}"
CRD = bed.ROOT / "deploy/manifests/clusterpolicy-crd.yaml"


def nvidia_serves(adoption):
    """By each strategy one after the other, and each gives a pod its GPU."""
    adoption.resources = {"gpu-node": (GPU, 8), "dev-gpu-node": (SHARED, 8)}
    for strategy, runtime in STRATEGIES.items():
        adoption.nvidia_release(strategy)
        adoption.start_pod(f"by-{strategy}", runtime)
    adoption.runtime = STRATEGIES["cdi-cri"]
    adoption.start_pod("renamed", "runc", "dev-gpu-node", resource=SHARED)


def keeps_gpus(adoption):
    adoption.restart_pods(list(adoption.pods))
    adoption.held()


def kubelets_start_anew(adoption):
    """From then on our agent has the name that NVIDIA's plugin always takes."""
    for node in GPU_NODES:
        adoption.cluster.nodes[node].restart_kubelet()
    for node, (resource, _) in adoption.resources.items():
        name = f"nvidia-{resource.partition('/')[2]}.sock"
        adoption.cluster.wait_for(f"{node}: the agent has registered as {name}",
                                  lambda node=node, name=name: adoption.endpoints(node) == [name], 60)
    adoption.settled()
    adoption.new_pods()


def refused_without_a_restart(adoption):
    """Why the agents are restarted on the way back: NVIDIA's plugin beside one that has its name is refused. Tranche
    goes on serving; the kubelet refuses the name until it starts anew."""
    cluster = adoption.cluster
    adoption.line("helm install nvdp nvdp/nvidia-device-plugin --namespace nvidia-device-plugin --values values.yaml")

    def logs():
        return cluster.kubectl("logs", "-n", NVIDIA_NAMESPACE, "-l", "app.kubernetes.io/instance=nvdp", "-c",
                               "nvidia-device-plugin-ctr", "--prefix", "--tail=-1", check=False).stdout
    cluster.wait_for("the kubelet refuses NVIDIA's plugin",
                     lambda: all(f"device plugin already connected: /var/lib/kubelet/device-plugins/{name}" in logs()
                                 for name in ("nvidia-gpu.sock", "nvidia-gpu.shared.sock")), 60)
    adoption.settled()
    adoption.line("helm uninstall nvdp --namespace nvidia-device-plugin --wait")
    adoption.new_pods()
    kubelets_start_anew(adoption)


def one_after_the_other(adoption, heading, pods):
    """With the gap: the trace sees it, and containers that end within it come back with their GPUs."""
    def between(number):
        if number == 1:
            adoption.nobody_serves()
            adoption.restart_pods(pods)
    adoption.follow(heading, gap=True, between=between, ended=pods)


def start_anew(adoption, resources, runtime):
    """No pod of before, no label of a profile, no release: for the next way of installing NVIDIA's plugin."""
    cluster = adoption.cluster
    cluster.kubectl("delete", "pods", "--all", "--wait=true")
    adoption.pods.clear()
    adoption.line("helm uninstall nvdp --namespace nvidia-device-plugin --wait", check=False)
    cluster.kubectl("label", "node", "--all", f"{LABEL}-")
    adoption.resources, adoption.runtime = resources, runtime


def by_plain_manifest(adoption):
    start_anew(adoption, {node: (GPU, 2) for node in GPU_NODES}, "nvidia")
    adoption.line("kubectl apply -f nvidia-device-plugin.yml")
    adoption.settled()
    for node in GPU_NODES:
        adoption.start_pod(f"plain-{node}", "nvidia", node)


def reconciles(adoption, images):
    """What the operator does when its ClusterPolicy changes: the DaemonSet gets the image that it names."""
    spec = adoption.cluster.get("clusterpolicy", "cluster-policy")["spec"]["devicePlugin"]
    image = "{repository}/{image}:{version}".format(**spec)
    expect(image in images, f"the nodes have {images}, and the page asks for {image}")
    adoption.cluster.apply(json.dumps(gpu_operator.plugin(image)))


def by_operator(adoption, run, upstream):
    """A stand-in for the operator, which no registry serves; its DaemonSet is the real one's."""
    cluster = adoption.cluster
    adoption.line("kubectl delete -f nvidia-device-plugin.yml")
    # As it ends it removes the socket of whoever has made that name anew.
    adoption.line("kubectl wait --for=delete pod -n kube-system -l name=nvidia-device-plugin-ds --timeout=60s")
    start_anew(adoption, {node: (GPU, 8) for node in GPU_NODES}, "runc")
    gpu_operator.set_up(Walk(cluster, run, adoption.folder / "operator"))
    # On a labelled node NVIDIA's plugin would show the default profile's count first.
    cluster.kubectl("label", "node", "dev-gpu-node", f"{LABEL}-")
    cluster.kubectl("apply", "-f", CRD)
    cluster.kubectl("wait", "--for=condition=Established", "crd/clusterpolicies.nvidia.com", "--timeout=30s")
    repository, _, tag = upstream.image.rpartition(":")
    repository, _, image = repository.rpartition("/")
    cluster.apply(json.dumps({"apiVersion": "nvidia.com/v1", "kind": "ClusterPolicy",
                              "metadata": {"name": "cluster-policy"},
                              "spec": {"devicePlugin": {"repository": repository, "image": image, "version": tag}}}))
    reconciles(adoption, [upstream.image])
    adoption.settled()
    for node in GPU_NODES:
        adoption.start_pod(f"operator-{node}", "runc", node)


def through_the_operator(adoption, upstream, heading):
    adoption.follow(heading, between=lambda _: reconciles(adoption, [upstream.image, PUSHED]))


def chart(run, adoption):
    if not run("NVIDIA's plugin serves, by each device list strategy", nvidia_serves, adoption):
        return
    run("from NVIDIA's chart, without a gap", adoption.follow, "From NVIDIA's chart")
    run("… and containers that end come back with their GPUs", keeps_gpus, adoption)
    run("a pod is given a GPU by Tranche", adoption.start_pod, "by-tranche", "runc")
    run("the kubelets start anew", kubelets_start_anew, adoption)
    run("NVIDIA's plugin is refused while Tranche has its name", refused_without_a_restart, adoption)
    run("back to NVIDIA's chart, without a gap", adoption.follow, "Back to NVIDIA's chart")
    run("… and containers that end come back with their GPUs", keeps_gpus, adoption)
    run("NVIDIA's plugin goes first", one_after_the_other, adoption, "One plugin first, then the other",
        ["by-envvar", "renamed"])
    run("Tranche goes first", one_after_the_other, adoption, "And the other way round", ["by-cdi-cri", "by-tranche"])


def cases(run):
    archive = bed.product_image()
    upstream, page = nvidia.Plugin(), Page("docs/adopting.md")
    with bed.scratch() as folder, bed.Cluster(names=GPU_NODES, default_runtime="nvidia",
                                              driver_root="/run/nvidia/driver") as cluster:
        cluster.import_image(archive)
        cluster.import_image(upstream.make_image(folder))
        for node in cluster.nodes.values():
            node.ctr("images", "tag", IMAGE, PUSHED)
        cluster.apply(json.dumps({"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "handler": "runc",
                                  "metadata": {"name": "runc"}}))
        # What NVIDIA's chart wants of a node, where Node Feature Discovery has not said it.
        cluster.kubectl("label", "node", "--all", "nvidia.com/gpu.present=true")
        cluster.kubectl("label", "node", "dev-gpu-node", f"{LABEL}=renamed")
        adoption = Adoption(cluster, folder, page, upstream)
        chart(run, adoption)
        if run("NVIDIA's plugin serves, from its plain manifest", by_plain_manifest, adoption):
            run("from NVIDIA's plain manifest, without a gap", adoption.follow, "From NVIDIA's plain manifest")
            run("back to NVIDIA's plain manifest, without a gap", adoption.follow, "Back to NVIDIA's plain manifest")
        if run("NVIDIA's plugin serves, in the operator's DaemonSet", by_operator, adoption, run, upstream):
            run("into the operator, without a gap", through_the_operator, adoption, upstream,
                "From the GPU operator")
            run("… and containers that end come back with their GPUs", keeps_gpus, adoption)
            run("back in the operator, without a gap", through_the_operator, adoption, upstream,
                "Back in the GPU operator")
            run("… and containers that end come back with their GPUs", keeps_gpus, adoption)
        expect(not page.unread, f"sections that nothing runs: {sorted(page.unread)}")
