"""Pods that share a GPU, and what one does to another: real containers compute on the simulated driver.

Nothing but the device plugin and NVIDIA's container toolkit brings the driver into the pods. The program in them
is `tranche-workload`; what each pod used is counted from the driver's own account, by the cgroups of its pids.
"""

import json
import pathlib
import time

import bed
from bed import expect
from suites import usage
from suites.scene import CHART, MAP, NAMESPACE, NODE, RELEASE, SEED_MAP, Scene, tell

# As long as a case may take; a pod is deleted when it is no longer needed.
LONG = "10m"
COUNTED_SECONDS = 3


class Sharing:
    """One GPU in four shares, and pods that use it."""

    def __init__(self, cluster):
        self.c, self.node = cluster, cluster.nodes[NODE]

    def install(self):
        scene = Scene(self.c)
        self.c.kubectl("create", "namespace", NAMESPACE)
        self.c.kubectl("apply", "-f", SEED_MAP)
        self.c.helm("install", RELEASE, CHART, "-n", NAMESPACE, "--set", f"devicePlugin.config.name={MAP}",
                    "--set", "devicePlugin.config.default=default")
        scene.rolled()
        scene.counts(4)

    def start(self, name, *arguments):
        self.c.run_pod(name, image=usage.IMAGE, command=["tranche-workload", *arguments], gpus=1, node=NODE)

    def phase(self, name):
        return self.c.pod("default", name)["status"]["phase"]

    def ends(self, name):
        """How: Succeeded or Failed; and what it wrote."""
        self.c.wait_pod(name, phases=("Succeeded", "Failed"), seconds=60)
        return self.phase(name), self.c.logs(name)

    def of_pods(self, *names):
        return usage.of_pods(self.c, self.node, names)

    def computed(self, *names):
        return usage.computed(self.c, self.node, names)


def a_pod_computes(s):
    """The account has the kernels that the program says it ran."""
    s.start("steady", "steady", "--for", "2s", "-o", "json")
    phase, text = s.ends("steady")
    expect(phase == "Succeeded", f"{phase}: {text}")
    total = json.loads(text)["total"]
    expect(total["done"] > 0 and not total["errors"], text)
    counted = [process for process in s.node.usage()["processes"]
               if total["done"] <= process["kernels"] <= total["launched"]]
    expect(len(counted) == 1, f"of {total['done']} kernels the driver counted {s.node.usage()['processes']}")
    tell(f"{total['done']} kernels by the program's count, {counted[0]['kernels']} by the driver's")
    s.c.delete_pod("steady")


def results_are_right(s):
    s.start("check", "check", "--for", "1s")
    phase, text = s.ends("check")
    expect(phase == "Succeeded", f"{phase}: {text}")
    s.c.delete_pod("check")


def one_pods_memory_is_missing_for_the_next(s):
    s.start("first", "hold", "--memory", "76Gi", "--piece", "1Gi", "--for", LONG)
    def holds():
        return any(process["memory_peak_bytes"] >= 76 << 30 for process in s.of_pods("first")["first"])
    s.c.wait_for("the first pod holds 76 GiB", holds, 60)
    listed = s.node.run("nvidia-smi").stdout
    pids = [process["pid"] for process in s.of_pods("first")["first"]]
    expect(all(str(pid) in listed for pid in pids), f"nvidia-smi on the node does not list {pids}:\n{listed}")
    s.start("second", "hold", "--memory", "8Gi", "--piece", "1Gi", "--for", "1s")
    phase, text = s.ends("second")
    expect(phase == "Failed" and "OUT_OF_MEMORY" in text, f"the second pod: {phase}\n{text}")
    tell("the first holds 76 GiB; the second asks for 8 and ends: CUDA_ERROR_OUT_OF_MEMORY")
    s.c.delete_pod("first", "second")
    # Without the first there is room: what failed above is its doing.
    s.start("third", "hold", "--memory", "8Gi", "--piece", "1Gi", "--for", "1s")
    phase, text = s.ends("third")
    expect(phase == "Succeeded", f"after the first has gone: {phase}\n{text}")
    s.c.delete_pod("third")


def more_processes_get_more_time(s):
    """Four processes against one: the GPU knows processes and no pods."""
    s.start("one", "steady", "--for", LONG)
    s.start("four", "processes", "--processes", "4", "--for", LONG)
    def all_compute():
        found = s.of_pods("one", "four")
        return (len(found["one"]), len(found["four"])) == (1, 4) and all(
            process["computed_ns"] > 0 for processes in found.values() for process in processes)
    s.c.wait_for("five processes compute", all_compute, 60)
    before = s.computed("one", "four")
    time.sleep(COUNTED_SECONDS)
    after = s.computed("one", "four")
    used = usage.difference(after, before)
    share = used["four"] / sum(used.values())
    tell(f"the pod with four processes got {100 * share:.1f} % of the time, the other {100 * (1 - share):.1f} %")
    expect(0.78 <= share <= 0.82, f"four processes got {100 * share:.1f} %: {used}")
    # Alone it has all of it again.
    s.c.delete_pod("four")
    before, began = s.computed("one"), s.node.usage()["ns"]
    time.sleep(COUNTED_SECONDS)
    after, ended = s.computed("one"), s.node.usage()["ns"]
    busy = (after["one"] - before["one"]) / (ended - began)
    expect(busy > 0.8, f"alone it got {100 * busy:.1f} %")
    s.c.delete_pod("one")


def nobody_is_left(s):
    left = [process["pid"] for process in s.node.usage()["processes"] if process["ended_ns"] is None]
    expect(not left, f"the driver still counts {left}")
    free = s.node.usage()["devices"][0]
    expect(free["free_bytes"] == free["memory_bytes"], f"memory is still taken: {free}")


def cases(run):
    archive = bed.product_image()
    with bed.scratch() as folder, bed.Cluster(names=(NODE,), gpus={NODE: 1}, default_runtime="nvidia") as cluster:
        cluster.import_image(archive)
        cluster.import_image(usage.workload_image(pathlib.Path(folder)))
        sharing = Sharing(cluster)
        if not run("the chart shares one GPU", sharing.install):
            return
        run("a pod computes, and the driver counts what it did", a_pod_computes, sharing)
        run("and its results are right", results_are_right, sharing)
        run("one pod's memory is missing for the next", one_pods_memory_is_missing_for_the_next, sharing)
        run("a pod with four processes gets four fifths of the time", more_processes_get_more_time, sharing)
        run("and when all have gone nothing is held", nobody_is_left, sharing)
