"""Our image in the place of NVIDIA's inside the GPU operator's DaemonSets, as gpu_operator.py renders them."""

import pathlib
import re
import time

import bed
from suites import usage
from suites.gpu_operator import CHART_VERSION, GFD, LABEL, NAMESPACE, PLUGIN, discovery, plugin, set_up
from suites.sighted import DAEMONSET, Sighted
from suites.walk import Walk, apply


def the_pod(cluster, node, app):
    pods = cluster.get("pods", "-n", NAMESPACE, "-l", f"app={app}")["items"]
    return next(pod for pod in pods if pod["spec"]["nodeName"] == node and
                "deletionTimestamp" not in pod["metadata"])["metadata"]["name"]


def log_of(cluster, pod, container):
    return cluster.kubectl("-n", NAMESPACE, "logs", pod, "-c", container, check=False).stdout


def follows_labels(walk):
    cluster = walk.cluster
    walk.count_becomes("gpu-node", 8)
    walk.count_becomes("dev-gpu-node", 16)
    log = log_of(cluster, the_pod(cluster, "dev-gpu-node", PLUGIN), "nvidia-device-plugin")
    counts = re.findall(r"registered with the kubelet.*devices=(\d+)", log)
    walk.check("a labelled node starts with its own profile, not the default", counts == ["16"], counts)
    cluster.kubectl("label", "node", "gpu-node", f"{LABEL}=dev")
    walk.count_becomes("gpu-node", 16)
    cluster.kubectl("label", "--overwrite", "node", "gpu-node", f"{LABEL}=missing")
    time.sleep(12)
    pod = cluster.pod(NAMESPACE, the_pod(cluster, "gpu-node", PLUGIN))
    restarts = [status["restartCount"] for status in pod["status"]["containerStatuses"]]
    walk.check("a label that names a missing profile changes nothing", walk.count("gpu-node") == 16)
    walk.check("and crashes nothing", restarts == [0, 0], restarts)


def follows_edits(walk):
    walk.cluster.kubectl("-n", NAMESPACE, "patch", "configmap", "device-plugin-config", "--type", "merge", "--patch",
                         '{"data": {"default": "version: v1\\nsharing:\\n  timeSlicing:\\n    resources:\\n'
                         '    - {name: nvidia.com/gpu, replicas: 3}\\n"}}')
    # The kubelet's own delay: it brings a ConfigMap's edit into a pod within a minute or so.
    walk.until("train-gpu-node: an edit of the ConfigMap applies by itself",
               lambda: walk.count("train-gpu-node") == 6, 150)
    walk.count_becomes("train-gpu-node", 6)


def ends_cleanly(walk):
    cluster = walk.cluster
    name = the_pod(cluster, "gpu-node", PLUGIN)
    began = time.monotonic()
    cluster.kubectl("-n", NAMESPACE, "delete", "pod", name)
    took = time.monotonic() - began
    walk.check("the plugin's pod ends without being killed", took < 15, f"{took:.1f} s")
    walk.count_becomes("gpu-node", 16)


def discovers(walk):
    """Node Feature Discovery is not there: no crash, and the log says what is missing."""
    cluster = walk.cluster
    pod = cluster.pod(NAMESPACE, the_pod(cluster, "gpu-node", GFD))
    restarts = [status["restartCount"] for status in pod["status"]["containerStatuses"]]
    log = log_of(cluster, pod["metadata"]["name"], GFD)
    walk.check("gpu-feature-discovery runs on without NFD", pod["status"]["phase"] == "Running" and restarts == [0, 0],
               restarts)
    walk.check("it sees the GPUs through NVIDIA's runtime", "gpus=2" in log, log[-600:])


def sees_who_uses_the_gpus(walk):
    """`tranche-node` is installed beside the operator's plugin pods, and leaves them alone."""
    cluster, node = walk.cluster, "train-gpu-node"
    pod = cluster.pod(NAMESPACE, the_pod(cluster, node, PLUGIN))["metadata"]["uid"]
    cluster.import_image(usage.workload_image(pathlib.Path(walk.folder)), [node])
    sight = Sighted(cluster, node)
    sight.install("--set", "devicePlugin.enabled=false", "--set", "runtimeClassName=nvidia")
    names = {found["metadata"]["name"] for found in cluster.get("daemonsets", "-A")["items"]}
    walk.check("tranche-node is installed beside the operator's DaemonSets, alone", names == {PLUGIN, GFD, DAEMONSET},
               names)
    sight.start_holder()

    def granted():
        """{pod: whether the kubelet has given it the GPU that it uses}; it is asked now and then."""
        return {name: value for (_, name, _, _), value in sight.figures("tranche_pod_gpu_granted").items()}
    walk.until("it knows what the operator's plugin has given", lambda: granted() == {"holder": 1} or granted())
    walk.check("it names the pod that uses a GPU, and knows that the operator's plugin gave it",
               granted() == {"holder": 1}, granted())
    held = sum(value for _, value in sight.metrics()["tranche_gpu_replicas_held"])
    walk.check("of the operator's shares one is held", held == 1, held)
    walk.check("the operator's plugin is the pod that it was",
               cluster.pod(NAMESPACE, the_pod(cluster, node, PLUGIN))["metadata"]["uid"] == pod)


def cases(run):
    archive = bed.product_image()
    with bed.scratch() as folder, bed.Cluster(driver_root="/run/nvidia/driver") as cluster:
        cluster.import_image(archive)
        walk = Walk(cluster, run, folder)
        set_up(walk)
        image = f"docker.io/tranche/tranche:{CHART_VERSION}"
        apply(walk, plugin(image), discovery(image))
        follows_labels(walk)
        discovers(walk)
        ends_cleanly(walk)
        follows_edits(walk)
        sees_who_uses_the_gpus(walk)
