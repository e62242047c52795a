"""NVIDIA's own device plugin and ours, side by side: all that a kubelet sees of them, compared.

TRANCHE_PEER_DIR names the folder of NVIDIA's programs (tests/peer/build makes it), TRANCHE_BIN_DIR that of
ours. Each case (cases.py) is run with both programs, each on a fresh simulated node, with the same flags,
environment, files and kubelet. A difference that differences.json does not name is a failure, and so is an
entry there that no case needs. Words on the command line choose cases by part of their name; --show prints
the observations of those.
"""

import json
import os
import pathlib
import re
import subprocess
import sys

import cases
import report
from differences import Known

HERE = pathlib.Path(__file__).resolve().parent
SOURCE = HERE.parents[1]
BIN = pathlib.Path(os.environ.get("TRANCHE_BIN_DIR", SOURCE / "build/release/bin"))
OBSERVE = BIN.parent / "tests" / "peer_observe"
LIMIT_SECONDS = 60
# From here on the log's line is the text that both have.
THEIR_ERROR = re.compile(r"error starting plugins: (.*)$", re.M)
# Ours goes on running: it names the file before and the place after the same text.
OUR_ERROR = re.compile(r"(?:error starting plugins: |warning .*?: )(.*?)(?: \(@STAGE@/config\.yaml:\d+\))?"
                       r"(?: event=ConfigRejected)?$", re.M)


def programs():
    folder = os.environ.get("TRANCHE_PEER_DIR")
    if not folder:
        sys.exit("TRANCHE_PEER_DIR is not set: run ./test peer")
    return {"theirs": pathlib.Path(folder) / "nvidia-device-plugin", "ours": BIN / "nvidia-device-plugin"}


def request_of(case, program, name):
    files = dict(case.get("files", {}))
    env = {"DRIVER_ROOT_CTR_PATH": "@STAGE@/root", "TRANCHE_LISTEN": "", **case["env"]}
    if case["config"] is not None:
        files["@STAGE@/config.yaml"] = case["config"]
        env["CONFIG_FILE"] = "@STAGE@/config.yaml"
    # What each says when there is nothing (more) to wait for.
    until = ["error starting plugins: ", "No devices found", "event=ConfigRejected"]
    if not case["resources"] and not case.get("refused"):
        until.append("event=ConfigApplied")
    resources = case.get("their_resources" if name == "theirs" else "", case["resources"])
    return {"program": str(program), "node": case["node"], "resources": resources, "env": env,
            "files": files, "times": case.get("times", 1), "until": until, "events": case.get("events", []),
            "faults": case.get("faults", []),
            "devices": case.get("devices", False)}


def observe(case, program, name):
    """What peer_observe saw, or a text that says why it saw nothing."""
    environment = {name: value for name, value in os.environ.items()
                   if name in ("PATH", "HOME", "LANG", "TMPDIR")}
    environment["TRANCHE_SIM_HOME"] = str(BIN / "sim")
    try:
        done = subprocess.run([OBSERVE], input=json.dumps(request_of(case, program, name)), text=True,
                              capture_output=True, timeout=LIMIT_SECONDS, env=environment)
    except subprocess.TimeoutExpired:
        return f"no end within {LIMIT_SECONDS} s"
    if done.returncode != 0:
        return f"exit {done.returncode}: {done.stderr[-2000:]}"
    seen = json.loads(done.stdout)
    log = seen.pop("log")
    if case.get("refused") or not seen["resources"]:
        seen["error"] = error_text(log)
    else:
        del seen["runs"]
    take_memory_limits_out(seen)
    seen["log"] = log
    return seen


def take_memory_limits_out(seen):
    """The hook that every GPU has in their CDI spec, so that the rest of a device can be compared."""
    found = False
    for spec in (seen.get("cdi") or {}).values():
        for device in spec["devices"]:
            edits = device["containerEdits"]
            kept = [hook for hook in edits.get("hooks", []) if "apply-cuda-memory-limits" not in hook["args"]]
            found = found or len(kept) < len(edits.get("hooks", []))
            edits.pop("hooks", None)
            if kept:
                edits["hooks"] = kept
    seen["memory limits hook"] = found


def error_text(log):
    """The text both programs give, without what each puts around it."""
    for line in log.splitlines():
        found = THEIR_ERROR.search(line) or ("ConfigRejected" in line and OUR_ERROR.search(line))
        if found:
            return found[1].strip()
    return ""


def judge(case, seen, known):
    lines = report.unexplained(case["name"], seen, known)
    if "ours" in case and isinstance(seen["ours"], dict):
        ids = sum(len(resource["devices"]) for resource in seen["ours"]["resources"].values())
        if ids != case["ours"]:
            lines.append(f"ours advertises {ids} devices, and {case['ours']} are right")
    return lines


def main():
    both = programs()
    known = Known(HERE / "differences.json", SOURCE / "docs/differences.md")
    return report.run(cases.all_cases(),
                      lambda case: {name: observe(case, program, name) for name, program in both.items()},
                      judge, known)


if __name__ == "__main__":
    sys.exit(main())
