#!/usr/bin/env python3
"""Runs the suites on real Kubernetes: run.py [--only SUITE]… [--keep]; or run.py --up, run.py --down.

The suites are suites/*_suite.py; what one consists of is said in suites/__init__.py. Running them needs root,
and build/release (`./test cluster` makes it)."""

import argparse
import importlib
import os
import pathlib
import signal
import sys
import time
import traceback

import bed
from bed import records

# What the bed itself can do is shown first: the other suites rest on it.
SUITES = sorted((path.stem.removesuffix("_suite") for path in pathlib.Path(__file__).parent.glob("suites/*_suite.py")),
                key=lambda name: (name != "bed", name))
# They run only where they are named: they take long, and depend on what a machine can bear.
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


def cases_of(name):
    return importlib.import_module(f"suites.{name}_suite").cases


def suite(run, name):
    say(f"\n-- {name}")
    start = time.monotonic()
    try:
        cases_of(name)(run)
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


def listed():
    """Names the suites; each is imported, so that one that cannot even start fails here."""
    for name in SUITES:
        cases_of(name)
        say(name + (" (only where it is named)" if name in NAMED_ONLY else ""))
    return 0


def parsed():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=SUITES, metavar="SUITE", help=", ".join(SUITES))
    parser.add_argument("--list", action="store_true", help="only name the suites; needs no root")
    parser.add_argument("--keep", action="store_true", help="leave the last cluster up, and say how to use it")
    parser.add_argument("--oldest", action="store_true", help="of the oldest Kubernetes that is supported upstream")
    parser.add_argument("--up", action="store_true", help="only bring a cluster up")
    parser.add_argument("--down", action="store_true", help="take down what --keep and --up left")
    options = parser.parse_args()
    options.suites = options.only or [name for name in SUITES if name not in NAMED_ONLY]
    return options


def interrupted(number, _frame):
    # An exception, so that the cluster is taken down on the way out; once is enough.
    signal.signal(number, signal.SIG_IGN)
    raise SystemExit(128 + number)


def main():
    options = parsed()
    if options.list:
        return listed()
    if os.geteuid() != 0:
        sys.exit("root is needed: a cluster consists of namespaces, mounts and cgroups")
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, interrupted)
    if options.oldest:
        bed.Cluster.kubernetes = "kubernetes-oldest"
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
