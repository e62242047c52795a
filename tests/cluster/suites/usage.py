"""Pods that compute on simulated GPUs, and what each has used, as the driver of their node counts it."""

import subprocess

import bed
from bed import images

IMAGE = "docker.io/tranche-test/workload:1"
PROGRAM = bed.ROOT / "build/release/bin/sim/tranche-workload"


def workload_image(folder):
    """The archive of an image with `tranche-workload` in it, and nothing of a driver."""
    tree = folder / "workload"
    images.glibc_tree(tree, "usr/lib/x86_64-linux-gnu", [*images.PROGRAMS, PROGRAM])
    return images.write_image(folder / "workload.tar", IMAGE, tree, {
        "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                "NVIDIA_DRIVER_CAPABILITIES=compute,utility"]})


class Background:
    """`tranche-workload` in a pod that sleeps, until it is ended with all that it has started."""

    def __init__(self, cluster, pod, *arguments, say=lambda text: None):
        self._cluster, self._pod = cluster, pod
        command = ["kubectl", "exec", pod, "--", "tranche-workload", *arguments, "--for", "10m"]
        say("$ " + " ".join(command))
        self._process = subprocess.Popen(command, env=cluster.environment, stdin=subprocess.DEVNULL,
                                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # All but the pod's first process; nothing is left to be ended where the pod is gone.
        self._cluster.exec(self._pod, "sh", "-c", "kill -9 -1", check=False)
        self._process.wait(60)


def root_on_node(cluster, pod):
    """The user of the node that root in the pod is: 0, but where the pod has a user namespace of its own."""
    return int(cluster.exec(pod, "cat", "/proc/self/uid_map").stdout.split()[1])


def of_pods(cluster, node, names):
    """The processes of each pod that use a GPU of the node now: the driver knows their pids, and the pids'
    cgroups name the pod."""
    uids = {cluster.pod("default", name)["metadata"]["uid"]: name for name in names}
    found = {name: [] for name in names}
    for process in node.usage()["processes"]:
        if process["ended_ns"] is not None:
            continue
        cgroup = node.run("cat", f"/proc/{process['pid']}/cgroup", check=False).stdout
        for uid, name in uids.items():
            if uid in cgroup:
                found[name].append(process)
    return found


def computed(cluster, node, names):
    """Nanoseconds that each pod's processes have computed so far."""
    return {name: sum(process["computed_ns"] for process in processes)
            for name, processes in of_pods(cluster, node, names).items()}


def difference(after, before):
    return {name: after[name] - before[name] for name in after}
