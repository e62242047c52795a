"""Memory walls as a user has them: one line in a profile on real Kubernetes, with the real containerd and NVIDIA's own
container toolkit, unmodified images, and each way in which a container is told its GPUs.

What each pod took is counted by the driver. Without the line the same pods do what they like.
"""

import json
import pathlib
import re

import bed
from bed import expect
from suites import usage
from suites.scene import NODE, RELEASE, tell
from suites.sighted import DAEMONSET, NAMESPACE, SECONDS, container, pod
from suites.walled import MIB, REPLICAS, SHIM, Walls

GIB = 1 << 30
STRATEGIES = ("envvar", "cdi-cri", "cdi-annotations")
CAPABILITIES = {"CHECKPOINT_RESTORE": 40, "SYS_PTRACE": 19}  # linux/capability.h
SPECS = ("/etc/cdi/tranche.dev-shim.json", "/var/run/cdi/tranche.dev-shim.json")


def without_the_line(walls):
    """The control: a pod takes all of the GPU, its neighbour gets nothing, and nothing of walls is anywhere."""
    walls.start("greedy", "neighbour")
    walls.start("mapped", hostUsers=False)
    for name in ("greedy", "mapped"):
        with usage.Background(walls.c, name, "hold", "--memory", "76Gi", "--piece", "1Gi"):
            walls.c.wait_for(f"the pod {name} holds 76 GiB",
                             lambda name=name: any(peak >= 76 * GIB for peak in walls.peaks(name)), SECONDS)
            refused = walls.work("neighbour", "hold", "--memory", "8Gi", "--for", "0.1s")
            expect(refused.returncode == 1 and "OUT_OF_MEMORY" in refused.stdout, refused.stdout + refused.stderr)
        expect(not walls.has_shim(name), f"the shim is in {name}, in which nobody wanted it")
    for path in (SHIM, *SPECS):
        expect(not walls.exists(path), f"{path} is on the node")
    expect(walls.agent()["walls"] == "not asked for", walls.agent()["walls"])
    walls.c.delete_pod("greedy", "mapped", "neighbour")


def one_line(walls, strategy):
    walls.enforce(strategy)
    for path in (f"{SHIM}/tranche-hook", *SPECS):
        expect(walls.exists(path), f"{path} is not on the node")
    walls.start("greedy", "neighbour")
    for name in ("greedy", "neighbour"):
        expect(walls.has_shim(name), f"{name} has no shim")


def what_is_live(walls, name="greedy"):
    """Said from inside, by a program that is there without the image knowing of it."""
    def check(*options):
        return walls.c.exec(name, "/run/tranche/shim/tranche-check", *options, check=False)
    walls.until("tranche-check finds the wall", lambda: check().returncode == 0)
    tell(check().stdout)
    said = json.loads(check("-o", "json").stdout)
    expect(said["walled"] is True, said)
    expect([device["limitBytes"] for device in said["devices"]] == [walls.limit()], said)


def the_neighbour_never_notices(walls, greedy="greedy"):
    """The greedy pod gets OUT_OF_MEMORY at its wall, and the driver has not seen a byte of it above."""
    limit = walls.limit()
    with usage.Background(walls.c, "neighbour", "steady", "--memory", "4Gi"):
        walls.c.wait_for("the neighbour computes", lambda: any(
            process["computed_ns"] for process in usage.of_pods(walls.c, walls.node, ["neighbour"])["neighbour"]),
            SECONDS)
        before = usage.of_pods(walls.c, walls.node, ["neighbour"])["neighbour"]
        known = {process["pid"] for process in walls.node.usage()["processes"]}
        refused = walls.work(greedy, "hold", "--memory", "76Gi", "--piece", "1Gi", "--for", "0.1s")
        expect(refused.returncode == 1 and "OUT_OF_MEMORY" in refused.stdout, refused.stdout + refused.stderr)
        (mine,) = [process for process in walls.node.usage()["processes"] if process["pid"] not in known]
        most = mine["memory_peak_bytes"]
        tell(f"limit {limit / MIB:.0f} MiB, the pod {greedy} had {most / MIB:.0f} MiB at most: "
             f"{max(0, most - limit)} bytes over")
        expect(limit - 2 * GIB < most <= limit, f"it had {most} bytes at most, its limit is {limit}")
        # Its neighbour has what it had, goes on computing, and can have more.
        walls.c.wait_for("the neighbour goes on", lambda: usage.of_pods(walls.c, walls.node, ["neighbour"])[
            "neighbour"][0]["computed_ns"] > before[0]["computed_ns"], SECONDS)
        granted = walls.work("neighbour", "hold", "--memory", "3Gi", "--for", "0.1s")
        expect(granted.returncode == 0, granted.stdout + granted.stderr)
    wall = walls.wall(greedy)
    expect(wall.get("limitBytes") == limit and wall["refusals"] > 0, f"tranche-node says of it: {wall}")
    expect(wall["usedBytes"] == 0, f"what it has ended with is not given back: {wall}")


def users_of_its_own(walls):
    """A pod with a user namespace: its hook runs without rights on the node, and its wall is as any other's."""
    walls.start("mapped", hostUsers=False)
    expect(usage.root_on_node(walls.c, "mapped") != 0, "root in the pod is root on the node")
    what_is_live(walls, "mapped")
    the_neighbour_never_notices(walls, "mapped")
    with usage.Background(walls.c, "mapped", "hold", "--memory", "6Gi"):
        walls.until("it is said to have a wall", lambda: walls.wall("mapped")["walled"] is True)
    walls.c.delete_pod("mapped")


def may_all_in_its_own_namespace(walls):
    """Root there makes mounts writable; what the node has of ours it cannot write all the same: it is nobody's there.
    The control is a mount of which the container runtime has mapped the users."""
    line = ("shim=/run/tranche/shim walls=/run/tranche/walls cuda=$(echo /usr/lib/x86_64-linux-gnu/libcuda.so.*.*); "
            "for mount in $shim $walls $cuda /usr/bin/nvidia-smi; do mount -o remount,bind,rw $mount; done; "
            "for file in $shim/tranche-hook $shim/mine $walls/arbiter-away $walls/mine $cuda /usr/bin/nvidia-smi; do "
            "(: >>$file) && echo can write $file; done; echo has tried all; sleep infinity")
    walls.c.apply(pod("mighty", container("main", f"exec 2>&1; {line}", securityContext={"privileged": True}),
                      nodeName=NODE, hostUsers=False))
    walls.c.wait_pod("mighty")
    walls.c.wait_for("it has tried all", lambda: "has tried all" in walls.c.logs("mighty"), SECONDS)
    said = walls.c.logs("mighty")
    expect(usage.root_on_node(walls.c, "mighty") != 0, "root in the pod is root on the node")
    expect("mount:" not in said and said.count("Permission denied") == 5 and
           re.findall("^can .*", said, re.M) == ["can write /usr/bin/nvidia-smi"], said)
    walls.c.delete_pod("mighty")


def two_programs_share_one_wall(walls):
    """By what the driver counts of both while they hold it."""
    limit = walls.limit()
    with usage.Background(walls.c, "greedy", "hold", "--memory", "6Gi", "--piece", "256Mi"):
        walls.c.wait_for("the first has 6 GiB", lambda: any(peak >= 6 * GIB for peak in walls.peaks("greedy")), SECONDS)
        known = {process["pid"] for process in walls.node.usage()["processes"]}
        refused = walls.work("greedy", "hold", "--memory", "6Gi", "--piece", "256Mi", "--for", "0.1s")
        expect(refused.returncode == 1 and "OUT_OF_MEMORY" in refused.stdout, refused.stdout + refused.stderr)
        (second,) = [process for process in walls.node.usage()["processes"] if process["pid"] not in known]
        total = sum(walls.peaks("greedy")) + second["memory_peak_bytes"]
        tell(f"both together had {total / MIB:.0f} MiB of {limit / MIB:.0f}")
        expect(limit - GIB < total <= limit, f"both together had {total} bytes, the limit is {limit}")


def walls_outlive_the_node_program(walls):
    """tranche-node is replaced while a program holds memory: its counters are found again, and the wall stands."""
    with usage.Background(walls.c, "greedy", "hold", "--memory", "6Gi", "--piece", "256Mi"):
        walls.until("it holds 6 GiB", lambda: walls.wall("greedy").get("usedBytes", 0) >= 6 * GIB)
        used = walls.wall("greedy")["usedBytes"]
        walls.replace()
        walls.until("the successor has the same counters", lambda: walls.wall("greedy").get("usedBytes") == used)
        walls.until("and nothing is degraded", lambda: not walls.degraded())
        refused = walls.work("greedy", "hold", "--memory", "6Gi", "--piece", "256Mi", "--for", "0.1s")
        expect(refused.returncode == 1 and "OUT_OF_MEMORY" in refused.stdout, refused.stdout + refused.stderr)
    walls.until("what it held is given back", lambda: walls.wall("greedy").get("usedBytes") == 0)


def its_two_capabilities_are_needed(walls):
    """The control of the one before: with one of them a successor does not find the counters."""
    def may(*add):
        context = {"capabilities": {"drop": ["ALL"], "add": list(add)}}
        walls.c.kubectl("-n", NAMESPACE, "patch", "daemonset", DAEMONSET, "-p", json.dumps(
            {"spec": {"template": {"spec": {"containers": [{"name": "tranche-node", "securityContext": context}]}}}}))
        walls.rolled()
    status = dict(re.findall(r"^(\w+):\s+(\S+)", walls.exec("cat", "/proc/self/status").stdout, re.M))
    expect(int(status["CapEff"], 16) == sum(1 << number for number in CAPABILITIES.values()), f"it may: {status}")
    for left in CAPABILITIES:
        with usage.Background(walls.c, "greedy", "hold", "--memory", "6Gi", "--piece", "256Mi"):
            walls.until("it holds 6 GiB", lambda: walls.wall("greedy").get("usedBytes", 0) >= 6 * GIB)
            may(left)
            walls.until("the successor knows of the pod", lambda: walls.wall("greedy"))
            expect(walls.wall("greedy")["usedBytes"] == 0, f"{left} is enough: {walls.wall('greedy')}")
        may(*CAPABILITIES)


def a_container_starts_again(walls):
    """By the answer that the kubelet has kept."""
    container = {"name": "main", "image": usage.IMAGE, "imagePullPolicy": "IfNotPresent",
                 "command": ["sh", "-c", "ls /run/tranche/shim/tranche-hook && sleep 5; exit 1"],
                 "resources": {"limits": {"nvidia.com/gpu": "1"}}}
    walls.c.apply(json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "again"},
                              "spec": {"nodeName": NODE, "terminationGracePeriodSeconds": 0,
                                       "containers": [container]}}))

    def restarted():
        statuses = walls.c.pod("default", "again")["status"].get("containerStatuses")
        return statuses and statuses[0]["restartCount"] > 0 and "running" in statuses[0]["state"]
    walls.c.wait_for("its container is started again", restarted, SECONDS)
    expect("tranche-hook" in walls.c.kubectl("logs", "again").stdout, "it came without the shim")
    walls.c.delete_pod("again")


def a_reboot_leaves_no_pod_without(walls):
    """The plugin is there before tranche-node is: pods get the shim all the same, and their walls once it comes."""
    nowhere = {"spec": {"template": {"spec": {"nodeSelector": {"nowhere": "yes"}}}}}
    walls.c.kubectl("-n", NAMESPACE, "patch", "daemonset", DAEMONSET, "-p", json.dumps(nowhere))
    walls.c.wait_for("tranche-node is gone", lambda: walls.pod() is None, SECONDS)
    walls.node.reboot()
    walls.c.wait_for("the plugin serves again", lambda: walls.agent().get("ready") and
                     walls.c.allocatable(NODE) == REPLICAS, 2 * SECONDS)
    walls.start("early")
    expect(walls.has_shim("early"), "it has no shim")
    nowhere["spec"]["template"]["spec"]["nodeSelector"]["nowhere"] = None
    walls.c.kubectl("-n", NAMESPACE, "patch", "daemonset", DAEMONSET, "-p", json.dumps(nowhere))
    walls.rolled()
    walls.until("it is known whose share the pod has", lambda: walls.wall("early"))
    refused = walls.work("early", "hold", "--memory", "76Gi", "--piece", "1Gi", "--for", "0.1s")
    expect(refused.returncode == 1 and "OUT_OF_MEMORY" in refused.stdout, refused.stdout + refused.stderr)
    walls.c.delete_pod("early")


def removed_when_nobody_needs_it(walls):
    """Uninstalled under running pods: what they refer to stays until they are gone and it is asked for."""
    walls.start("last")
    walls.c.helm("uninstall", RELEASE, "-n", NAMESPACE, "--wait")
    # Helm waits for the DaemonSet alone. While its pod ends, tranche-node still answers.
    walls.c.wait_for("tranche-node is gone", lambda: not walls.c.get("pods", "-n", NAMESPACE)["items"], SECONDS)
    refused = walls.work("last", "hold", "--memory", "76Gi", "--piece", "1Gi", "--for", "0.1s")
    expect(refused.returncode == 0, refused.stdout + refused.stderr)  # arbiterAway is open

    def cleanup():
        return walls.node.run("/opt/bed/tranche/tranche", "cleanup", check=False).stdout
    said = cleanup()
    expect("running pods hold GPUs" in said and walls.exists(f"{SHIM}/tranche-hook"), said)
    walls.c.delete_pod("last")
    walls.c.wait_for("nothing is left", lambda: cleanup() and not any(map(walls.exists, (SHIM, *SPECS))), SECONDS, 1)


def cases(run):
    archive = bed.product_image()
    with bed.scratch() as folder, bed.Cluster(names=(NODE,), gpus={NODE: 1}, default_runtime="nvidia") as cluster:
        cluster.import_image(archive)
        cluster.import_image(usage.workload_image(pathlib.Path(folder)))
        cluster.nodes[NODE].bind_driver()
        walls = Walls(cluster)
        if not run("tranche-node with walls, and our plugin", walls.begin):
            return
        run("without the line a pod takes what it likes", without_the_line, walls)
        for strategy in STRATEGIES:
            if not run(f"one line, and pods get the shim ({strategy})", one_line, walls, strategy):
                return
            run("tranche-check says what is live", what_is_live, walls)
            run("at its wall a pod gets OUT_OF_MEMORY, and its neighbour never notices",
                the_neighbour_never_notices, walls)
            run("so does a pod with a user namespace of its own", users_of_its_own, walls)
            if strategy == STRATEGIES[0]:
                run("in which root can write nothing of ours", may_all_in_its_own_namespace, walls)
                run("two programs of a pod share its wall", two_programs_share_one_wall, walls)
                run("walls outlive the node program", walls_outlive_the_node_program, walls)
                run("for which it needs its two capabilities", its_two_capabilities_are_needed, walls)
                run("a container that starts again has its wall", a_container_starts_again, walls)
            cluster.delete_pod("greedy", "neighbour")
        run("after a reboot pods have their walls", a_reboot_leaves_no_pod_without, walls)
        run("it is removed when no pod needs it", removed_when_nobody_needs_it, walls)
