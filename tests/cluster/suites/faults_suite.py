"""Faults on the real thing: what the user sees, that nothing is lost, and how long recovery takes.

Two pods hold GPUs from beginning to end; after each fault they are the processes that they were, with the
GPUs that they had.
"""

import json
import time

import bed
from bed import expect
from bed.traces import AllocatableTrace, ManagerTrace
from suites.scene import (APP, CHART, DAEMONSET, GPUS, LIMIT_SECONDS, MAP, NAMESPACE, NODE, SEED, PodLoop, Scene,
                          Watch, allocates_by_itself, case, profile, tell, written)


# ---- the kubelet ----

def heartbeat(scene):
    """When the node's kubelet last told its status."""
    return [condition["lastHeartbeatTime"] for condition in scene.cluster.node(NODE)["status"]["conditions"]
            if condition["type"] == "Ready"]


def kubelet_restarts(scene):
    before, held, beat = scene.registrations(), scene.allocated(), heartbeat(scene)
    expect(len(held) == 2, f"the holders' allocations: {held}")
    with AllocatableTrace(scene.cluster) as trace:
        scene.node.stop_kubelet()
        # Without a kubelet there is nobody to serve: what must come back is really gone.
        scene.cluster.wait_for("the agent sees that the kubelet is gone", lambda: not scene.serving(), 30)
        tell("while it is away: " + "; ".join(scene.agent_status()["degraded"]))
        scene.node.run("rm", "-f", "/var/lib/kubelet/device-plugins/kubelet.sock")
        watch = Watch()
        scene.node.start_kubelet()
        tell(f"the kubelet serves device plugins: after {watch.seconds():.1f} s")
        watch.until("registered again", lambda: scene.registrations() > before)
        watch.until("API object has 8 by this kubelet", lambda: heartbeat(scene) != beat and scene.allocatable() == 8)
    tell(f"allocatable meanwhile: {trace.text()}")
    expect(scene.allocated() == held, f"allocations were {held}, are {scene.allocated()}")
    scene.new_pod("after-kubelet")


# ---- a roll ----

def rolled_while_pods_come(scene):
    cluster = scene.cluster
    with AllocatableTrace(cluster) as trace, PodLoop(scene) as pods:
        cluster.wait_for("the loop's first pod", lambda: pods.ran + len(pods.failed) > 0, LIMIT_SECONDS)
        for _ in range(3):
            before = {pod["metadata"]["uid"] for pod in scene.agents()}
            watch, ran = Watch(), pods.ran
            cluster.kubectl("-n", NAMESPACE, "rollout", "restart", f"daemonset/{DAEMONSET}")
            scene.rolled()
            after = {pod["metadata"]["uid"] for pod in scene.agents()}
            expect(after and not before & after, f"agents were {before}, are {after}")
            tell(f"rolled: {watch.seconds():.1f} s, in which {pods.ran - ran} pods came and went")
        # What the kubelet thinks now it tells with its next status.
        last = pods.ran
        cluster.wait_for("pods after the last roll", lambda: pods.ran > last + 3 or pods.fault, LIMIT_SECONDS)
    tell(f"{pods.ran} pods ran, {len(pods.failed)} were refused; {trace.looks} looks: {trace.text()}")
    expect(not pods.failed, "\n".join(pods.failed))
    expect(trace.changes.get(NODE) and not trace.dips(), f"allocatable was 0: {trace.text()}")


def without_a_plugin_pods_fail(scene):
    """The harm that a gap would do: the loop's pods are refused while nobody serves."""
    cluster = scene.cluster
    nowhere = {"spec": {"template": {"spec": {"nodeSelector": {"tranche-test/nowhere": "true"}}}}}
    cluster.kubectl("-n", NAMESPACE, "patch", "daemonset", DAEMONSET, "--type=merge", "-p", json.dumps(nowhere))
    cluster.kubectl("-n", NAMESPACE, "wait", "--for=delete", "pod", "-l", APP, "--timeout=90s", seconds=100)
    pods = PodLoop(scene)
    pods.batch()
    back = [{"op": "remove", "path": "/spec/template/spec/nodeSelector"}]
    watch = Watch()
    cluster.kubectl("-n", NAMESPACE, "patch", "daemonset", DAEMONSET, "--type=json", "-p", json.dumps(back))
    scene.rolled()
    watch.until("serving again", lambda: scene.serving() and scene.allocatable() == 4 * GPUS)
    expect(pods.ran == 0 and all("UnexpectedAdmissionError" in text for text in pods.failed),
           f"{pods.ran} ran, {pods.failed}")
    tell(pods.failed[0])


# ---- the API server ----

def api_server_away(scene):
    cluster, before = scene.cluster, scene.registrations()
    started, container = scene.agent_status()["started"], scene.agent_container()
    cluster.stop_apiserver()
    away = Watch()
    away.until("the agent says so", lambda: any("kubernetes: not in sync" in text
                                                for text in scene.agent_status()["degraded"]))
    tell("; ".join(scene.agent_status()["degraded"]))
    expect(scene.serving()["devices"] == 4 * GPUS, "it serves less than before")
    # An agent that starts now has never heard of the API server.
    watch = Watch()
    scene.node.ctr("tasks", "kill", "--signal", "SIGKILL", container)
    watch.until("another agent has started", lambda: scene.agent_status().get("started", started) != started)
    watch.until("it serves", scene.serving)
    status = scene.agent_status()
    tell("; ".join(status["degraded"]))
    expect(status["config"]["profile"] == "default" and scene.serving()["devices"] == 4 * GPUS,
           f"not the last good config: {status['config']}")
    before, watch = scene.registrations(), Watch()
    scene.node.restart_kubelet()
    tell(f"the kubelet restarts without API server: {watch.seconds():.1f} s")
    watch.until("registered again", lambda: scene.registrations() > before)
    allocates_by_itself(scene, "static-away")
    tell(f"the API server was away for {away.seconds():.0f} s")
    watch = Watch()
    cluster.start_apiserver()
    tell(f"the API server is ready: after {watch.seconds():.1f} s")
    watch = Watch()
    scene.label("dev")
    watch.until("a label applies: device manager has 16", lambda: scene.managed() == 8 * GPUS)
    watch.until("API object has 16", lambda: scene.allocatable() == 8 * GPUS)
    watch.until("nothing is wrong any more", scene.well)
    scene.label("")
    scene.counts(4 * GPUS)


# ---- the ConfigMap ----

def broken_map(scene, breaks, says, nudge=lambda: None):
    """`breaks` spoils the ConfigMap: the last good config stays, the user is told, and a repair applies."""
    before, told = scene.managed(), scene.events(says)
    watch = Watch()
    breaks()
    nudge()
    watch.until("kubectl tranche status tells", lambda: scene.warned(says))
    watch.until("and an Event on the node", lambda: scene.events(says) > told)
    tell("; ".join(scene.warnings()))
    expect(scene.managed() == before and scene.serving()["devices"] == before,
           f"{before} devices became {scene.managed()}")
    scene.new_pod("under-the-last-good")
    # Another number than before: that it is there shows that the repair was read.
    replicas = before // GPUS + 1
    watch = Watch()
    done = scene.write_map({**SEED, "default": profile(replicas)})
    expect(done.returncode == 0, done.stderr)
    nudge()
    watch.until(f"repaired: device manager has {replicas * GPUS}", lambda: scene.managed() == replicas * GPUS)
    watch.until("nothing is wrong any more", scene.well)


def large(size):
    """A good profile, made long with a comment."""
    text = profile(2)
    return text + "#" + "x" * (size - len(text) - 2) + "\n"


def large_map(scene, nudge=lambda: None):
    """The API server takes 1 MiB in all. What is just below is read; what is above never gets there."""
    before = scene.managed()
    done = scene.write_map({**SEED, "default": large((1 << 20) + 1)})
    expect(done.returncode != 0 and "Too long" in done.stderr, f"kubectl: {done.stdout}{done.stderr}")
    tell("above: " + done.stderr)
    expect(scene.managed() == before and scene.well(), "what was refused changed something")
    watch = Watch()
    done = scene.write_map({"default": large((1 << 20) - 1000)})
    expect(done.returncode == 0, done.stderr)
    nudge()
    watch.until("just below: device manager has 4", lambda: scene.managed() == 2 * GPUS)
    watch.until("nothing is wrong", scene.well)


def map_cases(run, scene, form, nudge=lambda: None):
    def broken(name, data, says):
        case(run, scene, f"a ConfigMap {name}, {form}", broken_map, lambda: written(scene, data), says, nudge)

    broken("emptied", {}, "no configuration files available")
    broken("made invalid", {**SEED, "default": "version: v1\nsharing: [\n"}, ":3:1: not readable as YAML")
    broken("with more replicas than a kubelet takes", {**SEED, "default": profile(1000000)}, "choose fewer replicas")
    case(run, scene, f"a large ConfigMap, {form}", large_map, nudge)
    case(run, scene, f"and back, {form}", map_as_it_was, nudge)


def map_as_it_was(scene, nudge=lambda: None):
    written(scene, SEED)
    nudge()
    scene.counts(4 * GPUS)


def delete_map(scene):
    scene.cluster.kubectl("-n", NAMESPACE, "delete", "configmap", MAP)


def mounted(scene):
    """The ConfigMap mounted, as in NVIDIA's DaemonSets, instead of watched by name."""
    daemonset = scene.cluster.get("daemonset", DAEMONSET, "-n", NAMESPACE)
    spec = daemonset["spec"]["template"]["spec"]
    agent = spec["containers"][0]
    agent["args"] = [text for text in agent["args"] if "--profiles-configmap" not in text]
    agent["args"].append("--profiles-dir=/available-configs")
    agent["volumeMounts"].append({"name": "profiles", "mountPath": "/available-configs"})
    spec["volumes"].append({"name": "profiles", "configMap": {"name": MAP}})
    scene.cluster.kubectl("replace", "-f", "-", input=json.dumps(daemonset))
    scene.rolled()
    scene.counts(4 * GPUS)
    expect(not scene.agent_status()["kubernetes"]["configMap"], "it watches the ConfigMap")


def kubelet_looks_again(scene):
    """A kubelet brings a ConfigMap's edit into a pod when it next looks at that pod: within a minute or so by
    itself, at once when something about the pod changes."""
    pod = scene.agents()[0]["metadata"]["name"]
    scene.cluster.kubectl("-n", NAMESPACE, "annotate", "pod", pod, "--overwrite", f"tranche-test/look={time.time()}")


def mounted_map_deleted(scene):
    """The kubelet leaves the files of a running pod as they were: there is nothing to tell."""
    delete_map(scene)
    kubelet_looks_again(scene)

    def missed():
        return [event["message"] for event in scene.cluster.events(NAMESPACE) if event["reason"] == "FailedMount" and
                MAP in event["message"] and "not found" in event["message"]]
    tell("; ".join(scene.cluster.wait_for("the kubelet has missed the ConfigMap", missed, 120)))
    expect(scene.managed() == 4 * GPUS and scene.well(), f"{scene.managed()} devices: {scene.agent_status()}")
    scene.new_pod("without-a-map")
    written(scene, {"default": profile(3)})
    kubelet_looks_again(scene)
    Watch().until("there again: device manager has 6", lambda: scene.managed() == 3 * GPUS)


# ---- rights ----

def bindings(scene):
    """What gives the agents their rights, as it can be put back."""
    found = []
    for kind, space in (("clusterrolebinding", ()), ("rolebinding", ("-n", NAMESPACE)), ("rolebinding", ())):
        for item in scene.cluster.get(kind, *space)["items"]:
            if item["metadata"]["name"].startswith(DAEMONSET):
                found.append((kind, space, item))
    return found


def put_back(scene, found):
    for _, _, item in found:
        for key in ("uid", "resourceVersion", "creationTimestamp", "managedFields"):
            item["metadata"].pop(key, None)
        scene.cluster.apply(json.dumps(item))


def rights_revoked(scene):
    cluster, found = scene.cluster, bindings(scene)
    expect(len(found) == 3, f"bindings: {[item['metadata']['name'] for _, _, item in found]}")
    for kind, space, item in found:
        cluster.kubectl("delete", kind, item["metadata"]["name"], *space)
    # Rights are looked at when a request begins: what is open goes on until the server ends it.
    cluster.stop_apiserver()
    cluster.start_apiserver()
    watch = Watch()
    watch.until("kubectl tranche status tells", lambda: scene.warned("forbidden"))
    tell("; ".join(scene.warnings()))
    scene.label("dev")
    cluster.kubectl("-n", NAMESPACE, "delete", "pod", "-l", APP, "--timeout=90s", seconds=100)
    watch = Watch()
    watch.until("an agent that never had the rights serves", lambda: scene.warned("forbidden") and scene.serving())
    tell("; ".join(scene.warnings()))
    expect(scene.managed() == 4 * GPUS, f"{scene.managed()} devices: not the last good config")
    scene.new_pod("without-rights")
    put_back(scene, found)
    scene.follows_again("rights are back, the label applies")


# ---- two agents ----

def restarts(scene):
    return {pod["metadata"]["name"]: pod["status"]["containerStatuses"][0]["restartCount"] for pod in scene.agents()}


def another_agent(scene):
    """A bare pod of the image with the agent's own settings: somebody's experiment on a node that is served."""
    spec = scene.cluster.get("daemonset", DAEMONSET, "-n", NAMESPACE)["spec"]["template"]["spec"]
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "stray-agent", "namespace": NAMESPACE},
           "spec": {**spec, "nodeName": NODE, "restartPolicy": "Never"}}
    scene.cluster.apply(json.dumps(pod))


def never_another_count(trace, manager):
    expect({count for _, count in trace.changes[NODE]} == {4 * GPUS}, f"allocatable: {trace.text()}")
    expect({count for _, count in manager.changes} == {4 * GPUS}, f"the device manager's: {manager.changes}")


def stands_by(scene, pod):
    """Its log's last word on it; a container that was started again has none."""
    lines = scene.cluster.kubectl("-n", NAMESPACE, "logs", pod, "--tail=50").stdout
    return "standing by" in lines[max(lines.rfind("serving it again"), 0):]


def stray_agent(scene):
    cluster = scene.cluster
    (first, before), = restarts(scene).items()
    other = "another agent serves this node: tranche-plugin"
    told = scene.events(other)
    with AllocatableTrace(cluster) as trace, ManagerTrace(scene.node) as manager:
        watch = Watch()
        another_agent(scene)
        cluster.wait_pod("stray-agent", NAMESPACE)
        watch.until("an Event names the other", lambda: scene.events(other) > told)
        watch.until("the DaemonSet's stands by", lambda: stands_by(scene, first))
        scene.new_pod("beside-a-stray")
        cluster.delete_pod("stray-agent", namespace=NAMESPACE)
        watch = Watch()
        watch.until("the stray deleted, the DaemonSet's serves", scene.well)
        scene.new_pod("after-a-stray")
    tell(f"{trace.looks} looks: {trace.text()}")
    expect(restarts(scene) == {first: before}, f"restarts were {before}, are {restarts(scene)}")
    never_another_count(trace, manager)


def second_release(scene):
    cluster = scene.cluster
    (first, before), = restarts(scene).items()
    with AllocatableTrace(cluster) as trace, ManagerTrace(scene.node) as manager, PodLoop(scene) as pods:
        watch = Watch()
        cluster.helm("install", "second", CHART, "-n", NAMESPACE, "--set", f"devicePlugin.config.name={MAP}",
                     "--set", "devicePlugin.config.default=default", "--set", "fullnameOverride=second")
        tell("both are there")
        ran = pods.ran
        watch.until("kubectl tranche status tells of both", lambda: "more than one plugin pod on this node" in
                    scene.kubectl_tranche("status"))
        watch.until("the first stands by, not Ready", lambda: stands_by(scene, first) and not is_ready(scene, first))
        cluster.wait_for("pods beside both", lambda: pods.ran > ran + 8 or pods.fault, LIMIT_SECONDS)
        scene.show()
        expect(set(restarts(scene).values()) == {before}, f"restarts were {before}, are {restarts(scene)}")
        cluster.helm("uninstall", "second", "-n", NAMESPACE, "--wait")
        watch = Watch()
        watch.until("the first serves again", lambda: len(scene.agents()) == 1 and scene.well(), 400)
        ran = pods.ran
        cluster.wait_for("pods after that", lambda: pods.ran > ran + 3 or pods.fault, LIMIT_SECONDS)
    tell(f"{pods.ran} pods ran, {len(pods.failed)} were refused; {trace.looks} looks: {trace.text()}")
    expect(not pods.failed, "\n".join(pods.failed))
    expect(restarts(scene) == {first: before}, f"restarts were {before}, are {restarts(scene)}")
    never_another_count(trace, manager)


def is_ready(scene, pod):
    return any(condition["type"] == "Ready" and condition["status"] == "True"
               for condition in scene.cluster.pod(NAMESPACE, pod)["status"]["conditions"])


def cases(run):
    archive = bed.product_image()
    with bed.Cluster(names=(NODE,), default_runtime="nvidia") as cluster:
        cluster.import_image(archive)
        scene = Scene(cluster)
        scene.install()
        scene.hold("holder-1")
        scene.hold("holder-2")
        case(run, scene, "a kubelet restarts", kubelet_restarts)
        case(run, scene, "the DaemonSet is rolled while pods come and go", rolled_while_pods_come)
        case(run, scene, "with nobody serving such pods fail", without_a_plugin_pods_fail)
        case(run, scene, "the API server goes away; agent and kubelet restart; it comes back", api_server_away)
        case(run, scene, "a ConfigMap deleted, watched", broken_map, lambda: delete_map(scene), "does not exist")
        map_cases(run, scene, "watched")
        case(run, scene, "the agents' rights are revoked, and given back", rights_revoked)
        case(run, scene, "a second agent on the node, by hand", stray_agent)
        case(run, scene, "a second release of the chart", second_release)
        case(run, scene, "the ConfigMap mounted instead", mounted)
        case(run, scene, "a ConfigMap deleted, mounted", mounted_map_deleted)
        map_cases(run, scene, "mounted", lambda: kubelet_looks_again(scene))
