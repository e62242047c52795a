#!/usr/bin/env python3
"""The shipped rules and the example of an autoscaler, judged by promtool: what they compute, when alerts begin and end,
and what they say."""

import pathlib
import re
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True

from promtool import RULES, SOURCE, needs_prometheus, promtool, quick_rules  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
PAGE = SOURCE / "docs/monitoring.md"


def tested(text):
    """What promtool says of these tests."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "tests.yaml"
        path.write_text(text.replace("@rules@", str(RULES)))
        return promtool("test", "rules", path)


def adapter_query(series, group, matchers):
    """The query of the page's example as prometheus-adapter fills it in."""
    template, = re.findall(r"^ *metricsQuery: '(.*)'$", PAGE.read_text(), re.M)
    for place, text in (("Series", series), ("GroupBy", group), ("LabelMatchers", matchers)):
        template = template.replace(f"<<.{place}>>", text)
    return template


@needs_prometheus
class RulesTest(unittest.TestCase):
    def test_promtool_finds_nothing_wrong(self):
        status, said = promtool("check", "rules", RULES)
        self.assertEqual(status, 0, said)
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "rules.yaml"
            path.write_text(quick_rules(RULES.read_text()))
            status, said = promtool("check", "rules", path)
        self.assertEqual(status, 0, said)

    def test_each_rule_has_a_test_and_does_what_it_says(self):
        tests = (HERE / "rules_tests.yaml").read_text()
        for kind, name in re.findall(r"- (alert|record): (\S+)", RULES.read_text()):
            mark = f"alertname: {name}\n        exp_alerts" if kind == "alert" else name.removesuffix("_rate5m")
            if name not in ("gpu:tranche_gpu_memory_used:ratio", "gpu_namespace_pod:tranche_pod_gpu_idle:seconds"):
                self.assertIn(mark, tests, "those two are shown by the alerts made of them")
        status, said = tested(tests)
        self.assertEqual(status, 0, said)

    def test_what_a_rule_reads_is_recorded_above_it_in_its_group(self):
        # Otherwise an alert sees what was recorded a minute ago, or not, by the order in which groups happen to run.
        read = 0
        for group in re.split(r"^  - name: ", RULES.read_text(), flags=re.M)[1:]:
            recorded = set()
            for rule in re.split(r"^      - ", group, flags=re.M)[1:]:
                expression = re.search(r"expr: (.*?)(?=\n        \w+:|\Z)", rule, re.S).group(1)
                names = set(re.findall(r"\b\w+:tranche_\w+:\w+", expression))
                self.assertLessEqual(names, recorded, rule)
                read += len(names)
                recorded |= set(re.findall(r"^record: (\S+)", rule))
        self.assertGreater(read, 0)

    def test_the_tests_can_fail(self):
        tests = (HERE / "rules_tests.yaml").read_text()
        for right, wrong in (("eval_time: 71m", "eval_time: 70m"), ("values: 1x9 0x11", "values: 1x21"),
                             ("values: 950x9 960x20", "values: 950x9 949x20"), ("value: 1.5", "value: 1.6"),
                             ("GPU 0 of n is lost.", "GPU 1 of n is lost.")):
            self.assertIn(right, tests)
            self.assertNotEqual(tested(tests.replace(right, wrong))[0], 0, wrong)


@needs_prometheus
class AutoscalerTest(unittest.TestCase):
    """Of two pods: one alone on its GPU, one with two containers on one GPU and one of them on a second GPU."""
    SERIES = """
      - series: tranche_pod_gpu_busy_percent{gpu="GPU-a", namespace="team", pod="one", container="main", source="nvml"}
        values: 40+0x4 100x20
      - series: tranche_pod_gpu_busy_percent{gpu="GPU-b", namespace="team", pod="two", container="main", source="nvml"}
        values: 80x20
      - series: tranche_pod_gpu_busy_percent{gpu="GPU-b", namespace="team", pod="two", container="side", source="nvml"}
        values: 10x20
      - series: tranche_pod_gpu_busy_percent{gpu="GPU-c", namespace="team", pod="two", container="main", source="nvml"}
        values: 20x20
      - series: tranche_pod_gpu_busy_percent{gpu="GPU-c", namespace="else", pod="one", container="main", source="nvml"}
        values: 90x20
"""

    def judged(self, one, two, minutes):
        query = adapter_query("tranche_pod_gpu_busy_percent", "pod", 'namespace="team",pod=~"one|two"')
        self.assertNotIn("<<", query)
        return tested(f"""
evaluation_interval: 15s
tests:
  - interval: 15s
    input_series:{self.SERIES}
    promql_expr_test:
      - expr: >-
          {query}
        eval_time: {minutes}
        exp_samples:
          - {{labels: '{{pod="one"}}', value: {one}}}
          - {{labels: '{{pod="two"}}', value: {two}}}
""")

    def test_the_query_is_the_mean_of_two_minutes_over_the_pod_s_gpus(self):
        status, said = self.judged(100, 50, "5m")
        self.assertEqual(status, 0, said)
        self.assertNotEqual(self.judged(100, 51, "5m")[0], 0, "the test can fail")

    def test_what_was_before_counts_as_long_as_it_was(self):
        # Five samples of 40 and three of 100.
        status, said = self.judged(62.5, 50, "1m45s")
        self.assertEqual(status, 0, said)


if __name__ == "__main__":
    unittest.main()
