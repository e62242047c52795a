"""Compares two observations, and knows the differences that are meant to be.

differences.json is a list of {"why", "row" or "version", "cases", "path", and "theirs", "ours" where they
matter}: `row` begins a row of the table in docs/differences.md, `version` says what v0.19.0 does otherwise than
v0.20.0; the others are regular expressions, found anywhere in the case's name, the place of the difference, and
the two values as JSON.
"""

import collections
import copy
import dataclasses
import json
import re

RANDOM_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
ABSENT = "absent"


@dataclasses.dataclass
class Difference:
    path: str
    theirs: str
    ours: str

    def __str__(self):
        return f"{self.path}: theirs {self.theirs[:600]}, ours {self.ours[:600]}"


def normal(path, value):
    """The parts of an answer that upstream draws by lot, made comparable."""
    if path and path[-1] == "annotations":
        return {RANDOM_ID.sub("RANDOM", key): item for key, item in value.items()}
    return value


def worth(answer, devices):
    """What makes one answer as good as another: replicas per device, or devices per NUMA node."""
    if isinstance(answer, dict):
        return answer["error"]
    if len(set(answer)) != len(answer):
        return f"an id twice: {answer}"
    shared = any("::" in one for one in answer)
    groups = collections.Counter(one.split("::")[0] if shared else devices.get(one, one) for one in answer)
    return ("replicas per device: " if shared else "devices per node: ") + \
        " ".join(str(n) for n in sorted(groups.values(), reverse=True))


def settle(theirs, ours):
    """Where upstream draws lots, an answer as good as one it was seen to give is the same answer."""
    for name in theirs.get("resources", {}).keys() & ours.get("resources", {}).keys():
        a, b = theirs["resources"][name], ours["resources"][name]
        for question in a["preferred"].keys() & b["preferred"].keys():
            left, right = a["preferred"][question], b["preferred"][question]
            values = [[sorted(one) if isinstance(one, list) else one["error"] for one in side]
                      for side in (left, right)]
            if not left and not right:
                continue
            exact = len({json.dumps(one) for one in values[0]}) == 1
            whole = not any("::" in one for one in a["devices"])
            if (not exact or whole) and values[0] != values[1]:
                # Between whole devices the lot is drawn once for each process.
                values = [[worth(one, a["devices"]) for one in side] for side in (left, right)]
            same = all(one in values[0] for one in values[1])
            a["preferred"][question] = "as ours" if same else json.dumps(values[0])
            b["preferred"][question] = "as ours" if same else json.dumps(values[1])
            if len(right) > 1:
                b["preferred"][question] = f"not always the same: {right}"


def leaves(path, value):
    """(place, what is there) for every leaf; elements of lists are places, so that each can be missing."""
    value = normal(path, value)
    place = "/".join(path)
    if isinstance(value, dict):
        if not value:
            yield place, "{}"
        for key, item in value.items():
            yield from leaves([*path, key], item)
    elif isinstance(value, list):
        counted = collections.Counter(json.dumps(item, sort_keys=True) for item in value)
        yield place + "[order]", json.dumps([json.dumps(item, sort_keys=True) for item in value])
        for text, count in counted.items():
            yield f"{place}[{text}]", f"{count} times"
    else:
        yield place, json.dumps(value)


def compare(theirs, ours):
    theirs, ours = copy.deepcopy(theirs), copy.deepcopy(ours)
    settle(theirs, ours)
    left, right = dict(leaves([], theirs)), dict(leaves([], ours))
    for place in sorted(left.keys() | right.keys()):
        a, b = left.get(place, ABSENT), right.get(place, ABSENT)
        if a == b:
            continue
        # Where elements differ, the order is theirs to tell.
        if place.endswith("[order]") and ABSENT not in (a, b) and sorted(json.loads(a)) != sorted(json.loads(b)):
            continue
        if place.endswith("[order]") and ABSENT in (a, b) and (a, b) != (ABSENT, "[]") and (a, b) != ("[]", ABSENT):
            continue
        yield Difference(place, a, b)


class Known:
    def __init__(self, path, page):
        self.entries = json.loads(path.read_text(encoding="utf-8"))
        self.used = [0] * len(self.entries)
        self.rows = [line for line in page.read_text(encoding="utf-8").splitlines()
                     if line.startswith("| ")]

    def explains(self, case, difference):
        explained = False
        for number, entry in enumerate(self.entries):
            places = (("cases", case), ("path", difference.path), ("theirs", difference.theirs),
                      ("ours", difference.ours))
            if all(re.search(entry.get(key, ""), text) for key, text in places):
                self.used[number] += 1
                explained = True
        return explained

    def complaints(self, everything_ran):
        """What is wrong with the list itself."""
        for entry, used in zip(self.entries, self.used):
            if everything_ran and not used:
                yield f"differences.json: nothing differs as in: {entry['why']}"
            if "row" in entry and not any(row.startswith(f"| {entry['row']}") for row in self.rows):
                yield f"differences.json: docs/differences.md has no row '{entry['row']}'"
            if ("row" in entry) == ("version" in entry):
                yield f"differences.json: neither a row nor a version: {entry['why']}"
