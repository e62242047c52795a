#!/usr/bin/env python3
"""The Helm chart: what the real helm makes of it by default and over a matrix of values. TRANCHE_HELM names helm."""

import itertools
import json
import os
import re
import subprocess
import sys
import unittest

sys.dont_write_bytecode = True

from chart import ALONE, CHART, HELM, HERE, SEED, SOURCE, Rendered, documents, helm, settings  # noqa: E402

MANIFESTS = SOURCE / "deploy/manifests"


class LintTest(unittest.TestCase):
    def test_helm_finds_nothing(self):
        for values in ({}, SEED, {"labels": "node", "clusterPolicy.enabled": True}):
            done = helm("lint", "--strict", CHART, *settings(values))
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_versions_are_the_product_s(self):
        version = re.search(r"project\(tranche VERSION (\S+)", (SOURCE / "CMakeLists.txt").read_text())[1]
        (chart,) = documents((CHART / "Chart.yaml").read_text())
        self.assertEqual((chart["version"], chart["appVersion"]), (version, version))

    def test_every_value_is_in_the_schema_and_in_the_docs(self):
        schema = json.loads((CHART / "values.schema.json").read_text())["properties"]
        (values,) = documents((CHART / "values.yaml").read_text())
        self.assertEqual(values.keys() - schema.keys(), set())
        page = (SOURCE / "docs/kubernetes.md").read_text()
        for key in values:
            self.assertIn(f"`{key}", page)

    def test_wrong_values_are_refused_by_name(self):
        for key, value in {"migStrategy": "sometimes", "labels": "everywhere", "metricsPort": 0,
                           "config.fallbackStrategies": ["last"], "deviceListStrategy": "cdi",
                           "config.nam": "x", "logLevel": "loud"}.items():
            rendered = Rendered({key: value})
            self.assertFalse(rendered.ok, key)
            self.assertIn(key.split(".")[-1], rendered.error)


class MatrixTest(unittest.TestCase):
    MATRIX = {
        "source": [{}, SEED, {"config.name": "profiles"}, {"clusterPolicy.enabled": True},
                   {"config.map": {"default": "version: v1\n", "mig": "version: v1\nflags: {migStrategy: mixed}\n"},
                    "config.default": "default"}],
        "labels": [{"labels": outlet} for outlet in ("none", "nfd-file", "node-feature", "node")],
        "rest": [{}, {"compatWithCPUManager": True, "migStrategy": "mixed"},
                 {"nvidiaDriverRoot": "/run/nvidia/driver", "runtimeClassName": "nvidia", "events": False},
                 {"devicePlugin.env": [{"name": "MIG_STRATEGY", "value": "single"}], "migStrategy": "mixed",
                  "updateStrategy": {"type": "OnDelete"}, "resources": {"limits": {"memory": "64Mi"}}}]}

    def test_renders_whatever_is_combined(self):
        for parts in itertools.product(*self.MATRIX.values()):
            values = {key: value for part in parts for key, value in part.items()}
            with self.subTest(values=values):
                rendered = Rendered(values)
                self.assertTrue(rendered.ok, rendered.error)
                self.holds_everywhere(rendered)

    def holds_everywhere(self, rendered):
        daemon_set = rendered.one("DaemonSet")
        labels = daemon_set["spec"]["template"]["metadata"]["labels"]
        self.assertEqual(labels["app"], "nvidia-device-plugin-daemonset")
        self.assertLessEqual(daemon_set["spec"]["selector"]["matchLabels"].items(), labels.items())
        self.assertNotIn("hostNetwork", rendered.pod)
        self.assertNotIn("hostPID", rendered.pod)
        self.assertEqual(rendered.container["command"], ["tranche", "agent"])
        self.assertTrue(rendered.container["securityContext"]["readOnlyRootFilesystem"])
        self.assertEqual([port.get("hostPort") for port in rendered.container["ports"]], [None])
        mounts = {mount["name"] for mount in rendered.container["volumeMounts"]}
        self.assertEqual(mounts, rendered.volumes.keys())
        # Nothing waits for a ConfigMap: it is watched.
        self.assertNotIn("configMap", json.dumps(rendered.pod["volumes"]))
        self.assertIn("NODE_NAME", rendered.environment)
        # Wildcards, and anything that reads secrets or makes pods, are never needed.
        for (_, group, resource, _), verbs in rendered.rules().items():
            self.assertNotIn("*", verbs | {group, resource})
            self.assertIn(resource, {"nodes", "configmaps", "events", "nodefeatures", "clusterpolicies", "pods"})


class DefaultsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.plain, cls.seed = Rendered(), Rendered(SEED)

    def test_names(self):
        self.assertEqual(self.plain.one("DaemonSet")["metadata"]["name"], "tranche-plugin")
        self.assertEqual(self.plain.pod["serviceAccountName"], "tranche-plugin")
        self.assertEqual(self.plain.container["name"], "nvidia-device-plugin-ctr")
        self.assertEqual({found["metadata"]["namespace"] for found in self.plain.of_kind("DaemonSet")},
                         {"gpu-operator"})

    def test_every_node_gets_an_agent_and_one_without_a_driver_waits(self):
        self.assertNotIn("affinity", self.plain.pod)
        self.assertNotIn("nodeSelector", self.plain.pod)
        self.assertEqual(self.plain.environment["FAIL_ON_INIT_ERROR"], "false")
        self.assertEqual({toleration["key"] for toleration in self.plain.pod["tolerations"]},
                         {"nvidia.com/gpu", "CriticalAddonsOnly"})

    def test_rolls_by_surge(self):
        self.assertEqual(self.plain.one("DaemonSet")["spec"]["updateStrategy"],
                         {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}})

    def test_the_seed_s_flags_work_as_they_stand(self):
        self.assertTrue(self.seed.ok, self.seed.error)
        flags = self.seed.flags
        self.assertEqual(flags["profiles-configmap"], "gpu-operator/device-plugin-config")
        self.assertEqual(flags["default-profile"], "default")
        self.assertEqual(flags["fallback-strategies"], "empty")
        self.assertIn("watch-node", flags)
        self.assertEqual(self.seed.of_kind("ConfigMap"), [])

    def test_probes_ask_the_agent(self):
        for probe, path in (("livenessProbe", "/livez"), ("readinessProbe", "/readyz")):
            self.assertEqual(self.plain.container[probe]["httpGet"], {"path": path, "port": "metrics"})
        self.assertEqual(self.plain.container["ports"], [{"name": "metrics", "containerPort": 9435}])

    def test_mounts_what_the_agent_needs_and_writes_where_it_must(self):
        writable = {mount["mountPath"] for mount in self.plain.container["volumeMounts"]
                    if not mount.get("readOnly")}
        self.assertEqual(writable, {"/var/lib/kubelet/device-plugins", "/var/run/cdi", "/run/tranche"})
        (root,) = [mount for mount in self.plain.container["volumeMounts"] if mount["name"] == "driver-root"]
        self.assertEqual(root, {"name": "driver-root", "mountPath": "/driver-root", "readOnly": True,
                                "mountPropagation": "HostToContainer"})
        self.assertEqual(self.plain.volumes["driver-root"], "/")

    def test_mounts_no_driver_root_where_the_nvidia_runtime_brings_all(self):
        envvar = {"deviceListStrategy": "envvar"}
        by_env = [{"name": "DEVICE_LIST_STRATEGY", "value": "cdi-cri"}]
        for values, mounted in ((envvar, False), ({"deviceListStrategy": "volume-mounts"}, False),
                                ({"deviceListStrategy": "envvar,cdi-cri"}, True),
                                ({"deviceListStrategy": "cdi-cri"}, True),
                                ({**envvar, "compatWithCPUManager": True}, True),
                                ({**envvar, "securityContext": {"privileged": True}}, True),
                                ({**envvar, "nvidiaDriverRoot": "/run/nvidia/driver"}, True),
                                ({**envvar, "devicePlugin.env": by_env}, True)):
            rendered = Rendered(values)
            mounts = {mount["name"] for mount in rendered.container["volumeMounts"]}
            self.assertEqual(("driver-root" in rendered.volumes, "driver-root" in mounts), (mounted, mounted), values)

    def test_no_privilege_that_is_not_needed(self):
        context = self.plain.container["securityContext"]
        self.assertEqual(context, {"readOnlyRootFilesystem": True, "allowPrivilegeEscalation": False,
                                   "seccompProfile": {"type": "RuntimeDefault"},
                                   "capabilities": {"drop": ["ALL"]}})

    def test_no_token_where_the_api_is_not_asked(self):
        quiet = Rendered({"events": False})
        self.assertFalse(quiet.pod["automountServiceAccountToken"])
        self.assertEqual(quiet.rules(), {})
        self.assertTrue(self.plain.pod["automountServiceAccountToken"])


class NotesTest(unittest.TestCase):
    def notes(self, values, *more):
        done = helm("install", "gpu-operator", CHART, "--namespace", "gpu-operator", "--dry-run=client",
                    *settings(values), *more)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.split("NOTES:")[1]

    def test_say_what_was_installed(self):
        text = self.notes(SEED)
        self.assertIn("gpu-operator/tranche-plugin", text)
        self.assertIn("gpu-operator/device-plugin-config (watched; it may come later), default: default", text)
        self.assertNotIn("without effect", text)

    def test_say_what_was_not_installed(self):
        self.assertIn("nothing was installed", self.notes({"devicePlugin.enabled": False}))
        text = self.notes(ALONE)
        self.assertIn("gpu-operator/tranche-gfd", text)
        self.assertIn("no GPU is advertised", text)
        self.assertNotIn("custom-columns", text)

    def test_name_what_has_no_effect(self):
        text = self.notes({"drvier.enabled": True}, "--values", HERE / "upstream-values.yaml")
        self.assertIn("without effect here: drvier, gfd.nameOverride, gfd.securityContext, image.repository, mps, nfd",
                      text)
        self.assertIn("NVIDIA's image", text)


class ManifestsTest(unittest.TestCase):
    def test_are_what_the_chart_renders(self):
        done = subprocess.run([MANIFESTS / "render"], env={**os.environ, "HELM": HELM}, text=True,
                              stdout=subprocess.PIPE, check=True)
        self.assertEqual(done.stdout, (MANIFESTS / "tranche.yaml").read_text(),
                         "deploy/manifests/render >deploy/manifests/tranche.yaml")

    def test_hold_a_namespace_and_everything_in_it(self):
        found = documents((MANIFESTS / "tranche.yaml").read_text())
        self.assertEqual(found[0]["kind"], "Namespace")
        for one in found[1:]:
            self.assertIn(one["metadata"].get("namespace"), ("tranche", "default", None))
            self.assertNotIn("Helm", json.dumps(one))

    def test_the_cluster_policy_s_type_is_a_manifest_of_its_own(self):
        (crd,) = documents((MANIFESTS / "clusterpolicy-crd.yaml").read_text())
        self.assertEqual(crd["metadata"]["name"], "clusterpolicies.nvidia.com")
        self.assertEqual(crd["spec"]["scope"], "Cluster")
        self.assertFalse((CHART / "crds").exists())
        self.assertEqual(Rendered({"clusterPolicy.enabled": True}).of_kind("CustomResourceDefinition"), [])


if __name__ == "__main__":
    unittest.main()
