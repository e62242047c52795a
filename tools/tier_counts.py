"""Counts the test cases inside a ctest report: GoogleTest's, unittest's, or a runner's own closing line."""

import dataclasses
import re
import xml.etree.ElementTree


@dataclasses.dataclass
class Counts:
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    notes: list = dataclasses.field(default_factory=list)

    def __add__(self, other):
        return Counts(self.passed + other.passed, self.failed + other.failed,
                      self.skipped + other.skipped, self.notes + other.notes)

    def total(self):
        return self.passed + self.failed + self.skipped


def _number(pattern, text):
    found = re.findall(pattern, text, re.M)
    return int(found[-1]) if found else None


def of_output(text):
    """What a test program says of its own cases, or None if it says nothing."""
    passed = _number(r"^\[  PASSED  \] (\d+) test", text)
    if passed is not None:
        return Counts(passed, _number(r"^\[  FAILED  \] (\d+) tests?, listed", text) or 0,
                      _number(r"^\[  SKIPPED \] (\d+) tests?, listed", text) or 0)
    ran = _number(r"^Ran (\d+) tests? in", text)
    if ran is not None:
        ending = (re.findall(r"^(?:OK|FAILED)\b.*$", text, re.M) or [""])[-1]
        bad = sum(int(n) for n in re.findall(r"(?:failures|errors|unexpected successes)=(\d+)", ending))
        skipped = sum(int(n) for n in re.findall(r"(?:skipped|expected failures)=(\d+)", ending))
        return Counts(ran - bad - skipped, bad, skipped)
    own = re.findall(r"^(\d+) passed, (\d+) failed", text, re.M)
    return Counts(int(own[-1][0]), int(own[-1][1])) if own else None


def of_junit(path):
    total = Counts()
    for case in xml.etree.ElementTree.parse(path).getroot().iter("testcase"):
        counts = of_output(case.findtext("system-out") or "") or Counts()
        skipped = case.find("skipped")
        if case.get("status") == "disabled" or (
                skipped is not None and skipped.get("message", "").startswith("SKIP_")):
            counts.skipped = max(1, counts.skipped)
            counts.notes.append(f"skipped: {case.get('name')}")
        elif case.get("status") != "run":
            # Failed, or never started. A crash or a time-out may have counted nothing, or not itself.
            counts.failed = max(1, counts.failed)
            counts.notes.append(f"failed: {case.get('name')}")
        elif counts.failed or counts.total() == 0:
            # Silent about its cases, or a negative control, which passes by failing inside.
            counts = Counts(passed=1)
        total += counts
    return total
