#!/usr/bin/env python3
"""The chart's second DaemonSet, tranche-node: what node.enabled installs. TRANCHE_HELM names helm."""

import sys
import unittest

sys.dont_write_bytecode = True

from chart import ALONE, CHART, SEED, Rendered, helm, settings  # noqa: E402

ON = {"node.enabled": True}
# Beside NVIDIA's plugin or the operator's: nothing else of ours.
ONLY = {**ON, "devicePlugin.enabled": False}


class Node(Rendered):
    """What belongs to tranche-node alone of what is rendered."""

    def __init__(self, values=None, *more):
        super().__init__({**ONLY, **(values or {})}, *more)
        self.objects = [found for found in self.objects
                        if found["metadata"]["labels"]["app.kubernetes.io/component"] == "node"]


class InstallTest(unittest.TestCase):
    def test_is_off_by_default_and_one_value_turns_it_on(self):
        for values in ({}, SEED, ALONE, {"devicePlugin.enabled": False}, {"node.enabled": "false"}, {"node": None}):
            self.assertNotIn("tranche-node", Rendered(values).text, values)
        self.assertEqual([found["metadata"]["name"] for found in Rendered(ON).of_kind("DaemonSet")],
                         ["tranche-plugin", "tranche-node"])
        self.assertEqual(len(Rendered({"node.enabled": "true"}).of_kind("DaemonSet")), 2)

    def test_alone_it_is_all_that_is_installed(self):
        self.assertEqual(sorted(found["kind"] for found in Rendered(ONLY).objects),
                         ["ClusterRole", "ClusterRoleBinding", "DaemonSet", "Role", "RoleBinding", "ServiceAccount"])
        self.assertEqual(Rendered(ONLY).objects, Node().objects)

    def test_it_changes_nothing_of_the_plugin(self):
        for values in ({}, SEED, ALONE, {**SEED, "labels": "node"}):
            with_it, without = Rendered({**values, **ON}), Rendered(values)
            self.assertEqual([found for found in with_it.objects if found not in without.objects],
                             Node(values).objects, values)
            self.assertEqual([found for found in without.objects if found not in with_it.objects], [], values)

    def test_no_daemonset_selects_the_other_s_pods(self):
        for more in ({}, {"selectorLabelsOverride": {"team": "gpu"}}, {"nameOverride": "n", "podLabels": {"app": "x"}},
                     {"daemonsets.labels": {"app.kubernetes.io/component": "plugin"}}):
            one, other = Rendered({**ON, **more}).of_kind("DaemonSet")
            for first, second in ((one, other), (other, one)):
                labels = second["spec"]["template"]["metadata"]["labels"]
                self.assertFalse(first["spec"]["selector"]["matchLabels"].items() <= labels.items(), more)
                self.assertLessEqual(second["spec"]["selector"]["matchLabels"].items(), labels.items())

    def test_lint_and_notes(self):
        for values in (ON, ONLY, {**ON, **SEED}):
            done = helm("lint", "--strict", CHART, *settings(values))
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        for values, words in ((ON, "tranche-node shows who uses the GPUs"), (ONLY, "tranche-node shows who uses")):
            notes = self.notes(values)
            self.assertIn(words, notes)
            self.assertNotIn("nothing was installed", notes)
        self.assertNotIn("tranche-node", self.notes({}))

    def notes(self, values):
        done = helm("install", "gpu-operator", CHART, "--namespace", "gpu-operator", "--dry-run=client",
                    *settings(values))
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.split("NOTES:")[1]

    def test_wrong_values_are_refused_by_name(self):
        for key, value in {"node.port": 0, "node.dcgmNames": "some", "node.interval": "often",
                           "node.enabled": "perhaps"}.items():
            rendered = Rendered({**ON, key: value})
            self.assertFalse(rendered.ok, key)
            self.assertIn(key.split(".")[-1], rendered.error)


class PodTest(unittest.TestCase):
    def test_the_program_and_its_flags(self):
        node = Node()
        self.assertEqual(node.container["command"], ["tranche", "node"])
        self.assertEqual(node.flags, {"events": "", "listen": "9436", "dcgm-names": "auto", "interval": "1s",
                                      "walls-directory": "", "log-level": "info", "log-format": "text"})
        self.assertEqual(node.environment["NODE_NAME"], {"fieldRef": {"fieldPath": "spec.nodeName"}})
        self.assertEqual(node.container["ports"], [{"name": "metrics", "containerPort": 9436}])
        for probe, path in (("livenessProbe", "/livez"), ("readinessProbe", "/readyz")):
            self.assertEqual(node.container[probe]["httpGet"], {"path": path, "port": "metrics"})

    def test_values_of_its_own(self):
        node = Node({"node.port": 1234, "node.dcgmNames": "off", "node.interval": "2s", "node.args": ["--hostname=h"],
                     "node.env": [{"name": "A", "value": "b"}], "node.resources": {"limits": {"memory": "64Mi"}},
                     "events": False, "logLevel": "debug"})
        self.assertEqual(node.flags, {"listen": "1234", "dcgm-names": "off", "interval": "2s", "walls-directory": "",
                                      "hostname": "h", "log-level": "debug", "log-format": "text"})
        self.assertEqual(node.container["ports"][0]["containerPort"], 1234)
        self.assertEqual(node.environment["A"], "b")
        self.assertEqual(node.container["resources"], {"limits": {"memory": "64Mi"}})

    def test_values_that_it_shares_with_the_plugin(self):
        shared = {"image.repository": "r.example/t", "image.tag": "v2", "imagePullSecrets": [{"name": "s"}],
                  "nodeSelector": {"gpu": "yes"}, "runtimeClassName": "nvidia", "priorityClassName": "high",
                  "tolerations": [{"key": "a"}], "affinity": {"nodeAffinity": {}}, "podSecurityContext": {"fsGroup": 1},
                  "namespaceOverride": "elsewhere", "fullnameOverride": "other", "podAnnotations": {"a": "b"}}
        node, plugin = Node(shared), Rendered(shared)
        for key in ("imagePullSecrets", "nodeSelector", "runtimeClassName", "priorityClassName", "tolerations",
                    "affinity", "securityContext"):
            self.assertEqual(node.pod[key], plugin.pod[key], key)
        self.assertEqual(node.container["image"], plugin.container["image"])
        metadata = node.one("DaemonSet")["metadata"]
        self.assertEqual((metadata["name"], metadata["namespace"]), ("other-node", "elsewhere"))
        self.assertEqual(node.one("DaemonSet")["spec"]["template"]["metadata"]["annotations"], {"a": "b"})
        self.assertEqual(Node().pod["priorityClassName"], "system-node-critical")
        self.assertEqual(Node().pod["tolerations"], Rendered().pod["tolerations"])

    def test_it_follows_the_profiles_that_the_plugin_follows(self):
        given = {"config.map": {"a": "version: v1\n"}, "config.default": "a"}
        names = ("watch-node", "profiles-configmap", "default-profile", "fallback-strategies")
        for more in (SEED, {"config.name": "profiles"}, {**given, "fullnameOverride": "other"}):
            node, plugin = Node({**more, "devicePlugin.enabled": True}), Rendered(more)
            self.assertEqual({name: node.flags.get(name) for name in names},
                             {name: plugin.flags.get(name) for name in names}, more)
            self.assertEqual(node.of_kind("ConfigMap"), [], "there is one, and it is the plugin's")
        alone = Node(given)
        self.assertEqual(alone.one("ConfigMap")["data"], given["config.map"])
        self.assertEqual(alone.flags["profiles-configmap"],
                         "gpu-operator/" + alone.one("ConfigMap")["metadata"]["name"])
        self.assertFalse({*names} & Node().flags.keys())

    def test_one_after_the_other(self):
        """Two on a node would count everything twice, so the plugin's surge is not for it."""
        one = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}
        for more in ({}, {"updateStrategy": {"rollingUpdate": {"maxSurge": 2, "maxUnavailable": 0}}}):
            self.assertEqual(Node(more).one("DaemonSet")["spec"]["updateStrategy"], one)
        self.assertEqual(Node({"updateStrategy.type": "OnDelete"}).one("DaemonSet")["spec"]["updateStrategy"],
                         {"type": "OnDelete"})


class PrivilegeTest(unittest.TestCase):
    def test_it_sees_the_host_s_processes_and_has_no_capability(self):
        pod, container = Node().pod, Node().container
        self.assertTrue(pod["hostPID"])
        self.assertNotIn("hostNetwork", pod)
        self.assertNotIn("hostIPC", pod)
        self.assertEqual(container["securityContext"], {"readOnlyRootFilesystem": True,
                                                        "allowPrivilegeEscalation": False,
                                                        "seccompProfile": {"type": "RuntimeDefault"},
                                                        "capabilities": {"drop": ["ALL"]}})
        # Where SELinux confines containers, those of pods may connect to this one then.
        given = {"type": "spc_t", "level": "s0"}
        self.assertEqual(Node({"node.seLinuxOptions": given}).container["securityContext"],
                         {**container["securityContext"], "seLinuxOptions": given})
        # Whatever the plugin needs for MIG: this is not the plugin.
        for more in (SEED, {"migStrategy": "mixed"}, {"compatWithCPUManager": True},
                     {"devicePlugin.enableHostNetwork": True}):
            node = Node({**more, "devicePlugin.enabled": True})
            self.assertEqual((node.container["securityContext"], node.pod.get("hostNetwork")),
                             (container["securityContext"], None), more)

    def test_it_mounts_the_kubelet_s_answers_and_a_folder_of_its_own(self):
        node = Node()
        self.assertEqual(node.volumes, {"pod-resources": "/var/lib/kubelet/pod-resources", "run": "/run/tranche/node"})
        self.assertEqual({mount["mountPath"] for mount in node.container["volumeMounts"] if not mount.get("readOnly")},
                         {"/run/tranche/node"})

    def test_the_driver_root_is_mounted_where_the_nvidia_runtime_does_not_bring_all(self):
        for more, root in (({"nvidiaDriverRoot": "/run/nvidia/driver"}, "/run/nvidia/driver"),
                           ({"securityContext": {"privileged": True}}, "/"),
                           ({"node.securityContext": {"privileged": True}}, "/")):
            node = Node(more)
            self.assertEqual(node.volumes["driver-root"], root)
            (mount,) = [mount for mount in node.container["volumeMounts"] if mount["name"] == "driver-root"]
            self.assertEqual(mount, {"name": "driver-root", "mountPath": "/driver-root", "readOnly": True,
                                     "mountPropagation": "HostToContainer"})
        self.assertEqual(Node({"securityContext": {"privileged": True}, "node.securityContext": {"runAsUser": 0}})
                         .container["securityContext"], {"runAsUser": 0})

    def test_its_account_may_do_what_it_does_and_no_more(self):
        pods = {("", "", "pods", ()): {"list", "watch"}}
        events = {("default", "", "events", ()): {"create", "patch"}}
        self.assertEqual(Node().rules(), {**pods, **events})
        self.assertEqual(Node({"events": False}).rules(), pods)
        node = Node({**SEED, "devicePlugin.enabled": True})
        self.assertEqual(node.rules(), {
            **pods, **events, ("", "", "nodes", ()): {"list", "watch"},
            ("gpu-operator", "", "configmaps", ("device-plugin-config",)): {"list", "watch"}})
        self.assertEqual(node.pod["serviceAccountName"], "tranche-node")
        self.assertTrue(node.pod["automountServiceAccountToken"])
        self.assertFalse(node.one("ServiceAccount")["automountServiceAccountToken"])


class WallsTest(unittest.TestCase):
    """What node.walls adds, and that nothing of it is there without."""

    ON = {"node.walls": True}
    HOST = {"tranche": "/var/lib/tranche", "births": "/run/tranche/births", "cdi": "/var/run/cdi",
            "cdi-kept": "/etc/cdi"}

    def test_events_are_written_on_pods_in_whichever_namespace(self):
        everywhere = {("", "", "pods", ()): {"list", "watch"}, ("", "", "events", ()): {"create", "patch"}}
        self.assertEqual(Node(self.ON).rules(), everywhere)
        self.assertEqual(Node({**self.ON, "events": False}).rules(), {("", "", "pods", ()): {"list", "watch"}})
        self.assertEqual(Node().rules()[("default", "", "events", ())], {"create", "patch"})

    def test_off_by_default(self):
        for values in ({}, {"node.walls": False}, {"node.walls": "false"}):
            node = Node(values)
            self.assertEqual(node.flags["walls-directory"], "")
            self.assertFalse(self.HOST.keys() & node.volumes.keys())
        without_program = Rendered({"node.walls": True}).text
        self.assertIn("node.walls", without_program, "the agent warns that it has no effect")
        self.assertNotIn("cdi-kept", without_program)

    def test_it_writes_what_pods_are_given_by_the_paths_of_the_host(self):
        for on in (True, "true"):
            node = Node({"node.walls": on})
            self.assertEqual(node.volumes, {"pod-resources": "/var/lib/kubelet/pod-resources",
                                            "run": "/run/tranche/node", **self.HOST})
            mounts = {mount["name"]: mount for mount in node.container["volumeMounts"]}
            for name, path in self.HOST.items():
                self.assertEqual(mounts[name], {"name": name, "mountPath": path})
            self.assertEqual(node.flags["walls-directory"], "/var/lib/tranche/walls")

    def test_two_capabilities_and_no_more_than_are_given(self):
        context = Node(self.ON).container["securityContext"]
        self.assertEqual(context.pop("capabilities"), {"drop": ["ALL"], "add": ["CHECKPOINT_RESTORE", "SYS_PTRACE"]})
        more = Node({**self.ON, "node.capabilities": ["SYS_RESOURCE"]}).container["securityContext"]
        self.assertEqual(more.pop("capabilities"), {"drop": ["ALL"],
                                                    "add": ["CHECKPOINT_RESTORE", "SYS_PTRACE", "SYS_RESOURCE"]})
        self.assertEqual(more, context)
        without = Node().container["securityContext"]
        self.assertEqual(without.pop("capabilities"), {"drop": ["ALL"]})
        self.assertEqual(context, without)

    def test_the_plugin_sees_what_is_published_also_after_a_reboot(self):
        with_it, without = Rendered({**ON, **self.ON}), Rendered(ON)
        plugin, before = with_it.of_kind("DaemonSet")[0], without.of_kind("DaemonSet")[0]
        spec, mounts = plugin["spec"]["template"]["spec"], before["spec"]["template"]["spec"]
        added = [mount for mount in spec["containers"][0]["volumeMounts"]
                 if mount not in mounts["containers"][0]["volumeMounts"]]
        self.assertEqual(added, [{"name": "cdi-kept", "mountPath": "/etc/cdi", "readOnly": True}])
        added = [volume for volume in spec["volumes"] if volume not in mounts["volumes"]]
        self.assertEqual(added, [{"name": "cdi-kept",
                                  "hostPath": {"path": "/etc/cdi", "type": "DirectoryOrCreate"}}])
        self.assertIn("/var/run/cdi", [mount["mountPath"] for mount in spec["containers"][0]["volumeMounts"]])

    def test_the_notes_say_so(self):
        notes = InstallTest.notes(self, {**ON, **self.ON})
        self.assertIn("tranche.memory.mode=enforce", notes)
        self.assertNotIn("walls", InstallTest.notes(self, ON))


if __name__ == "__main__":
    unittest.main()
