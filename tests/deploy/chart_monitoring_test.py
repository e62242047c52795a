#!/usr/bin/env python3
"""What the chart makes for Prometheus' operator and for Grafana. TRANCHE_HELM names helm."""

import json
import sys
import unittest

sys.dont_write_bytecode = True

from chart import CHART, SOURCE, Rendered, documents, helm, settings  # noqa: E402

ON = {"node.enabled": True, "node.podMonitor.enabled": True, "node.prometheusRule.enabled": True,
      "node.dashboard.enabled": True}
KINDS = ["PodMonitor", "PrometheusRule"]
MONITORING = SOURCE / "deploy/monitoring"


class MonitoringTest(unittest.TestCase):
    def test_each_part_is_there_only_where_it_is_asked_for(self):
        for key, kind in (("podMonitor", "PodMonitor"), ("prometheusRule", "PrometheusRule"),
                          ("dashboard", "ConfigMap")):
            asked = f"node.{key}.enabled"
            self.assertTrue(Rendered({"node.enabled": True, asked: True}).of_kind(kind))
            self.assertTrue(Rendered({"node.enabled": "true", asked: "true"}).of_kind(kind))
            for values in ({"node.enabled": True}, {asked: True}, {**ON, asked: False}, {**ON, f"node.{key}": None}):
                self.assertEqual(Rendered(values).of_kind(kind), [], values)

    def test_each_monitor_selects_the_pods_of_one_program_and_asks_their_metrics(self):
        rendered = Rendered({**ON, "selectorLabelsOverride": {"team": "gpu"}})
        pods = {found["metadata"]["name"]: found["spec"]["template"] for found in rendered.of_kind("DaemonSet")}
        monitors = {found["metadata"]["name"]: found["spec"] for found in rendered.of_kind("PodMonitor")}
        self.assertEqual(monitors.keys(), pods.keys())
        self.assertEqual(pods.keys(), {"tranche-node", "tranche-plugin"})
        for name, monitor in monitors.items():
            selected = [pod for pod, template in pods.items()
                        if monitor["selector"]["matchLabels"].items() <= template["metadata"]["labels"].items()]
            self.assertEqual(selected, [name])
            endpoint, = monitor["podMetricsEndpoints"]
            container, = pods[name]["spec"]["containers"]
            self.assertIn(endpoint["port"], [port["name"] for port in container["ports"]])
            self.assertIs(endpoint["honorLabels"], True)
            self.assertEqual(endpoint["interval"], "15s")
            relabeling, = endpoint["relabelings"]
            self.assertEqual(relabeling, {"action": "replace", "targetLabel": "instance",
                                          "sourceLabels": ["__meta_kubernetes_pod_node_name"]})
        alone = Rendered({**ON, "devicePlugin.enabled": False})
        self.assertEqual([found["metadata"]["name"] for found in alone.of_kind("PodMonitor")], ["tranche-node"])
        plain = Rendered({**ON, "node.podMonitor.interval": ""}).of_kind("PodMonitor")[0]
        self.assertNotIn("interval", plain["spec"]["podMetricsEndpoints"][0])

    def test_rules_and_board_are_the_files_that_are_tested(self):
        rendered = Rendered(ON)
        rules, = documents((MONITORING / "tranche-rules.yaml").read_text())
        self.assertEqual(rendered.one("PrometheusRule")["spec"], rules)
        self.assertTrue(rules["groups"])
        board, = rendered.one("ConfigMap")["data"].values()
        self.assertEqual(json.loads(board), json.loads((MONITORING / "tranche-dashboard.json").read_text()))

    def test_labels_are_those_that_others_select_by(self):
        given = {f"node.{key}.labels": {"release": "prometheus", "grafana_dashboard": "yes"}
                 for key in ("podMonitor", "prometheusRule", "dashboard")}
        rendered = Rendered({**ON, **given})
        found = [one for kind in (*KINDS, "ConfigMap") for one in rendered.of_kind(kind)]
        self.assertEqual(len(found), 4)
        for one in found:
            self.assertEqual(one["metadata"]["labels"]["release"], "prometheus")
            self.assertEqual(one["metadata"]["labels"]["app.kubernetes.io/component"], "node")
            self.assertEqual(one["metadata"]["namespace"], "gpu-operator")
        self.assertEqual(Rendered(ON).one("ConfigMap")["metadata"]["labels"]["grafana_dashboard"], "1")

    def test_lint_and_mistakes(self):
        done = helm("lint", "--strict", CHART, *settings(ON))
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        for key, value in {"node.podMonitor.interval": "often", "node.prometheusRule.labels": ["a"],
                           "node.dashboard.enabled": "perhaps"}.items():
            rendered = Rendered({**ON, key: value})
            self.assertFalse(rendered.ok, key)
            self.assertIn(key.split(".")[-1], rendered.error)

    def test_where_the_program_is_not_installed_they_are_named_as_without_effect(self):
        done = helm("install", "t", CHART, "--namespace", "n", "--dry-run=client",
                    *settings({"node.prometheusRule.enabled": True, "node.podMonitor.labels": {"a": "b"}}))
        self.assertIn("node.podMonitor.labels, node.prometheusRule.enabled", done.stdout)
        done = helm("install", "t", CHART, "--namespace", "n", "--dry-run=client", *settings(ON))
        self.assertNotIn("without effect", done.stdout)


if __name__ == "__main__":
    unittest.main()
