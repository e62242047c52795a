#!/usr/bin/env python3
"""What becomes of each value of NVIDIA's charts: every line of the table in docs/kubernetes.md, rendered."""

import dataclasses
import functools
import json
import pathlib
import re
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from chart import CHART, SOURCE, documents, helm  # noqa: E402

# Keys of this chart that NVIDIA's have not; and what Helm itself adds.
OURS = {"clusterPolicy", "events", "labels", "logFormat", "logLevel", "metricsPort", "node", "podLabels", "global"}


@dataclasses.dataclass(frozen=True)
class Line:
    """One value of the table, what is given with it, and what becomes of it."""
    given: str    # PATH: VALUE
    beside: tuple
    verdict: str  # honoured, noted, refused
    words: tuple  # of a refusal, which the error must have

    @property
    def path(self):
        return self.given.partition(":")[0]


def table():
    text = (SOURCE / "docs/kubernetes.md").read_text()
    for line in re.search(r"<!-- values -->\n(.*?)<!-- end -->", text, re.S)[1].splitlines()[2:]:
        cell, what = line.strip("| ").split(" | ")
        subjects, _, beside = cell.partition("; with ")
        for given in re.findall(r"`([^`]+)`", subjects):
            yield Line(given, tuple(re.findall(r"`([^`]+)`", beside)), re.match(r"\w+", what)[0],
                       tuple(re.findall(r"`([^`]+)`", what)))


def nested(given):
    """PATH: VALUE as YAML."""
    path, _, value = given.partition(":")
    keys = path.split(".")
    return "".join(f"{'  ' * depth}{key}:\n" for depth, key in enumerate(keys))[:-1] + value + "\n"


@functools.cache
def rendered(*given):
    """helm template with these values, the later ones winning."""
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for number, one in enumerate(given):
            files += ["--values", pathlib.Path(folder) / f"{number}.yaml"]
            files[-1].write_text(nested(one))
        return helm("template", "gpu-operator", CHART, "--namespace", "gpu-operator", *files)


def unused(text):
    """What the agent is told to have no effect."""
    found = re.search(r'name: TRANCHE_UNUSED_VALUES\n\s*value: (".*")', text)
    return json.loads(json.loads(found[1])) if found else {"unused": [], "known": []}


def leaves(keys, path=""):
    for key, when in keys.items():
        if isinstance(when, dict):
            yield from leaves(when, f"{path}{key}.")
        else:
            yield path + key, when


class TableTest(unittest.TestCase):
    def each(self, verdict, check):
        for line in table():
            if line.verdict == verdict:
                with self.subTest(line.given, beside=line.beside):
                    check(line, rendered(*line.beside, line.given))

    def named(self, line, done):
        return any(f"{line.path}.".startswith(f"{key}.") for key in unused(done.stdout)["unused"])

    def test_each_verdict_is_there(self):
        self.assertEqual({line.verdict for line in table()}, {"honoured", "noted", "refused"})

    def test_what_is_honoured_changes_what_is_installed(self):
        def check(line, done):
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertFalse(self.named(line, done), done.stdout)
            self.assertNotEqual(done.stdout, rendered(*line.beside).stdout)
        self.each("honoured", check)

    def test_what_is_noted_reaches_the_agent_and_changes_nothing_else(self):
        def without(text):
            return re.sub(r" *- name: TRANCHE_UNUSED_VALUES\n.*\n", "", text)

        def check(line, done):
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertTrue(self.named(line, done), unused(done.stdout))
            self.assertEqual(without(done.stdout), without(rendered(*line.beside).stdout))
        self.each("noted", check)

    def test_what_is_refused_is_told_with_what_to_set(self):
        def check(line, done):
            self.assertNotEqual(done.returncode, 0, done.stdout)
            for word in (*line.words, line.path.split(".")[-1]):
                self.assertIn(word, done.stderr)
        self.each("refused", check)

    def test_is_whole(self):
        (keys,) = documents((CHART / "keys.yaml").read_text())
        told = {line.path for line in table() if line.verdict == "honoured"}
        other = {line.path for line in table() if line.verdict == "noted"}
        for path, when in leaves(keys):
            if path.split(".")[0] in OURS and when != "never":
                continue
            with self.subTest(path):
                self.assertIn(path, other if when == "never" else told)

    def test_every_value_of_ours_is_a_key_that_counts(self):
        (keys,), (values,) = (documents((CHART / name).read_text()) for name in ("keys.yaml", "values.yaml"))
        self.assertEqual(values.keys() - keys.keys(), set())
        self.assertEqual(unused(rendered().stdout)["unused"], [])


class UnusedTest(unittest.TestCase):
    """How keys without effect are handed on."""

    def test_the_agent_is_told_the_keys_that_count_beside_them(self):
        found = unused(rendered("devicePlugin.confg.name: profiles").stdout)
        self.assertEqual(found["unused"], ["devicePlugin.confg"])
        self.assertIn("devicePlugin.config", found["known"])
        self.assertNotIn("migStrategy", found["known"])

    def test_the_programs_read_what_they_are_told(self):
        flags = (SOURCE / "docs/reference/flags.md").read_text()
        self.assertEqual(flags.count("`TRANCHE_UNUSED_VALUES`"), 2)  # of the agent and of gpu-feature-discovery

    def test_keys_of_any_spelling_arrive_whole(self):
        found = unused(rendered("\"a\\\"b $(NODE_NAME)\": true").stdout)
        self.assertEqual(found["unused"], ['a"b $$(NODE_NAME)'])  # which Kubernetes reads as $(

    def test_so_is_gpu_feature_discovery(self):
        text = rendered("devicePlugin.enabled: false", "gfd.enabled: true", "mps.root: /a").stdout
        self.assertEqual(unused(text)["unused"], ["mps"])

    def test_what_is_off_or_empty_is_not_named_but_a_misspelt_switch_is(self):
        given = ("gfd.enableHostNetwork: false", "gfd.nameOverride: \"\"", "nfd: {}", "mps: null", "gfd.enabld: false")
        self.assertEqual(unused(rendered(*given).stdout)["unused"], ["gfd.enabld"])


if __name__ == "__main__":
    unittest.main()
