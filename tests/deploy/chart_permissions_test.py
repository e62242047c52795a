#!/usr/bin/env python3
"""The rights that the Helm chart gives: what the programs ask of the API server, and no more. TRANCHE_HELM names helm."""

import json
import sys
import unittest

sys.dont_write_bytecode = True

from chart import SEED, SOURCE, Rendered, documents  # noqa: E402


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


if __name__ == "__main__":
    unittest.main()
