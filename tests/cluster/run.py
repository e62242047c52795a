#!/usr/bin/env python3
"""Runs the suites on real Kubernetes: run.py [--only SUITE]… [--keep]; or run.py --up, run.py --down.

A suite is a module beside this one with `def cases(run)`: it makes the cluster it needs (bed.Cluster) and
calls `run(name, function, *arguments)` for each case, which gives whether it passed. A case fails by
raising. Needs root, and build/release (`./test cluster` makes it)."""

import argparse
import importlib
import os
import signal
import sys
import time
import traceback

import bed
import records

SUITES = {"bed": "bed_suite", "seed": "seed_walk", "operator": "operator_case", "nfd": "nfd_suite",
          "lifecycle": "lifecycle_suite", "faults": "fault_suite", "access": "access_suite",
          # Only where they are named: long, and of what a machine can bear.
          "soak": "soak_suite", "scale": "scale_suite"}
NAMED_ONLY = ("soak", "scale")


class Run:
    """Counts cases, and shows each as it ends."""

    def __init__(self):
        self.passed = self.failed = 0

    def __call__(self, name, function, *arguments):
        start = time.monotonic()
        try:
            function(*arguments)
        except Exception as fault:  # whatever a case raises is its failure
            self.failed += 1
            say(f"FAILED  {name}  ({time.monotonic() - start:.1f} s)")
            say(fault if isinstance(fault, bed.Fault) else "".join(traceback.format_exception(fault)))
            return False
        self.passed += 1
        say(f"passed  {name}  ({time.monotonic() - start:.1f} s)")
        return True


def say(text):
    print(text, flush=True)


def suite(run, name):
    say(f"\n-- {name}")
    start = time.monotonic()
    try:
        importlib.import_module(SUITES[name]).cases(run)
    except Exception as fault:  # the suite itself could not go on
        run.failed += 1
        say(f"FAILED  {name}: it could not go on")
        say(fault if isinstance(fault, bed.Fault) else "".join(traceback.format_exception(fault)))
    say(f"-- {name}: {time.monotonic() - start:.0f} s")


def up():
    cluster = bed.Cluster(say=say)
    cluster.keep()
    say(bed.how_to_use(cluster))
    return 0


def down():
    faults = records.clean_up(kept=True, say=say)
    say("\n".join(faults) if faults else "nothing is left")
    return 1 if faults else 0


def parsed():
    existing = [name for name, module in SUITES.items() if (bed.HERE / f"{module}.py").exists()]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=existing, metavar="SUITE", help=", ".join(existing))
    parser.add_argument("--keep", action="store_true", help="leave the last cluster up, and say how to use it")
    parser.add_argument("--oldest", action="store_true", help="of the oldest Kubernetes that is supported upstream")
    parser.add_argument("--up", action="store_true", help="only bring a cluster up")
    parser.add_argument("--down", action="store_true", help="take down what --keep and --up left")
    options = parser.parse_args()
    options.suites = options.only or [name for name in existing if name not in NAMED_ONLY]
    return options


def interrupted(number, _frame):
    # An exception, so that the cluster is taken down on the way out; once is enough.
    signal.signal(number, signal.SIG_IGN)
    raise SystemExit(128 + number)


def main():
    options = parsed()
    if os.geteuid() != 0:
        sys.exit("root is needed: a cluster consists of namespaces, mounts and cgroups")
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, interrupted)
    if options.oldest:
        bed.KUBERNETES = "kubernetes-oldest"
    if options.down or options.up:
        return down() if options.down else up()
    bed.Cluster.keep_when_closed = options.keep
    run = Run()
    for name in options.suites:
        suite(run, name)
    say(f"{run.passed} passed, {run.failed} failed")
    return 1 if run.failed or not run.passed else 0


if __name__ == "__main__":
    sys.exit(main())
