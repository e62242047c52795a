"""Faults that take their time: the API server away for minutes, etcd restored from an older snapshot, clock jumps.

As in faults_suite.py two pods hold GPUs from beginning to end, and must never notice.
"""

import json
import pathlib
import re
import struct
import subprocess

import bed
from bed import expect
from suites.scene import (CHART, GPUS, LIMIT_SECONDS, MAP, NAMESPACE, NODE, RELEASE, SEED, Scene, Watch,
                          allocates_by_itself, case, profile, tell, written)

CLOCK = pathlib.Path(__file__).with_name("clock.c")
AWAY_SECONDS = 120
# An agent lists again within a minute of a server's coming back (apiserver/watch.cc); the rest is room.
RESTORED_SECONDS = 300


def away_for_minutes(scene):
    cluster, before = scene.cluster, scene.registrations()
    cluster.stop_apiserver()
    away = Watch()
    away.until("the agent says so", lambda: any("kubernetes: not in sync" in text
                                                for text in scene.agent_status()["degraded"]))
    allocates_by_itself(scene, "static-first")
    cluster.wait_for("two minutes", lambda: away.seconds() >= AWAY_SECONDS, AWAY_SECONDS + 10, 1)
    allocates_by_itself(scene, "static-second")
    tell("; ".join(scene.agent_status()["degraded"]))
    expect(scene.serving()["devices"] == 4 * GPUS and scene.registrations() == before, "what is served changed")
    tell(f"the API server was away for {away.seconds():.0f} s")
    cluster.start_apiserver()
    back_in_sync(scene)


def back_in_sync(scene):
    scene.label("dev")
    scene.follows_again("a label applies")


# ---- etcd ----

def version(scene):
    """How far the API server's history has come."""
    return int(json.loads(scene.cluster.kubectl("get", "--raw", "/api/v1/nodes?limit=1").stdout)
               ["metadata"]["resourceVersion"])


def make_history(scene, edits):
    """Writes that nobody watches."""
    text = "\n---\n".join(json.dumps({"apiVersion": "v1", "kind": "ConfigMap",
                                      "metadata": {"generateName": "history-", "namespace": "default"}})
                          for _ in range(edits))
    scene.cluster.kubectl("create", "-f", "-", input=text, seconds=300)


def snapshot(scene, folder):
    plane = scene.cluster.plane
    plane.stop_apiserver()
    plane.etcd.stop()
    plane.copy_etcd(folder)
    plane.etcd.start()
    plane.start_apiserver()


def restore(scene, folder):
    """As etcd's documentation asks: what caches what the API server says is started anew. The agents are not."""
    plane = scene.cluster.plane
    plane.stop_apiserver()
    plane.etcd.stop()
    plane.restore_etcd(folder)
    plane.etcd.start()
    plane.start_apiserver()
    for program in (plane.controller_manager, plane.scheduler):
        program.stop()
        program.start()
    scene.node.restart_kubelet()


def etcd_restored(scene, folder, history):
    """What was written since the snapshot is gone, and the server counts its versions from there again."""
    written(scene, SEED)
    scene.counts(4 * GPUS)
    snapshot(scene, folder)
    scene.cluster.wait_for("in sync again", scene.well, LIMIT_SECONDS)
    then = version(scene)
    written(scene, {**SEED, "dev": profile(5)})
    scene.label("dev")
    scene.counts(5 * GPUS)
    make_history(scene, history)
    # So that the agents' watches have come that far, too.
    scene.label("")
    written(scene, {**SEED, "default": profile(6)})
    scene.counts(6 * GPUS)
    before = version(scene)
    restore(scene, folder)
    restored = Watch()
    now = version(scene)
    tell(f"resourceVersion: {then} at the snapshot, {before} before the restore, {now} after it")
    expect(now < before, "the server's history did not go back")
    watched = scene.agent_status()["kubernetes"]
    tell(f"the agent has seen {MAP} at {watched['configMapResourceVersion']}; it says: {watched['api']}")
    return restored


def restored_far_back(scene, folder):
    """The server does not catch up by itself for long: watches from where they broke off would wait."""
    restored = etcd_restored(scene, folder, 200)
    restored.until("the snapshot's ConfigMap is in force: device manager has 8", lambda: scene.managed() == 4 * GPUS,
                   RESTORED_SECONDS)
    watch = Watch()
    scene.label("dev")
    watch.until("a label applies: device manager has 16", lambda: scene.managed() == 8 * GPUS, RESTORED_SECONDS)
    watch = Watch()
    written(scene, {**SEED, "dev": profile(3)})
    watch.until("an edit of the ConfigMap applies: device manager has 6", lambda: scene.managed() == 3 * GPUS,
                RESTORED_SECONDS)
    settled(scene)


def restored_and_caught_up(scene, folder):
    """The server soon counts past what the agents have seen: an edit made on the way would never be sent to them."""
    restored = etcd_restored(scene, folder, 20)
    before = scene.agent_status()["kubernetes"]["configMapResourceVersion"]
    written(scene, {**SEED, "default": profile(7)})
    edited = scene.cluster.get("configmap", MAP, "-n", NAMESPACE)["metadata"]["resourceVersion"]
    expect(int(edited) < int(before), f"the edit is at {edited}, the agent is at {before} already")
    make_history(scene, 80)
    expect(version(scene) > int(before), "the server has not caught up")
    restored.until("the edit is in force: device manager has 14", lambda: scene.managed() == 7 * GPUS,
                   RESTORED_SECONDS)
    settled(scene)


def settled(scene):
    scene.label("")
    written(scene, SEED)
    scene.counts(4 * GPUS)
    scene.cluster.wait_for("nothing is wrong", scene.well, LIMIT_SECONDS)
    scene.new_pod("after-the-restore")


# ---- the clock ----

def with_a_clock_of_its_own(scene, folder):
    """The agent reads a wall clock that tests can move; clock.c says how, and why so."""
    library = pathlib.Path(folder) / "clock.so"
    done = subprocess.run(["gcc", "-O1", "-shared", "-fPIC", "-o", library, CLOCK, "-ldl"],
                          capture_output=True, text=True, check=False)
    expect(done.returncode == 0, done.stderr)
    with open(library, "rb") as stream:
        scene.node.namespaces.run("sh", "-c", "cat >/run/tranche/clock.so", stdin=stream)
    move_clock(scene, 0)
    env = [{"name": "LD_PRELOAD", "value": "/run/tranche/clock.so"},
           {"name": "CLOCK_OFFSET_FILE", "value": "/run/tranche/clock.offset"}]
    scene.cluster.helm("upgrade", RELEASE, CHART, "-n", NAMESPACE, "--reuse-values",
                       "--set-json", f"devicePlugin.env={json.dumps(env)}")
    scene.rolled()
    scene.cluster.wait_for("the agent serves", lambda: scene.serving() and scene.well(), LIMIT_SECONDS)


def move_clock(scene, seconds):
    """In place: the agent has the file mapped."""
    octal = "".join(f"\\{byte:03o}" for byte in struct.pack("=q", seconds))
    scene.node.run("sh", "-c", f"printf '{octal}' | dd of=/run/tranche/clock.offset conv=notrunc status=none")


def clock_of(scene):
    """The year in which the agent wrote its last event."""
    return scene.agent_status()["events"][-1]["time"][:4]


def clock_jumps(scene, seconds, year):
    agent, registered = scene.agents()[0], scene.registrations()
    move_clock(scene, seconds)
    watch = Watch()
    scene.label("dev")
    watch.until("a label applies: device manager has 16", lambda: scene.managed() == 8 * GPUS)
    watch.until(f"the agent writes a year like {year}", lambda: re.fullmatch(year, clock_of(scene)))
    scene.new_pod("while-the-clock-is-wrong")
    written(scene, {**SEED, "dev": profile(3)})
    watch.until("an edit of the ConfigMap applies: device manager has 6", lambda: scene.managed() == 3 * GPUS)
    expect(scene.well(), f"{scene.agent_status()['degraded']}")
    same_agent(scene, agent, registered)
    move_clock(scene, 0)
    scene.label("")
    written(scene, SEED)
    scene.counts(4 * GPUS)
    same_agent(scene, agent, registered)


def same_agent(scene, agent, registered):
    now = scene.agents()[0]
    expect(now["metadata"]["uid"] == agent["metadata"]["uid"] and
           now["status"]["containerStatuses"] == agent["status"]["containerStatuses"], "the agent was restarted")
    expect(scene.registrations() == registered, "it registered anew")


def clock_wrong_when_connecting(scene):
    """Certificates are not yet valid by a clock that is behind: no connection, the last good config, and a word."""
    cluster = scene.cluster
    move_clock(scene, -10 * 365 * 86400)
    cluster.stop_apiserver()
    cluster.start_apiserver()
    watch = Watch()
    watch.until("kubectl tranche status tells", lambda: scene.warned("certificate"))
    tell("; ".join(scene.warnings()))
    scene.label("dev")
    scene.new_pod("while-nothing-connects")
    expect(scene.managed() == 4 * GPUS and scene.serving(), "what is served changed")
    move_clock(scene, 0)
    scene.follows_again("the clock is right, the label applies")


def cases(run):
    archive = bed.product_image()
    with bed.scratch() as folder, bed.Cluster(names=(NODE,), default_runtime="nvidia") as cluster:
        cluster.import_image(archive)
        scene = Scene(cluster)
        scene.install()
        scene.hold("holder-1")
        scene.hold("holder-2")
        case(run, scene, "the API server is away for two minutes", away_for_minutes)
        case(run, scene, "etcd is restored from far back", restored_far_back, f"{folder}/far")
        case(run, scene, "etcd is restored, and the server soon catches up", restored_and_caught_up, f"{folder}/near")
        case(run, scene, "an agent with a clock of its own", with_a_clock_of_its_own, folder)
        case(run, scene, "its clock jumps forward by ten years", clock_jumps, 10 * 365 * 86400, "203[0-9]")
        case(run, scene, "its clock jumps back by ten years", clock_jumps, -10 * 365 * 86400, "201[0-9]")
        case(run, scene, "its clock is behind when it must connect", clock_wrong_when_connecting)
