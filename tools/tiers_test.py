#!/usr/bin/env python3
"""./test itself: what it counts, what it refuses, and that its help names every tier."""

import contextlib
import io
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

TOOLS = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(TOOLS))

import tier_counts  # noqa: E402
import tiers  # noqa: E402

GTEST = "[==========] 3 tests ran.\n[  PASSED  ] 2 tests.\n"


class CountsTest(unittest.TestCase):
    def assert_counts(self, counts, passed, failed, skipped):
        self.assertEqual((counts.passed, counts.failed, counts.skipped), (passed, failed, skipped))

    def test_reads_googletest(self):
        self.assert_counts(tier_counts.of_output(GTEST), 2, 0, 0)
        bad = GTEST + "[  SKIPPED ] 1 test, listed below:\n[  FAILED  ] 4 tests, listed below:\n"
        self.assert_counts(tier_counts.of_output(bad), 2, 4, 1)

    def test_reads_unittest(self):
        self.assert_counts(tier_counts.of_output("Ran 5 tests in 1s\n\nOK\n"), 5, 0, 0)
        bad = "Ran 9 tests in 1.0s\n\nFAILED (failures=1, errors=2, skipped=3)\n"
        self.assert_counts(tier_counts.of_output(bad), 3, 3, 3)

    def test_reads_a_closing_line_and_nothing_else(self):
        self.assert_counts(tier_counts.of_output("a\n12 passed, 1 failed\n"), 12, 1, 0)
        self.assertIsNone(tier_counts.of_output("hello"))

    def of_ctest(self, *commands):
        with tempfile.TemporaryDirectory() as folder:
            tests = "".join(f"add_test(t{i} [[sh]] [[-c]] [[{c}]])\n" for i, c in enumerate(commands))
            pathlib.Path(folder, "CTestTestfile.cmake").write_text(
                tests + "set_tests_properties(t0 PROPERTIES SKIP_RETURN_CODE 77)\n")
            report = pathlib.Path(folder, "report.xml")
            subprocess.run(["ctest", "--test-dir", folder, "--output-junit", report,
                            "--timeout", "1"], capture_output=True)
            return tier_counts.of_junit(report)

    def test_counts_cases_inside_a_real_report(self):
        self.assert_counts(self.of_ctest("true", "printf 'Ran 5 tests in 1s\\n\\nOK\\n'"), 6, 0, 0)

    def test_a_negative_control_passes_by_failing_inside(self):
        self.assert_counts(self.of_ctest("true", "echo 0 passed, 7 failed"), 2, 0, 0)

    def test_a_crash_fails_whatever_was_counted(self):
        counts = self.of_ctest("true", "printf '[  PASSED  ] 2 tests.\\n'; kill -9 $$")
        self.assert_counts(counts, 3, 1, 0)
        self.assertEqual(counts.notes, ["failed: t1"])

    def test_a_time_out_fails(self):
        self.assert_counts(self.of_ctest("true", "exec sleep 9"), 1, 1, 0)

    def test_a_program_that_is_not_there_fails(self):
        with tempfile.TemporaryDirectory() as folder:
            pathlib.Path(folder, "CTestTestfile.cmake").write_text("add_test(t [[/nowhere/to/be/found]])\n")
            report = pathlib.Path(folder, "report.xml")
            subprocess.run(["ctest", "--test-dir", folder, "--output-junit", report], capture_output=True)
            self.assert_counts(tier_counts.of_junit(report), 0, 1, 0)

    def test_a_skipped_test_is_not_a_passed_one(self):
        self.assert_counts(self.of_ctest("exit 77", "true"), 1, 0, 1)


class TiersTest(unittest.TestCase):
    def run_with(self, tier, ci):
        self.addCleanup(setattr, tiers, "CI", tiers.CI)
        self.addCleanup(tiers.TIERS.pop, "trial", None)
        tiers.CI, tiers.TIERS["trial"] = ci, tier
        with contextlib.redirect_stdout(io.StringIO()):
            return tiers.run_tier(None, "trial")[0]

    def test_help_names_every_tier(self):
        listed = " ".join(re.findall(r"^  ((?:[\w-]+ )+) ", tiers.__doc__, re.M)).split()
        self.assertEqual(sorted(listed), sorted([*tiers.TIERS, "all"]))

    def test_the_command_prints_that_help_without_building(self):
        done = subprocess.run([TOOLS.parent / "test", "--help"], capture_output=True, text=True)
        self.assertIn(tiers.__doc__.strip(), done.stdout)

    def test_no_name_means_the_quick_tiers_and_a_file_means_conformance(self):
        self.assertEqual(tiers.chosen([]), (tiers.QUICK, []))
        self.assertEqual(tiers.chosen(["a.jsonl"]), (["conformance"], [os.path.abspath("a.jsonl")]))
        self.assertEqual(tiers.chosen(["tidy", "unit", "tidy"])[0], ["tidy", "unit"])

    def test_an_unknown_tier_is_refused(self):
        with self.assertRaises(SystemExit):
            tiers.chosen(["uint"])

    def test_a_tier_that_cannot_run_says_why_and_fails_under_ci(self):
        def tier(_session):
            raise tiers.Unable("a thing")
        self.assertEqual(self.run_with(tier, ci=False).failed, 0)
        self.assertEqual(self.run_with(tier, ci=True).failed, 1)
        self.assertIn("needs a thing", self.run_with(tier, ci=True).notes[0])

    def test_unit_builds_each_header_alone(self):
        self.addCleanup(setattr, tiers, "client_environment", tiers.client_environment)
        tiers.client_environment = dict
        built = []

        class Session:
            def build(self, preset, target="all"):
                built.append((preset, target))

            def ctest(self, *_arguments, **_options):
                return tiers.Counts(passed=1)

        tiers.unit(Session())
        self.assertEqual(built, [("release", f"all {tiers.HEADERS_ALONE}")])

    def test_a_failed_build_fails(self):
        def tier(_session):
            raise tiers.BuildFailed("x")
        self.assertEqual(self.run_with(tier, ci=False).failed, 1)

    def test_skipped_tests_fail_under_ci(self):
        def tier(_session):
            return tiers.Counts(passed=1, skipped=2)
        self.assertEqual(self.run_with(tier, ci=False).failed, 0)
        self.assertEqual(self.run_with(tier, ci=True).failed, 2)


if __name__ == "__main__":
    unittest.main()
