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

    def start(self, *names):
        """Pods that sleep, and have a share of the GPU to work with."""
        for name in names:
            self.c.run_pod(name, image=usage.IMAGE, gpus=1, node=NODE)

    def work(self, pod, *arguments):
        """`tranche-workload` in a pod, to its end."""
        return self.c.exec(pod, "tranche-workload", *arguments, check=False)

    def of_pods(self, *names):
        return usage.of_pods(self.c, self.node, names)

    def computed(self, *names):
        return usage.computed(self.c, self.node, names)


def a_pod_computes(s):
    """The account has the kernels that the program says it ran."""
    done = s.work("first", "steady", "--for", "2s", "-o", "json")
    expect(done.returncode == 0, done.stdout + done.stderr)
    total = json.loads(done.stdout)["total"]
    expect(total["done"] > 0 and not total["errors"], done.stdout)
    counted = [process for process in s.node.usage()["processes"]
               if total["done"] <= process["kernels"] <= total["launched"]]
    expect(len(counted) == 1, f"of {total['done']} kernels the driver counted {s.node.usage()['processes']}")
    tell(f"{total['done']} kernels by the program's count, {counted[0]['kernels']} by the driver's")


def results_are_right(s):
    done = s.work("first", "check", "--for", "1s")
    expect(done.returncode == 0, done.stdout + done.stderr)


def more_processes_get_more_time(s):
    """Four processes against one: the GPU knows processes and no pods."""
    with usage.Background(s.c, "first", "steady"):
        with usage.Background(s.c, "second", "processes", "--processes", "4"):
            def all_compute():
                found = s.of_pods("first", "second")
                return (len(found["first"]), len(found["second"])) == (1, 4) and all(
                    process["computed_ns"] > 0 for processes in found.values() for process in processes)
            s.c.wait_for("five processes compute", all_compute, 60)
            before = s.computed("first", "second")
            time.sleep(COUNTED_SECONDS)
            used = usage.difference(s.computed("first", "second"), before)
            share = used["second"] / sum(used.values())
            text = f"the pod with four processes got {100 * share:.1f} % of the time"
            tell(text)
            expect(0.78 <= share <= 0.82, f"{text}: {used}")
        # Alone it has all of it again.
        before, began = s.computed("first"), s.node.usage()["ns"]
        time.sleep(COUNTED_SECONDS)
        after, ended = s.computed("first"), s.node.usage()["ns"]
        busy = (after["first"] - before["first"]) / (ended - began)
        expect(busy > 0.8, f"alone it got {100 * busy:.1f} %")


def one_pods_memory_is_missing_for_the_next(s):
    """Until that pod is gone, which gives all of it back at once."""
    more = ("hold", "--memory", "8Gi", "--piece", "1Gi", "--for", "0.1s")
    with usage.Background(s.c, "first", "hold", "--memory", "76Gi"):
        def holds():
            return any(process["memory_peak_bytes"] >= 76 << 30 for process in s.of_pods("first")["first"])
        s.c.wait_for("the first pod holds 76 GiB", holds, 60)
        listed = s.node.run("nvidia-smi").stdout
        pids = [process["pid"] for process in s.of_pods("first")["first"]]
        expect(pids and all(str(pid) in listed for pid in pids),
               f"nvidia-smi on the node does not list {pids}:\n{listed}")
        refused = s.work("second", *more)
        expect(refused.returncode == 1 and "OUT_OF_MEMORY" in refused.stdout, refused.stdout + refused.stderr)
        tell("the first pod holds 76 GiB; the second asks for 8 and ends: CUDA_ERROR_OUT_OF_MEMORY")
        s.c.delete_pod("first")
    granted = s.work("second", *more)
    expect(granted.returncode == 0, f"after the first has gone: {granted.stdout}{granted.stderr}")


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
        if not run("two pods get a share each", sharing.start, "first", "second"):
            return
        run("a pod computes, and the driver counts what it did", a_pod_computes, sharing)
        run("and its results are right", results_are_right, sharing)
        run("a pod with four processes gets four fifths of the time", more_processes_get_more_time, sharing)
        run("one pod's memory is missing for the next", one_pods_memory_is_missing_for_the_next, sharing)
        run("and when all have gone nothing is held", nobody_is_left, sharing)
