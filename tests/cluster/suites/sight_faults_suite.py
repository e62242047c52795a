"""What becomes of `tranche-node` when something is taken away from it, on real Kubernetes beside our plugin.

It has the rights that it uses and no other one, and each of them is taken away; each row of the table of faults in
docs/sight.md is a case here. A pod computes from beginning to end, and is shown again after each of them.
"""

import json
import pathlib

import bed
from bed import expect
from bed.rights import Audit, granted, never_used, not_granted, shown, user_name
from suites import usage
from suites.scene import NODE, tell
from suites.sighted import DAEMONSET, NAMESPACE, SECONDS, Sighted


# ---- rights ----

def rights_are_used(sight, audit):
    """All that was granted was asked for, nothing was refused, and nothing else was asked for."""
    for verb in ("create", "patch"):  # the second time it is the same Event once more
        sight.start_thief()
        sight.until(f"{verb} Events in the audit log", lambda verb=verb: any(
            (right.verb, right.resource) == (verb, "events") for right in audit.used()))
        sight.c.delete_pod("thief")
        sight.until("the thief is gone", lambda: not sight.is_shown("thief"))
    grants, uses = granted(sight.c, NAMESPACE, DAEMONSET), audit.used()
    for right, count in sorted(uses.items()):
        tell(f"used {count:3}×  {shown(right)}")
    expect(not audit.refused(), f"refused: {audit.refused()}")
    expect(not not_granted(grants, uses), f"used, and granted elsewhere: {not_granted(grants, uses)}")
    expect(not never_used(grants, uses), f"granted, and never used: {never_used(grants, uses)}")


def role(sight, kind, name, verbs, *space):
    patch = [{"op": "replace", "path": "/rules/0/verbs", "value": verbs}]
    sight.c.kubectl("patch", kind, name, *space, "--type=json", "-p", json.dumps(patch))


def without_pods(sight, left, refused, name):
    """Without one of these rights it says so and goes on: with the names that it could list, or with UIDs."""
    role(sight, "clusterrole", DAEMONSET, [left])
    sight.replace()
    sight.until("it says what it lacks", lambda: f'cannot {refused} resource "pods"' in sight.degraded())
    tell(sight.degraded())
    sight.until(f"the holder is shown as {name}", lambda: sight.is_shown(name))
    expect(sight.one("tranche_node_pods_known") == 0, "it says that it knows pods")
    role(sight, "clusterrole", DAEMONSET, ["list", "watch"])
    sight.well()
    sight.holder_is_shown()


def without_config(sight, kind, rule, space, resource):
    """Without the right to see its node or the ConfigMap it shows no limits, says why, and shows all else."""
    path = f"/rules/{rule}/verbs"
    take = [{"op": "replace", "path": path, "value": ["get"]}]
    sight.c.kubectl("patch", kind, DAEMONSET, *space, "--type=json", "-p", json.dumps(take))
    sight.replace()
    sight.until("it says what it lacks", lambda: f'cannot list resource "{resource}"' in sight.degraded())
    tell(sight.degraded())
    sight.holder_is_shown()
    give = [{"op": "replace", "path": path, "value": ["list", "watch"]}]
    sight.c.kubectl("patch", kind, DAEMONSET, *space, "--type=json", "-p", json.dumps(give))
    sight.well()


def without_events(sight, left):
    """Without one of these rights an Event, or its repeat, is not told: the log says so, and the metric is there."""
    role(sight, "role", DAEMONSET + "-events", [left], "-n", "default")
    audit, before = Audit(sight.c, user_name(NAMESPACE, DAEMONSET)), sight.events("thief")
    sight.start_thief()
    sight.until("the Event is refused", audit.refused)
    tell("; ".join(audit.refused()))
    expect(all("events" in text for text in audit.refused()), f"refused: {audit.refused()}")
    expect(sight.events("thief") == before, f"Events: {sight.events('thief')}, before {before}")
    sight.until("the metric tells of it", lambda: sight.of_pod("tranche_pod_gpu_granted", "thief") == {"main": 0})
    sight.until("the log says so", lambda: "may not write Events" in sight.log())
    role(sight, "role", DAEMONSET + "-events", ["create", "patch"], "-n", "default")
    sight.c.delete_pod("thief")


def without_new_events(sight):
    """A program that has told nothing yet."""
    sight.replace()
    sight.well()
    without_events(sight, "patch")


# ---- faults ----

def rolled(sight):
    """One after the other: there is never a second one that counts the same."""
    before = sight.pod()["metadata"]["uid"]
    sight.c.kubectl("-n", NAMESPACE, "rollout", "restart", f"daemonset/{DAEMONSET}")
    sight.rolled()
    expect(sight.pod()["metadata"]["uid"] != before, "it was not rolled")
    sight.holder_is_shown()


def killed(sight):
    before = sight.container()
    sight.node.ctr("tasks", "kill", "--signal", "SIGKILL", before)
    sight.c.wait_for("its container is started again", lambda: sight.pod()["status"]["containerStatuses"][0].get(
        "restartCount") and sight.container() != before, SECONDS)
    sight.well()
    sight.holder_is_shown()


def driver_hangs(sight):
    """A call that does not return: it says so, answers its probes and shows nothing that is old."""
    sight.node.sim("hang", "nvmlDeviceGetComputeRunningProcesses")
    try:
        sight.until("it says that a call hangs", lambda: "driver: ReadUsage has not returned" in sight.degraded())
        tell(sight.degraded())
        sight.until("what is old is not shown", lambda: not sight.status()["fresh"] and not sight.figures(
            "tranche_pod_gpu_memory_used_bytes"))
        expect(sight.one("tranche_node_driver_call_stuck_seconds") > 5, "the metric does not tell of it")
        expect(sight.one("tranche_node_ready") == 1, "it is not ready")
    finally:
        sight.node.sim("heal", "nvmlDeviceGetComputeRunningProcesses")
    sight.well()
    sight.holder_is_shown()


def gpu_lost(sight):
    sight.node.sim("lose", "1")
    sight.until("it says which GPU is lost", lambda: "lost" in sight.degraded())
    tell(sight.degraded())
    shown_gpus = {index for _, _, _, index in sight.figures("tranche_pod_gpu_memory_used_bytes")}
    expect("0" in shown_gpus, f"GPUs with memory: {shown_gpus}")
    sight.node.sim("return", "1")
    sight.well()


def kubelet_restarts(sight):
    """While the kubelet is away it is not known who was given what; all else is."""
    sight.node.stop_kubelet()
    sight.until("it says that grants are not known", lambda: "grants: not known" in sight.degraded())
    tell(sight.degraded())
    expect(sight.one("tranche_node_grants_known") == 0, "it says that it knows grants")
    expect(not sight.figures("tranche_pod_gpu_granted"), "grants are shown")
    sight.holder_is_shown()
    sight.node.start_kubelet()
    sight.well()
    expect(sight.of_pod("tranche_pod_gpu_granted", "holder") == {"main": 1}, "the holder's grant")


def api_server_away(sight):
    """Names that are known stay. A program that starts meanwhile has none, and gets them later."""
    running, uid = sight.container(), sight.c.pod("default", "holder")["metadata"]["uid"]
    seconds = sight.of_pod("tranche_pod_gpu_seconds_total", "holder")["main"]
    sight.c.stop_apiserver()
    sight.until("it says so", lambda: "pods: " in sight.degraded())
    tell(sight.degraded())
    sight.until("the holder's figures go on", lambda: sight.of_pod("tranche_pod_gpu_seconds_total", "holder").get(
        "main", 0) > seconds + 2)
    sight.node.ctr("tasks", "kill", "--signal", "SIGKILL", running)
    sight.until("one that starts now has UIDs for names", lambda: sight.is_shown(uid))
    sight.c.start_apiserver()
    sight.well()
    sight.holder_is_shown()


def installed(sight):
    sight.install()
    sight.plugin_serves()


def cases(run):
    archive = bed.product_image()
    with bed.scratch() as folder, bed.Cluster(names=(NODE,), default_runtime="nvidia") as cluster:
        for image in (archive, usage.workload_image(pathlib.Path(folder))):
            cluster.import_image(image)
        audit, sight = Audit(cluster, user_name(NAMESPACE, DAEMONSET)), Sighted(cluster)
        if not run("installed beside our plugin", installed, sight):
            return
        if not run("a pod computes", sight.start_holder):
            return
        run("each right is used, and no other one", rights_are_used, sight, audit)
        run("without the right to patch Events", without_events, sight, "create")
        run("without the right to create Events", without_new_events, sight)
        run("without the right to watch pods", without_pods, sight, "list", "watch", "holder")
        uid = cluster.pod("default", "holder")["metadata"]["uid"]
        run("without the right to list pods", without_pods, sight, "watch", "list", uid)
        run("without the rights to the ConfigMap", without_config, sight, "role", 0, ("-n", NAMESPACE), "configmaps")
        run("without the rights to the node", without_config, sight, "clusterrole", 1, (), "nodes")
        run("rolled", rolled, sight)
        run("killed", killed, sight)
        run("the driver hangs", driver_hangs, sight)
        run("a GPU is lost", gpu_lost, sight)
        run("the kubelet restarts", kubelet_restarts, sight)
        run("the API server is away", api_server_away, sight)
