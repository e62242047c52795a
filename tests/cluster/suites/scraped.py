"""A real Prometheus beside a node's pods: it finds both programs as the chart's PodMonitors say, and has the chart's rules.

Prometheus' operator, which would read these objects, is replaced by the few lines that make a scrape config of a
PodMonitor. The types of the objects are in the cluster, so that Helm makes them as it would for the operator. Debian's
Prometheus cannot ask an API server for pods, so that it is told of them here, in the labels that its own discovery has.
"""

import json
import re
import subprocess
import sys

import bed
from bed import expect, network
from bed.program import HERE
from suites.scene import NODE
from suites.sighted import NAMESPACE, SECONDS

sys.path.append(str(bed.ROOT / "tests/sight"))

import promtool  # noqa: E402

GROUP = "monitoring.coreos.com"
VALUES = ["--set", "node.podMonitor.enabled=true", "--set", "node.prometheusRule.enabled=true"]


def types():
    """PodMonitor and PrometheusRule, which take whatever they are given."""
    made = []
    for kind in ("PodMonitor", "PrometheusRule"):
        plural = kind.lower() + "s"
        schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
        made.append({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
                     "metadata": {"name": f"{plural}.{GROUP}"},
                     "spec": {"group": GROUP, "scope": "Namespaced",
                              "names": {"kind": kind, "plural": plural, "singular": kind.lower()},
                              "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}]}})
    return "\n---\n".join(map(json.dumps, made))


def snake(name):
    return re.sub(r"[A-Z]", lambda letter: "_" + letter[0].lower(), name)


def discovered(pod):
    """What Prometheus' discovery says of a pod: a target for each port of each container."""
    labels = {"__meta_kubernetes_namespace": pod["metadata"]["namespace"],
              "__meta_kubernetes_pod_name": pod["metadata"]["name"],
              "__meta_kubernetes_pod_node_name": pod["spec"].get("nodeName", "")}
    for name, value in pod["metadata"].get("labels", {}).items():
        labels[pod_label(name)] = value
    for container in pod["spec"]["containers"]:
        for port in container.get("ports", []):
            yield {"targets": [f"{pod['status']['podIP']}:{port['containerPort']}"],
                   "labels": {**labels, "__meta_kubernetes_pod_container_name": container["name"],
                              "__meta_kubernetes_pod_container_port_name": port.get("name", "")}}


def pod_label(name):
    return "__meta_kubernetes_pod_label_" + re.sub(r"\W", "_", name)


def scrapes(monitor, targets):
    """What Prometheus' operator makes of a PodMonitor: a scrape config for each of its endpoints."""
    for number, endpoint in enumerate(monitor["spec"]["podMetricsEndpoints"]):
        relabel = [{"action": "keep", "source_labels": [pod_label(label)], "regex": value}
                   for label, value in monitor["spec"]["selector"]["matchLabels"].items()]
        relabel.append({"action": "keep", "source_labels": ["__meta_kubernetes_pod_container_port_name"],
                        "regex": endpoint["port"]})
        relabel += [{"source_labels": [f"__meta_kubernetes_{source}"], "target_label": target} for source, target in (
            ("namespace", "namespace"), ("pod_container_name", "container"), ("pod_name", "pod"))]
        relabel += [{snake(key): value for key, value in rule.items()} for rule in endpoint.get("relabelings", [])]
        yield {"job_name": f"podMonitor/{monitor['metadata']['name']}/{number}",
               "honor_labels": endpoint.get("honorLabels", False), "static_configs": targets,
               "relabel_configs": relabel}


class Scraped:
    """with Scraped(sight, folder) as scraped: scraped.start(); scraped.prometheus.query(…)"""

    def __init__(self, sight, folder):
        self.sight, self.c, self.folder = sight, sight.c, folder / "prometheus"
        self.prometheus = self._forward = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.prometheus:
            self.prometheus.stop()
        if self._forward:
            self._forward.terminate()
            self._forward.wait(60)

    def start(self):
        """In the network of the node, from which it reaches the pods."""
        done = subprocess.run([bed.ROOT / "tools/prometheus"], stdout=subprocess.PIPE, text=True, check=True)
        promtool.FOLDER = done.stdout.strip()
        self.folder.mkdir()
        targets = [target for pod in self.c.get("pods", "-A")["items"] for target in discovered(pod)]
        monitors = self.c.get(f"podmonitors.{GROUP}", "-n", NAMESPACE)["items"]
        rules = self.c.get(f"prometheusrules.{GROUP}", "-n", NAMESPACE)["items"]
        expect((len(monitors), len(rules)) == (2, 1), f"the chart made {monitors} and {rules}")
        port, node = network.free_port(), self.sight.node.namespaces
        self.prometheus = promtool.Prometheus(
            self.folder, port, [scrape for monitor in monitors for scrape in scrapes(monitor, targets)],
            json.dumps(rules[0]["spec"]), node.enter(network_only=True))
        self._forward = subprocess.Popen([sys.executable, "-B", HERE / "forward.py", str(port), str(node.pid),
                                          "127.0.0.1", str(port)], stdin=subprocess.DEVNULL)

    def until(self, what, question):
        def answered():
            try:
                return question()
            except OSError:
                return None  # it has not begun to listen
        try:
            return self.c.wait_for(what, answered, SECONDS, 0.5)
        except bed.Fault as fault:
            raise bed.Fault(f"{fault}\n{(self.folder / 'log').read_text()[-3000:]}") from None


# ---- cases ----

def both_programs_are_found(scraped):
    scraped.start()
    pods = {pod["metadata"]["name"]: pod["metadata"]["labels"]["app"]
            for pod in scraped.c.get("pods", "-n", NAMESPACE)["items"]}
    expect(len(pods) == 2, f"pods: {pods}")

    def up():
        """{pod: (value, the other labels)}"""
        found = {labels["pod"]: (value, labels["namespace"], labels["instance"])
                 for labels, value in scraped.prometheus.query("up")}
        return found == {name: (1, NAMESPACE, NODE) for name in pods}
    scraped.until(f"{sorted(pods)} are scraped, with the node's name", up)
    for name in ("tranche_plugin_ready", "tranche_node_ready"):
        expect(scraped.prometheus.value(name) == 1, f"{name}: {scraped.prometheus.query(name)}")


def names_of_pods_are_kept(scraped):
    """`namespace` and `pod` say who uses the GPU, and not which pod was asked."""
    scraped.sight.start_holder()
    query = 'tranche_pod_gpu_memory_used_bytes{pod="holder"} > 0'
    found = scraped.until("the holder is in Prometheus", lambda: scraped.prometheus.query(query))
    expect([(labels["namespace"], labels["container"]) for labels, _ in found] == [("default", "main")], f"{found}")
    scraped.c.delete_pod("holder")
    # Until its processes have ended it has a GPU that the kubelet no longer says to be its.
    scraped.until("and gone from it", lambda: not scraped.prometheus.query(query))


def an_alert_fires_and_ends(scraped):
    alert = "TrancheGpuNotGiven"
    scraped.until("nothing fires", lambda: not scraped.prometheus.firing(alert))
    scraped.sight.start_thief()
    fired = scraped.until(f"{alert} fires", lambda: scraped.prometheus.firing(alert))
    told = {(one["labels"]["namespace"], one["labels"]["pod"], one["labels"]["instance"]) for one in fired}
    expect(told == {("default", "thief", NODE)}, f"{fired}")
    scraped.c.delete_pod("thief")
    scraped.until("and ends", lambda: not scraped.prometheus.firing(alert))
