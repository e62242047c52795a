#!/usr/bin/env python3
"""Values files as people have them for NVIDIA's charts (tests/deploy/values), and what the chart makes of them."""

import json
import pathlib
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from chart import ALONE, HERE, SEED, Rendered  # noqa: E402


def of_file(name, values=None):
    return Rendered(values, "--values", HERE / f"values/{name}.yaml")


def unused(rendered):
    return json.loads(rendered.environment.get("TRANCHE_UNUSED_VALUES", '{"unused": []}'))["unused"]


class FilesTest(unittest.TestCase):
    def test_the_operator_s_own_cluster_policy(self):
        rendered = of_file("operator-v26.7-clusterPolicy")
        self.assertTrue(rendered.ok, rendered.error)
        self.assertEqual(unused(rendered), ["clusterPolicy.deployCR"])
        self.assertNotIn("cluster-policy", rendered.flags)

    def test_an_empty_mapping_or_list_is_none(self):
        tolerations, affinity = of_file("tolerations-map"), of_file("affinity-list")
        self.assertNotIn("tolerations", tolerations.pod)
        self.assertNotIn("affinity", affinity.pod)
        self.assertEqual(unused(tolerations) + unused(affinity), [])

    def test_keys_of_the_operator_s_chart(self):
        rendered = of_file("operator-nested")
        self.assertEqual(unused(rendered), ["cdi.default", "gfd.env", "gfd.resources"])
        self.assertTrue(rendered.pod["hostNetwork"])
        self.assertEqual(rendered.pod["dnsPolicy"], "ClusterFirstWithHostNet")
        self.assertEqual(rendered.pod["imagePullSecrets"], [{"name": "registry-secret"}])
        self.assertEqual(rendered.container["args"][-3:],
                         ["--mig-strategy=single", "--pass-device-specs=true", "--device-list-strategy=volume-mounts"])
        self.assertEqual(rendered.environment["MIG_STRATEGY"], "mixed")
        self.assertEqual(rendered.environment["DEVICE_LIST_STRATEGY"], "cdi-annotations,cdi-cri")
        self.assertEqual(rendered.container["securityContext"]["capabilities"]["add"], ["SYS_ADMIN"])
        self.assertEqual(len(rendered.pod["tolerations"]), 2)  # the file's is among ours

    def test_the_same_where_labels_are_asked_for(self):
        rendered = of_file("operator-nested", {"gfd.enabled": True})
        self.assertEqual(unused(rendered), ["cdi.default", "gfd.resources"])
        self.assertLessEqual({"GFD_SLEEP_INTERVAL": "5s", "GFD_NO_TIMESTAMP": "true"}.items(),
                             rendered.environment.items())
        alone = of_file("operator-nested", ALONE)
        self.assertEqual(unused(alone), ["cdi.default", "devicePlugin.args", "devicePlugin.hostNetwork"])
        self.assertEqual(alone.container["resources"], {"limits": {"memory": "192Mi"}})

    def test_nvidia_s_image_under_another_registry_is_not_run_with_our_command(self):
        rendered = of_file("mirrored-image")
        self.assertEqual(rendered.container["image"], Rendered().container["image"])
        self.assertEqual(unused(rendered), ["image.repository", "image.tag"])
        for values in ({"image.repository": "r.example:5000/mirror/nvidia/k8s-device-plugin"},
                       {"image.repository": "r.example/k8s-device-plugin@sha256:0123"}, {"image.tag": "v0.20.0"},
                       {"devicePlugin.repository": "r.example", "devicePlugin.image": "k8s-device-plugin",
                        "devicePlugin.version": "v0.20.0"}):
            self.assertEqual(Rendered(values).container["image"], rendered.container["image"], values)
        self.assertEqual(Rendered({"image.repository": "r.example/team/plugin", "image.tag": "v1"}).container["image"],
                         "r.example/team/plugin:v1")

    def test_a_default_that_holds_a_config_is_told_where_it_belongs(self):
        error = of_file("issue1022-default-is-yaml").error
        self.assertIn("config.default holds a whole config", error)
        self.assertIn("config.map.NAME", error)

    def test_a_broken_profile_is_told_with_its_name(self):
        error = of_file("values-broken-profile").error
        self.assertIn("config.map.default: sharing.timeSlicing.resources", error)


class TypesTest(unittest.TestCase):
    """What a template of NVIDIA's takes for a value, ours takes too."""

    def test_nothing_in_any_form(self):
        for key in ("affinity", "tolerations", "nodeSelector", "resources", "securityContext", "podSecurityContext",
                    "podAnnotations", "podLabels", "imagePullSecrets", "updateStrategy", "selectorLabelsOverride",
                    "daemonsets.tolerations", "devicePlugin.env", "devicePlugin.resources", "gfd.securityContext"):
            for nothing in ({}, [], "", None):
                with self.subTest(key, nothing=nothing):
                    rendered = Rendered({key: nothing})
                    self.assertTrue(rendered.ok, rendered.error)
                    self.assertEqual(unused(rendered), [])

    def test_a_part_that_is_emptied_is_as_if_it_were_not_given(self):
        for key in ("config", "devicePlugin", "gfd", "cdi", "clusterPolicy", "image", "updateStrategy", "events"):
            with self.subTest(key):
                rendered = Rendered({key: None})
                self.assertTrue(rendered.ok, rendered.error)
                self.assertEqual(rendered.container["image"], Rendered().container["image"])

    def test_numbers_and_switches_as_text(self):
        self.assertTrue(Rendered({"image.tag": 20250101}).container["image"].endswith(":20250101"))
        self.assertTrue(Rendered({"image.tag": 0.2}).container["image"].endswith(":0.2"))
        self.assertEqual(Rendered({"gfd.enabled": "true", "gfd.sleepInterval": 60}).environment["GFD_SLEEP_INTERVAL"], "60")
        self.assertNotIn("hostNetwork", Rendered({"devicePlugin.enableHostNetwork": "false"}).pod)
        self.assertEqual(Rendered({"failOnInitError": "true"}).environment["FAIL_ON_INIT_ERROR"], "true")
        self.assertEqual(Rendered({"config.name": "a", "config.fallbackStrategies": "named,single"})
                         .flags["fallback-strategies"], "named,single")
        self.assertEqual(Rendered({"migStrategy": "", "deviceListStrategy": ""}).environment.keys(),
                         Rendered().environment.keys())

    def test_fail_on_init_error_null_leaves_it_to_the_profile(self):
        self.assertNotIn("FAIL_ON_INIT_ERROR", Rendered({"failOnInitError": None}).environment)

    def test_labels_of_the_operator_s_values_take_the_place_of_none_of_ours(self):
        rendered = Rendered({"daemonsets.labels": {"app": "x", "team": "y"}, "podLabels": {"team": "z"},
                             "daemonsets.annotations": {"a": "b"}})
        template = rendered.one("DaemonSet")["spec"]["template"]["metadata"]
        self.assertEqual((template["labels"]["app"], template["labels"]["team"], template["annotations"]),
                         ("nvidia-device-plugin-daemonset", "z", {"a": "b"}))

    def test_a_host_s_port_is_free_before_the_next_agent_comes(self):
        rolling = Rendered({"devicePlugin.hostNetwork": True}).one("DaemonSet")["spec"]["updateStrategy"]["rollingUpdate"]
        self.assertEqual(rolling, {"maxSurge": 0, "maxUnavailable": 1})
        rolling = Rendered({"daemonsets.rollingUpdate": {"maxUnavailable": "1"}}).one("DaemonSet")
        self.assertEqual(rolling["spec"]["updateStrategy"]["rollingUpdate"], {"maxUnavailable": 1})


class ProfilesTest(unittest.TestCase):
    """What a template can see of a profile: no more is refused than the agent refuses."""

    def error(self, text, **values):
        return Rendered({"config.map": {"p": text}, **values}).error

    def resources(self, one):
        return f"sharing: {{timeSlicing: {{resources: [{one}]}}}}"

    def test_what_is_broken_is_told_with_what_to_set(self):
        for text, words in (("version: v2", "set version: v1"), ("- a", "no YAML mapping"), ("a: [", "no YAML mapping"),
                            ("sharing: {mps: {}}", "sharing.timeSlicing"),
                            ("Sharing: {TimeSlicing: {}}", "resources is no list"),
                            (self.resources("3"), "set name and replicas"),
                            (self.resources("{replicas: 2}"), "set name: nvidia.com/gpu"),
                            (self.resources("{name: amd.com/gpu, replicas: 2}"), "no resource of nvidia.com"),
                            (self.resources("{name: gpu}"), "replicas must be a number"),
                            (self.resources('{name: gpu, replicas: "4"}'), "without quotes"),
                            (self.resources("{name: gpu, replicas: 0}"), "replicas is 0"),
                            (self.resources("{name: gpu, replicas: 2.5}"), "replicas is 2.5"),
                            ("flags: {migStrategy: all}", "none, single or mixed")):
            with self.subTest(text):
                error = self.error(text)
                self.assertIn("config.map.p", error)
                self.assertIn(words, error)

    def test_what_the_agent_takes_is_taken(self):
        for text in ("", "version: v1", "version:", "sharing:", "sharing: {timeSlicing: null}", "flags: {plugin: null}",
                     "sharring: 3", self.resources("{name: nvidia.com/mig-1g.5gb, replicas: 1, devices: [0]}"),
                     self.resources("{name: gpu, replicas: 2}"), "FLAGS: {MigStrategy: mixed}"):
            self.assertEqual(self.error(text), "", text)
        self.assertEqual(self.error("flags: {migStrategy: all}", migStrategy="none"), "")

    def test_the_operator_s_form_is_looked_at_too(self):
        rendered = Rendered({**SEED, "devicePlugin.config.create": True,
                             "devicePlugin.config.data": {"default": "version: v2"}})
        self.assertIn("devicePlugin.config.data.default: version is 'v2'", rendered.error)

    def test_the_name_of_a_profile_is_a_key_of_a_config_map(self):
        self.assertIn("is of letters", Rendered({"config.map": {"a b": "version: v1"}}).error)
        self.assertIn("is the name of a profile", Rendered({"config.name": "x", "config.default": "a b"}).error)


if __name__ == "__main__":
    unittest.main()
