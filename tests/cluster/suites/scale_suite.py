"""Many agents against one API server: what they ask of it, what they wait for, what they weigh.

`TRANCHE_SCALE_AGENTS` says how many (300, or what the memory bears); `TRANCHE_SCALE_REST_SECONDS` for how long
they are watched at rest (120). Judged is what does not depend on the machine: which requests there are, how
many, and that every agent ends where it must. Durations are shown, and are those of one machine that runs
everything. docs/performance.md has a run of it.
"""

import collections
import json
import os
import time

import bed
from bed import expect
from suites.fleet import CONFIG_MAP, NAMESPACE, Fleet, chart, chart_flags, seconds_of
from suites.requests import AuditLog, Metrics, kinds, peak, per_second

GPUS = 2  # of the simulated node that they all see
MAP_PATH = f"/api/v1/namespaces/{NAMESPACE}/configmaps/{CONFIG_MAP}"
LABEL = "nvidia.com/device-plugin.config"
AGENT_MIB = 40  # far more than one needs, its share of the API server included
REST_SECONDS = float(os.environ.get("TRANCHE_SCALE_REST_SECONDS", "120"))
# A watch is asked for by the agent for 300 to 600 s.
SHORTEST_WATCH_SECONDS = 300
AWAY_SECONDS = 15
# Longer than an Event waits, new or repeated.
QUIET_SECONDS = 15
# Longer than an agent waits before it lists what it watches again after a cut.
LATE_LIST_SECONDS = 65


def how_many():
    free = next(int(line.split()[1]) // 1024 for line in open("/proc/meminfo", encoding="utf-8")
                if line.startswith("MemAvailable:"))
    return int(os.environ.get("TRANCHE_SCALE_AGENTS") or min(300, free // AGENT_MIB))


def profile(replicas):
    return json.dumps({"version": "v1", "sharing": {"timeSlicing": {
        "failRequestsGreaterThanOne": True, "resources": [{"name": "nvidia.com/gpu", "replicas": replicas}]}}})


def show(what, figure):
    print(f"    {what + ' ':.<62} {figure}", flush=True)


def spread(values, unit="s"):
    """p50, p99 and the most of sorted values."""
    at = [values[len(values) // 2], values[min(len(values) - 1, len(values) * 99 // 100)], values[-1]]
    return "p50 {:.2f}, p99 {:.2f}, most {:.2f} ".format(*at) + unit


def mix(requests):
    """How many of each, and which were refused."""
    refused = collections.Counter(code for _, code in requests if code >= 400)
    parts = [f"{count} {kind}" for kind, count in sorted(kinds(requests).items())]
    return ", ".join(parts + [f"{count} of them answered {code}" for code, count in sorted(refused.items())]) or "none"


def of_one_agent(requests):
    """The most of one kind that one agent has asked."""
    return max(collections.Counter((request.node, request.verb, request.resource) for request, _ in requests).values())


class Bench:
    def __init__(self, cluster):
        self.cluster, self.metrics = cluster, None
        self.audit = self.fleet = None
        self.server_at_first = 0

    def set_up(self, count):
        c = self.cluster
        c.kubectl("create", "namespace", NAMESPACE)
        c.apply(chart(c, ["serviceaccount", "rbac", "labels-policy"], labels="node"))
        c.apply(json.dumps({"apiVersion": "v1", "kind": "ConfigMap",
                            "metadata": {"name": CONFIG_MAP, "namespace": NAMESPACE},
                            "data": {"default": profile(4), "dev": profile(8), "spare": profile(3)}}))
        # Nodes without a kubelet would soon be said to be lost; and what they ask is not to be counted.
        c.plane.controller_manager.stop()
        c.plane.scheduler.stop()
        self.audit, self.metrics = AuditLog(c), Metrics(c)
        self.fleet = Fleet(c, count)
        self.server_at_first = self.server_memory()

    def server_memory(self):
        return self.metrics.sum("process_resident_memory_bytes") / 2**20

    def watches(self, resource):
        return self.metrics.sum("apiserver_longrunning_requests", verb="WATCH", resource=resource)

    def asked(self, since, until=float("inf")):
        return self.audit.between(since, until)

    def events(self, since):
        """How many times each reason was given on the agents' nodes."""
        counts = collections.Counter()
        for event in self.fleet.admin.send("GET", "/api/v1/namespaces/default/events")["items"]:
            if seconds_of(event["lastTimestamp"]) >= int(since):
                counts[event["reason"]] += 1
        return ", ".join(f"{count} {reason}" for reason, count in sorted(counts.items())) or "none"

    def edit(self, key, replicas):
        """Of one profile; when it was sent."""
        at = time.time()
        self.fleet.admin.send("PATCH", MAP_PATH, {"data": {key: profile(replicas)}})
        return at

    def settle(self, since, seconds=120, quiet=QUIET_SECONDS):
        """Until nothing has been asked for longer than an agent waits with an Event."""
        def still():
            last = max((request.at for request, _ in self.asked(since)), default=since)
            return time.time() - last > quiet
        bed.wait_for("the agents have come to rest", still, seconds, 0.5)


def starts(b, **values):
    before = [b.watches("nodes"), b.watches("configmaps")]
    began = time.time()
    b.fleet.start(chart_flags(b.cluster, **values))
    took = b.fleet.all_apply("a first config in force", began)
    b.fleet.all_serve(4 * GPUS)
    b.settle(began)
    asked = b.asked(began)
    count = len(b.fleet.agents)
    show(f"{count} agents started at once: in force after", spread(took))
    show("  requests", mix(asked))
    show("  the most within 1 s", peak(asked, 1))
    show("  Events", b.events(began))
    return before, asked


def start_asks_little(b):
    """Where all start at once on one machine some have to wait for their answer, and ask again."""
    before, asked = starts(b)
    count = len(b.fleet.agents)
    wanted = {"list nodes", "list configmaps", "watch nodes", "watch configmaps", "create events"}
    expect(wanted <= set(kinds(asked)) <= wanted | {"patch events"}, f"they ask: {mix(asked)}")
    expect(of_one_agent(asked) <= 8, f"one agent asked for the same {of_one_agent(asked)} times")
    after = [b.watches("nodes"), b.watches("configmaps")]
    expect([now - then for now, then in zip(after, before)] == [count, count],
           f"watches of nodes and ConfigMaps: {before}, then {after}")


def rest_asks_nothing(b):
    fleet, count = b.fleet, len(b.fleet.agents)
    cpu = [agent.cpu_seconds() for agent in fleet.agents]
    server = b.metrics.sum("process_cpu_seconds_total")
    sent, began = fleet.bytes_to(), time.time()
    time.sleep(REST_SECONDS)  # the span that is measured
    asked = b.asked(began)
    passed = time.time() - began
    used = sorted((agent.cpu_seconds() - before) * 60e3 / passed for agent, before in zip(fleet.agents, cpu))
    show(f"at rest, {passed:.0f} s: requests", mix(asked))
    show("  requests per second and node", f"{len(asked) / passed / count:.5f}")
    show("  CPU of an agent per minute", spread(used, "ms"))
    show("  CPU of the API server",
         f"{(b.metrics.sum('process_cpu_seconds_total') - server) / passed * 100:.1f} % of one")
    show("  to an agent, on the wire", f"{(fleet.bytes_to() - sent) / count / passed:.1f} B/s")
    others = [request for request, _ in asked if request.verb != "watch"]
    expect(not others, f"at rest they ask: {others[:5]}")
    most = 2 * count * (1 + passed / SHORTEST_WATCH_SECONDS)
    expect(len(asked) <= most, f"{len(asked)} watches begun anew, {most:.0f} at most")


def counting_counts(b):
    """What an agent's account asks is seen by what found nothing at rest."""
    config, began = b.fleet.agents[0].folder / "kubeconfig", time.time()
    done = b.fleet.namespaces.run(b.cluster.parts["kubernetes"] / "kubectl", "--kubeconfig", config, "get", "nodes",
                                  "scale-0000", check=False, env={"HOME": str(b.fleet.folder)})
    expect("Forbidden" in done.stderr, f"the account may get nodes: {done.stdout}{done.stderr}")
    bed.wait_for("a request in the audit log", lambda: kinds(b.asked(began)).get("get nodes") == 1, 10)


def weighs(b):
    memory = [agent.memory_mib() for agent in b.fleet.agents]
    count = len(memory)
    for what, sizes in zip(("its own pages", "proportional (PSS), among so many", "all that is resident"),
                           zip(*memory)):
        show(f"memory of an agent: {what}", spread(sorted(sizes), "MiB"))
    grown = b.server_memory() - b.server_at_first
    show("memory of the API server, without agents", f"{b.server_at_first:.0f} MiB")
    show("  more with them", f"{grown:.0f} MiB, {grown * 1024 / 2 / count:.0f} KiB per watch")


def edit_reaches_all(b):
    fleet = b.fleet
    sent = fleet.bytes_to()
    began = b.edit("default", 6)
    took = fleet.all_apply("the edit in force", began)
    fleet.all_serve(6 * GPUS)
    b.settle(began)
    asked, count = b.asked(began), len(fleet.agents)
    show("ConfigMap edit: in force after", spread(took))
    show("  requests", mix(asked))
    show("  the most within 1 s", peak(asked, 1))
    show("  Events", b.events(began))
    show("  to an agent, on the wire", f"{(fleet.bytes_to() - sent) / count:.0f} B")
    others = [request for request, _ in asked if request.verb != "watch" and request.resource != "events"]
    expect(not others, f"they ask at an edit: {others[:5]}")
    told = [request.node for request, _ in asked if request.resource == "events"]
    expect(len(told) == len(set(told)) == count, f"{len(told)} Events of {len(set(told))} agents")
    most = max(20, count // 3)
    expect(peak(asked, 1) <= most, f"{peak(asked, 1)} requests within 1 s: more than {most}")


def edit_of_another_asks_nothing(b):
    sent = b.fleet.bytes_to()
    began = b.edit("spare", 5)
    b.settle(began)
    asked = [request for request, _ in b.asked(began) if request.verb != "watch"]
    show("edit of a profile that nobody uses: requests", len(asked))
    show("  to an agent, on the wire", f"{(b.fleet.bytes_to() - sent) / len(b.fleet.agents):.0f} B")
    expect(not asked, f"they ask: {asked[:5]}")


def one_label(b):
    agent, began = b.fleet.agents[-1], time.time()
    b.fleet.admin.send("PATCH", f"/api/v1/nodes/{agent.node}", {"metadata": {"labels": {LABEL: "dev"}}})
    bed.wait_for("the labelled node's profile", lambda: agent.devices() == 8 * GPUS, 30)
    b.settle(began)
    asked = [(request, code) for request, code in b.asked(began) if request.verb != "watch"]
    show("label of one node: in force after", f"{next(at for at in agent.applied() if at > began) - began:.3f} s")
    show("  requests of all agents", mix(asked))
    expect({request.node for request, _ in asked} <= {agent.node}, "others ask as well")
    expect(len(asked) <= 1, f"it asks more than to write its Event: {mix(asked)}")


def all_labels(b):
    fleet, began = b.fleet, time.time()
    # By hand rather than with kubectl, which would take its time between them.
    for agent in fleet.agents:
        fleet.admin.send("PATCH", f"/api/v1/nodes/{agent.node}", {"metadata": {"labels": {LABEL: "spare"}}})
    labelled = time.time()
    took = fleet.all_apply("the label's profile in force", began)
    fleet.all_serve(5 * GPUS)
    b.settle(began)
    asked = b.asked(began)
    show(f"all labelled, within {labelled - began:.2f} s: in force after", spread(took))
    show("  requests", mix(asked))
    others = [request for request, _ in asked if request.verb != "watch" and request.resource != "events"]
    expect(not others, f"they ask: {others[:5]}")


def server_returns(b):
    fleet, count = b.fleet, len(b.fleet.agents)
    b.cluster.stop_apiserver()
    time.sleep(AWAY_SECONDS)  # as long as it is away
    began = time.time()
    b.cluster.start_apiserver()
    ready = time.time()

    def all_watch():
        good = {(request.node, request.resource) for request, code in b.asked(began)
                if request.verb == "watch" and code == 200}
        return len(good) == 2 * count
    bed.wait_for("all watches are open again", all_watch, 120, 0.5)
    b.settle(began, seconds=240, quiet=LATE_LIST_SECONDS)
    asked = b.asked(began)
    first = min(request.at for request, _ in asked)
    show(f"API server away for {AWAY_SECONDS} s, then {ready - began:.1f} s to start: requests", mix(asked))
    show("  in each second from the first", " ".join(map(str, per_second(asked, first))))
    show("  the most of one kind from one agent", of_one_agent(asked))
    expect(of_one_agent(asked) <= 8, f"one agent asked for the same {of_one_agent(asked)} times")
    edited = b.edit("spare", 4)
    show("  an edit afterwards: in force after", spread(fleet.all_apply("an edit after the return", edited)))


def patches_once(b):
    """With the outlet that writes the node's labels."""
    b.fleet.stop()
    for agent in b.fleet.agents:
        b.fleet.admin.send("PATCH", f"/api/v1/nodes/{agent.node}", {"metadata": {"labels": {LABEL: None}}})
    b.fleet.admin.send("PATCH", MAP_PATH, {"data": {"default": profile(4)}})
    _, asked = starts(b, labels="node")
    count = len(b.fleet.agents)
    expect(of_one_agent(asked) <= 8, f"one agent asked for the same {of_one_agent(asked)} times")
    began = b.edit("default", 9)
    took = b.fleet.all_apply("the edit in force", began)
    b.settle(began)
    asked = b.asked(began)
    patched = sorted((request.node, request.at - began) for request, code in asked
                     if (request.verb, request.resource, code) == ("patch", "nodes", 200))
    show("ConfigMap edit, agents that write node labels: in force after", spread(took))
    show("  the patch is sent after", spread(sorted(at for _, at in patched)))
    show("  requests", mix(asked))
    show("  the most within 1 s", peak(asked, 1))
    expect(len(patched) == len({node for node, _ in patched}) == count, f"not one patch per agent: {mix(asked)}")
    nodes = b.fleet.admin.send("GET", "/api/v1/nodes")["items"]
    wrong = [node["metadata"]["name"] for node in nodes
             if node["metadata"]["labels"].get("nvidia.com/gpu.replicas") != "9"]
    expect(not wrong, f"labels not as they should be: {wrong[:5]}")


def cases(run):
    with bed.Cluster(names=()) as c:
        b = Bench(c)
        count = how_many()
        if not run(f"{count} nodes and their tokens", b.set_up, count):
            return
        if not run("a start asks for each thing about once", start_asks_little, b):
            return
        run("at rest nothing is asked but watches", rest_asks_nothing, b)
        run("and a request would have been seen", counting_counts, b)
        run("what they weigh", weighs, b)
        run("a ConfigMap edit reaches all, and none asks for more", edit_reaches_all, b)
        run("nobody asks at an edit that is not his", edit_of_another_asks_nothing, b)
        run("a label concerns one agent", one_label, b)
        run("all nodes labelled at once", all_labels, b)
        run("the API server goes away and comes back", server_returns, b)
        run("agents that write node labels patch once", patches_once, b)
