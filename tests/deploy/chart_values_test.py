#!/usr/bin/env python3
"""The values of the Helm chart: what each of them changes. TRANCHE_HELM names helm."""

import json
import sys
import unittest

sys.dont_write_bytecode = True

from chart import ALONE, CHART, HERE, SEED, Rendered, helm, settings  # noqa: E402


class ValuesTest(unittest.TestCase):
    def test_values_of_nvidia_s_chart_work_unchanged(self):
        rendered = Rendered({}, "--values", HERE / "upstream-values.yaml")
        self.assertTrue(rendered.ok, rendered.error)
        # Its affinity is the user's, and honoured; its image has no agent of ours, and is not taken.
        self.assertIn("nodeAffinity", rendered.pod["affinity"])
        self.assertTrue(rendered.container["image"].startswith("docker.io/tranche/tranche:"))
        self.assertEqual(rendered.one("DaemonSet")["spec"]["updateStrategy"]["rollingUpdate"]["maxSurge"], 1)

    def test_each_becomes_what_upstream_s_chart_makes_of_it(self):
        rendered = Rendered({"migStrategy": "single", "failOnInitError": True, "deviceListStrategy": "cdi-cri,envvar",
                             "deviceIDStrategy": "index", "compatWithCPUManager": False,
                             "nvidiaDriverRoot": "/run/nvidia/driver", "nvidiaDevRoot": "/", "gdrcopyEnabled": False,
                             "gdsEnabled": True, "mofedEnabled": True, "deviceDiscoveryStrategy": "nvml",
                             "cdi.nvidiaHookPath": "/usr/bin/nvidia-cdi-hook"})
        expected = {"MIG_STRATEGY": "single", "FAIL_ON_INIT_ERROR": "true", "DEVICE_LIST_STRATEGY": "cdi-cri,envvar",
                    "DEVICE_ID_STRATEGY": "index", "PASS_DEVICE_SPECS": "false",
                    "NVIDIA_DRIVER_ROOT": "/run/nvidia/driver", "NVIDIA_DEV_ROOT": "/", "GDRCOPY_ENABLED": "false",
                    "GDS_ENABLED": "true", "MOFED_ENABLED": "true", "DEVICE_DISCOVERY_STRATEGY": "nvml",
                    "NVIDIA_CDI_HOOK_PATH": "/usr/bin/nvidia-cdi-hook"}
        self.assertLessEqual(expected.items(), rendered.environment.items())
        self.assertEqual(rendered.volumes["driver-root"], "/run/nvidia/driver")

    def test_what_is_not_given_is_left_to_the_profile(self):
        self.assertEqual(Rendered().environment.keys(),
                         {"NODE_NAME", "NAMESPACE", "POD_NAME", "FAIL_ON_INIT_ERROR", "NVIDIA_VISIBLE_DEVICES",
                          "NVIDIA_DRIVER_CAPABILITIES"})

    def test_env_of_the_operator_s_values_wins(self):
        rendered = Rendered({"migStrategy": "mixed",
                             "devicePlugin.env": [{"name": "MIG_STRATEGY", "value": "none"},
                                                  {"name": "OTHER", "value": "1"}]})
        self.assertEqual(rendered.environment["MIG_STRATEGY"], "none")
        self.assertEqual(rendered.environment["OTHER"], "1")

    def test_image(self):
        for values, image in (
                ({"image.repository": "r.example/t", "image.tag": "v2"}, "r.example/t:v2"),
                ({"image.tag": "sha256:" + "0" * 64}, "docker.io/tranche/tranche@sha256:" + "0" * 64),
                ({"devicePlugin.repository": "r.example/team", "devicePlugin.image": "tranche",
                  "devicePlugin.version": "v3"}, "r.example/team/tranche:v3"),
                ({"devicePlugin.repository": "nvcr.io/nvidia", "devicePlugin.image": "k8s-device-plugin",
                  "devicePlugin.version": "v0.20.0"}, "docker.io/tranche/tranche:")):
            self.assertTrue(Rendered(values).container["image"].startswith(image), image)

    def test_profiles_given_in_values(self):
        rendered = Rendered({"config.map": {"a": "version: v1\n", "b": "version: v1\n"}, "config.default": "a"})
        made = rendered.one("ConfigMap")
        self.assertEqual(made["data"], {"a": "version: v1\n", "b": "version: v1\n"})
        self.assertEqual(rendered.flags["profiles-configmap"], f"gpu-operator/{made['metadata']['name']}")
        self.assertEqual(rendered.flags["fallback-strategies"], "named,single")
        # An edit is seen: it must not roll the pods.
        other = Rendered({"config.map": {"a": "version: v1\nflags: {}\n", "b": "version: v1\n"},
                          "config.default": "a"})
        self.assertEqual(other.one("DaemonSet"), rendered.one("DaemonSet"))

    def test_profiles_given_in_the_operator_s_values(self):
        rendered = Rendered({**SEED, "devicePlugin.config.create": True,
                             "devicePlugin.config.data": {"default": "version: v1\n"}})
        self.assertEqual(rendered.one("ConfigMap")["metadata"]["name"], "device-plugin-config")

    def test_what_contradicts_itself_is_refused(self):
        for values, words in (({"config.name": "x", "config.map": {"a": "version: v1"}}, "exclude each other"),
                              ({"config.name": "x", **SEED}, "give one of them"),
                              ({"devicePlugin.config.create": True}, "devicePlugin.config.name"),
                              ({"config.map": {"a": "version: v1"}, "config.default": "b"}, "'b'")):
            rendered = Rendered(values)
            self.assertFalse(rendered.ok)
            self.assertIn(words, rendered.error)

    def test_sys_admin_only_where_mig_may_be_used(self):
        def capabilities(values):
            return Rendered(values).container["securityContext"]["capabilities"].get("add")
        self.assertIsNone(capabilities({"migStrategy": "none"}))
        self.assertIsNone(capabilities({"config.map": {"a": "version: v1\n"}}))
        self.assertIsNone(capabilities({**SEED, "migStrategy": "none", "deviceListStrategy": "cdi-cri"}))
        self.assertEqual(capabilities({"migStrategy": "mixed"}), ["SYS_ADMIN"])
        # What a ConfigMap of somebody else's will say is not known here.
        self.assertEqual(capabilities(SEED), ["SYS_ADMIN"])
        self.assertEqual(capabilities({"config.map": {"a": "version: v1\nflags: {migStrategy: single}\n"}}),
                         ["SYS_ADMIN"])

    def test_a_strategy_for_pods_rolls_as_it_says(self):
        given = {"maxUnavailable": "10%", "maxSurge": 0}
        self.assertEqual(Rendered({"updateStrategy": {"rollingUpdate": given}})
                         .one("DaemonSet")["spec"]["updateStrategy"],
                         {"type": "RollingUpdate", "rollingUpdate": given})
        self.assertEqual(Rendered({"updateStrategy": {"type": "OnDelete"}}).one("DaemonSet")["spec"]
                         ["updateStrategy"], {"type": "OnDelete"})

    def test_neither_plugin_nor_labels_is_nothing(self):
        self.assertEqual(Rendered({"devicePlugin.enabled": False}).objects, [])
        self.assertEqual(Rendered({"devicePlugin.enabled": False, "config.map": {"a": "version: v1\n"}}).objects, [])

    def test_labels(self):
        self.assertEqual(Rendered().flags["labels"], "none")
        self.assertEqual(Rendered({"gfd.enabled": True}).flags["labels"], "node-feature")
        self.assertEqual(Rendered({"gfd.enabled": True, "labels": "node"}).flags["labels"], "node")
        folder = "/etc/kubernetes/node-feature-discovery/features.d"
        self.assertIn(folder, Rendered({"labels": "nfd-file"}).volumes.values())
        self.assertNotIn(folder, Rendered({"labels": "node"}).volumes.values())


class LabelsAloneTest(unittest.TestCase):
    """devicePlugin.enabled: false and gfd.enabled: true, as NVIDIA's chart has it."""

    def test_gpu_feature_discovery_has_a_daemonset_of_its_own(self):
        rendered = Rendered(ALONE)
        self.assertEqual(rendered.one("DaemonSet")["metadata"]["name"], "tranche-gfd")
        self.assertEqual(rendered.pod["serviceAccountName"], "tranche-gfd")
        self.assertEqual(rendered.container["name"], "gpu-feature-discovery-ctr")
        self.assertEqual(rendered.container["command"], ["gpu-feature-discovery"])
        self.assertEqual(rendered.environment["TRANCHE_LABELS"], "node-feature")
        self.assertNotIn("initContainers", rendered.pod)
        # It meets no kubelet, and sees GPUs through NVIDIA's runtime.
        self.assertNotIn("volumes", rendered.pod)
        self.assertEqual(Rendered({**ALONE, "securityContext": {"privileged": True}}).volumes, {"driver-root": "/"})
        labels = rendered.one("DaemonSet")["spec"]["template"]["metadata"]["labels"]
        self.assertEqual(labels["app"], "gpu-feature-discovery")
        self.assertLessEqual(rendered.one("DaemonSet")["spec"]["selector"]["matchLabels"].items(), labels.items())
        with_plugin = Rendered({"gfd.enabled": True}).one("DaemonSet")["spec"]["selector"]["matchLabels"]
        self.assertNotEqual(with_plugin, rendered.one("DaemonSet")["spec"]["selector"]["matchLabels"])

    def test_values_reach_it(self):
        rendered = Rendered({**ALONE, "gfd.sleepInterval": "30s", "gfd.noTimestamp": True, "migStrategy": "single",
                             "nvidiaDriverRoot": "/run/nvidia/driver", "runtimeClassName": "nvidia",
                             "nodeSelector": {"gpu": "yes"}, "labels": "nfd-file", "logLevel": "debug"})
        expected = {"GFD_SLEEP_INTERVAL": "30s", "GFD_NO_TIMESTAMP": "true", "MIG_STRATEGY": "single",
                    "TRANCHE_LABELS": "nfd-file", "TRANCHE_LOG_LEVEL": "debug"}
        self.assertLessEqual(expected.items(), rendered.environment.items())
        self.assertEqual((rendered.pod["runtimeClassName"], rendered.pod["nodeSelector"]), ("nvidia", {"gpu": "yes"}))
        self.assertEqual(rendered.volumes["driver-root"], "/run/nvidia/driver")
        self.assertEqual(rendered.volumes["features"], "/etc/kubernetes/node-feature-discovery/features.d")

    def test_config_manager_brings_profiles(self):
        spec = Rendered({**ALONE, **SEED}).pod
        self.assertTrue(spec["shareProcessNamespace"])
        (init,), (main, sidecar) = spec["initContainers"], spec["containers"]
        for container, oneshot in ((init, "true"), (sidecar, None)):
            values = {entry["name"]: entry.get("value") for entry in container["env"]}
            self.assertEqual(container["command"], ["config-manager"])
            self.assertEqual(values.get("ONESHOT"), oneshot)
            self.assertEqual((values["CONFIG_FILE_SRCDIR"], values["DEFAULT_CONFIG"], values["FALLBACK_STRATEGIES"]),
                             ("/available-configs", "default", "empty"))
        signals = {entry["name"]: entry.get("value") for entry in sidecar["env"]}
        self.assertEqual((signals["SIGNAL"], signals["PROCESS_TO_SIGNAL"]), ("1", "gpu-feature-discovery"))
        self.assertIn({"name": "CONFIG_FILE", "value": "/config/config.yaml"}, main["env"])
        (profiles,) = [volume for volume in spec["volumes"] if volume["name"] == "available-configs"]
        self.assertEqual(profiles["configMap"], {"name": "device-plugin-config"})

    def test_may_do_what_it_does_and_no_more(self):
        features = {("gpu-operator", "", "pods", ()): {"get"},
                    ("gpu-operator", "nfd.k8s-sigs.io", "nodefeatures", ()): {"list", "watch", "create", "update"}}
        nodes = {("", "", "nodes", ()): {"list", "watch"}}
        self.assertEqual(Rendered(ALONE).rules(), features)
        self.assertEqual(Rendered({**ALONE, **SEED}).rules(), {**features, **nodes})
        self.assertEqual(Rendered({**ALONE, "clusterPolicy.enabled": True}).rules(), features)
        self.assertEqual(Rendered({**ALONE, "labels": "node"}).rules(),
                         {("", "", "nodes", ()): {"list", "watch", "patch"}})
        file_only = Rendered({**ALONE, "labels": "nfd-file"})
        self.assertEqual(file_only.rules(), {})
        self.assertFalse(file_only.pod["automountServiceAccountToken"])
        for container in Rendered({**ALONE, "config.map": {"a": "version: v1\n"}}).pod["containers"]:
            self.assertEqual(container["securityContext"]["capabilities"], {"drop": ["ALL"]})

    def test_the_admission_policy_holds_its_account_too(self):
        policy = Rendered({**ALONE, "labels": "node"}).one("ValidatingAdmissionPolicy")
        self.assertIn("gpu-operator:tranche-gfd", json.dumps(policy["spec"]))

    def test_lint(self):
        for more in ({}, SEED, {"labels": "node"}):
            done = helm("lint", "--strict", CHART, *settings({**ALONE, **more}))
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main()
