#!/usr/bin/env python3
"""The Helm chart: what the real helm makes of it, over a matrix of values. TRANCHE_HELM names helm."""

import itertools
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

SOURCE = pathlib.Path(os.environ.get("TRANCHE_SOURCE_DIR") or pathlib.Path(__file__).resolve().parents[2])
CHART = SOURCE / "deploy/chart/tranche"
MANIFESTS = SOURCE / "deploy/manifests"
HERE = pathlib.Path(__file__).resolve().parent
HELM = os.environ.get("TRANCHE_HELM") or "helm"
sys.dont_write_bytecode = True

# Reads YAML with helm's own reader: a chart whose one template prints the files it is given as JSON.
READER = """{{- $all := list }}{{ range $path, $_ := .Files.Glob "documents/*" }}
{{- $all = append $all ($.Files.Get $path | fromYaml) }}{{ end }}
{{ dict "kind" "List" "apiVersion" "v1" "items" $all | toJson }}
"""

SEED = {"devicePlugin.config.name": "device-plugin-config", "devicePlugin.config.default": "default"}


def helm(*arguments, **more):
    return subprocess.run([HELM, *map(str, arguments)], text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, env={**os.environ, "KUBECONFIG": "/dev/null"}, **more)


def documents(text):
    """The YAML documents of a text."""
    with tempfile.TemporaryDirectory() as folder:
        chart = pathlib.Path(folder)
        (chart / "templates").mkdir()
        (chart / "documents").mkdir()
        (chart / "Chart.yaml").write_text("{apiVersion: v2, name: reader, version: 0.0.1}")
        (chart / "templates/all.yaml").write_text(READER)
        parts = [part for part in re.split(r"^---$", text, flags=re.M)
                 if re.search(r"^[^#\s]", part, re.M)]
        for number, part in enumerate(parts):
            (chart / f"documents/{number:03}.yaml").write_text(part)
        done = helm("template", "r", chart)
        if done.returncode != 0:
            raise AssertionError(done.stderr)
        return json.loads(next(line for line in done.stdout.splitlines() if line.startswith("{")))["items"]


def settings(values):
    words = []
    for key, value in values.items():
        if isinstance(value, str):
            words += ["--set-string", f"{key}={value}".replace(",", r"\,")]
        else:
            words += ["--set-json", f"{key}={json.dumps(value)}"]
    return words


class Rendered:
    def __init__(self, values=None, *more):
        done = helm("template", "gpu-operator", CHART, "--namespace", "gpu-operator", *settings(values or {}),
                    *more)
        self.error = done.stderr
        self.ok = done.returncode == 0
        self.text = done.stdout
        self.objects = documents(done.stdout) if self.ok else []
        if self.ok and any("Error" in found for found in self.objects):
            raise AssertionError(f"not YAML: {self.objects}\n{self.text}")

    def of_kind(self, kind):
        return [found for found in self.objects if found["kind"] == kind]

    def one(self, kind):
        (found,) = self.of_kind(kind)
        return found

    @property
    def pod(self):
        return self.one("DaemonSet")["spec"]["template"]["spec"]

    @property
    def container(self):
        (found,) = self.pod["containers"]
        return found

    @property
    def flags(self):
        return dict(flag.removeprefix("--").partition("=")[::2] for flag in self.container["args"])

    @property
    def environment(self):
        names = [entry["name"] for entry in self.container["env"]]
        assert len(names) == len(set(names)), names
        return {entry["name"]: entry.get("value", entry.get("valueFrom")) for entry in self.container["env"]}

    @property
    def volumes(self):
        return {volume["name"]: volume["hostPath"]["path"] for volume in self.pod["volumes"]}

    def rules(self):
        """{(kind, namespace, group, resource, names): verbs}, all of it bound to the agent's account."""
        account = self.one("ServiceAccount")["metadata"]
        found = {}
        bound = {(binding["roleRef"]["kind"], binding["metadata"].get("namespace"), binding["roleRef"]["name"])
                 for binding in self.of_kind("ClusterRoleBinding") + self.of_kind("RoleBinding")
                 if binding["subjects"] == [{"kind": "ServiceAccount", "name": account["name"],
                                             "namespace": account["namespace"]}]}
        for role in self.of_kind("ClusterRole") + self.of_kind("Role"):
            metadata = role["metadata"]
            assert (role["kind"], metadata.get("namespace"), metadata["name"]) in bound, metadata
            for rule in role["rules"]:
                for group, resource in itertools.product(rule["apiGroups"], rule["resources"]):
                    key = (metadata.get("namespace", ""), group, resource, tuple(rule.get("resourceNames", [])))
                    found.setdefault(key, set()).update(rule["verbs"])
        return found


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

    ALONE = {"devicePlugin.enabled": False, "gfd.enabled": True}

    def test_gpu_feature_discovery_has_a_daemonset_of_its_own(self):
        rendered = Rendered(self.ALONE)
        self.assertEqual(rendered.one("DaemonSet")["metadata"]["name"], "tranche-gfd")
        self.assertEqual(rendered.pod["serviceAccountName"], "tranche-gfd")
        self.assertEqual(rendered.container["name"], "gpu-feature-discovery-ctr")
        self.assertEqual(rendered.container["command"], ["gpu-feature-discovery"])
        self.assertEqual(rendered.environment["TRANCHE_LABELS"], "node-feature")
        self.assertNotIn("initContainers", rendered.pod)
        # It meets no kubelet, and sees GPUs through NVIDIA's runtime.
        self.assertNotIn("volumes", rendered.pod)
        self.assertEqual(Rendered({**self.ALONE, "securityContext": {"privileged": True}}).volumes, {"driver-root": "/"})
        labels = rendered.one("DaemonSet")["spec"]["template"]["metadata"]["labels"]
        self.assertEqual(labels["app"], "gpu-feature-discovery")
        self.assertLessEqual(rendered.one("DaemonSet")["spec"]["selector"]["matchLabels"].items(), labels.items())
        with_plugin = Rendered({"gfd.enabled": True}).one("DaemonSet")["spec"]["selector"]["matchLabels"]
        self.assertNotEqual(with_plugin, rendered.one("DaemonSet")["spec"]["selector"]["matchLabels"])

    def test_values_reach_it(self):
        rendered = Rendered({**self.ALONE, "gfd.sleepInterval": "30s", "gfd.noTimestamp": True, "migStrategy": "single",
                             "nvidiaDriverRoot": "/run/nvidia/driver", "runtimeClassName": "nvidia",
                             "nodeSelector": {"gpu": "yes"}, "labels": "nfd-file", "logLevel": "debug"})
        expected = {"GFD_SLEEP_INTERVAL": "30s", "GFD_NO_TIMESTAMP": "true", "MIG_STRATEGY": "single",
                    "TRANCHE_LABELS": "nfd-file", "TRANCHE_LOG_LEVEL": "debug"}
        self.assertLessEqual(expected.items(), rendered.environment.items())
        self.assertEqual((rendered.pod["runtimeClassName"], rendered.pod["nodeSelector"]), ("nvidia", {"gpu": "yes"}))
        self.assertEqual(rendered.volumes["driver-root"], "/run/nvidia/driver")
        self.assertEqual(rendered.volumes["features"], "/etc/kubernetes/node-feature-discovery/features.d")

    def test_config_manager_brings_profiles(self):
        spec = Rendered({**self.ALONE, **SEED}).pod
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
        self.assertEqual(Rendered(self.ALONE).rules(), features)
        self.assertEqual(Rendered({**self.ALONE, **SEED}).rules(), {**features, **nodes})
        self.assertEqual(Rendered({**self.ALONE, "clusterPolicy.enabled": True}).rules(), features)
        self.assertEqual(Rendered({**self.ALONE, "labels": "node"}).rules(),
                         {("", "", "nodes", ()): {"list", "watch", "patch"}})
        file_only = Rendered({**self.ALONE, "labels": "nfd-file"})
        self.assertEqual(file_only.rules(), {})
        self.assertFalse(file_only.pod["automountServiceAccountToken"])
        for container in Rendered({**self.ALONE, "config.map": {"a": "version: v1\n"}}).pod["containers"]:
            self.assertEqual(container["securityContext"]["capabilities"], {"drop": ["ALL"]})

    def test_the_admission_policy_holds_its_account_too(self):
        policy = Rendered({**self.ALONE, "labels": "node"}).one("ValidatingAdmissionPolicy")
        self.assertIn("gpu-operator:tranche-gfd", json.dumps(policy["spec"]))

    def test_lint(self):
        for more in ({}, SEED, {"labels": "node"}):
            done = helm("lint", "--strict", CHART, *settings({**self.ALONE, **more}))
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


class PermissionsTest(unittest.TestCase):
    """Exactly what the agent sends, for each thing that may be asked of it."""

    EVENTS = {("default", "", "events", ()): {"create", "patch"}}
    NODES = {("", "", "nodes", ()): {"list", "watch"}}

    def of(self, values, expected):
        self.assertEqual(Rendered(values).rules(), expected, values)

    def test_events_alone(self):
        self.of({}, self.EVENTS)

    def test_profiles(self):
        self.of(SEED, {**self.EVENTS, **self.NODES,
                       ("gpu-operator", "", "configmaps", ("device-plugin-config",)): {"list", "watch"}})

    def test_cluster_policy(self):
        policy = {("", "nvidia.com", "clusterpolicies", ("cluster-policy",)): {"list", "watch"}}
        self.of({"clusterPolicy.enabled": True},
                {**self.EVENTS, **self.NODES, **policy,
                 ("gpu-operator", "", "configmaps", ()): {"list", "watch"}})
        self.of({"clusterPolicy.enabled": True, "clusterPolicy.configMaps": ["a"], "config.name": "b"},
                {**self.EVENTS, **self.NODES, **policy,
                 ("gpu-operator", "", "configmaps", ("b", "a")): {"list", "watch"}})

    def test_label_outlets(self):
        self.of({"labels": "nfd-file"}, self.EVENTS)
        self.of({"labels": "node-feature"},
                {**self.EVENTS, ("gpu-operator", "", "pods", ()): {"get"},
                 ("gpu-operator", "nfd.k8s-sigs.io", "nodefeatures", ()): {"list", "watch", "create", "update"}})
        self.of({"labels": "node"}, {**self.EVENTS, ("", "", "nodes", ()): {"list", "watch", "patch"}})


class LabelsPolicyTest(unittest.TestCase):
    def test_holds_this_account_wherever_it_may_patch_nodes(self):
        written = documents((SOURCE / "deploy/labels-policy/policy.yaml").read_text())
        rendered = Rendered({"labels": "node"})
        (policy, binding) = (rendered.one(kind) for kind in ("ValidatingAdmissionPolicy",
                                                             "ValidatingAdmissionPolicyBinding"))
        account = json.dumps(written[0]["spec"]).replace("NAMESPACE", "gpu-operator") \
            .replace("ACCOUNT", rendered.pod["serviceAccountName"])
        self.assertEqual(policy["spec"], json.loads(account))
        self.assertEqual(binding["spec"], written[1]["spec"])
        self.assertEqual(policy["metadata"]["name"], binding["spec"]["policyName"])

    def test_two_releases_have_one_each(self):
        rendered = Rendered({"labels": "node", "fullnameOverride": "other"})
        names = {rendered.one(kind)["metadata"]["name"] for kind in ("ValidatingAdmissionPolicy",
                                                                     "ValidatingAdmissionPolicyBinding")}
        self.assertEqual(names, {"other-node-labels"})
        self.assertIn("gpu-operator:other-plugin", json.dumps(rendered.one("ValidatingAdmissionPolicy")["spec"]))

    def test_is_not_there_where_nothing_is_patched(self):
        for values in ({}, {"labels": "node-feature"}, {"labels": "nfd-file"}):
            self.assertEqual(Rendered(values).of_kind("ValidatingAdmissionPolicy"), [])


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
        text = self.notes(LabelsAloneTest.ALONE)
        self.assertIn("gpu-operator/tranche-gfd", text)
        self.assertIn("no GPU is advertised", text)
        self.assertNotIn("custom-columns", text)

    def test_name_what_has_no_effect(self):
        text = self.notes({"drvier.enabled": True}, "--values", HERE / "upstream-values.yaml")
        self.assertIn("without effect here: drvier, mps, nfd", text)
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
