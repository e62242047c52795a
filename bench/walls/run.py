#!/usr/bin/env python3
"""What the shim adds to a call, beside a direct call in the same run, in front of a libcuda that does nothing; and what walls
cost and hold on a node (nodes.py), beside the same without the shim in the same run.

usage: bench/walls/run.py BUILD [--smoke] [--json FILE]

An allocation and its free are charged to pages that a small node program of tests/shim has given; that they were is
checked in the pages. An unhooked call is the driver's own function, which is checked by its address.
"""

import argparse
import json
import os
import pathlib
import platform
import subprocess
import sys
import tempfile

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.dont_write_bytecode = True


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--json", type=pathlib.Path)
    return parser.parse_args()


def measure(build, calls):
    from arbiter import Arbiter
    from shim import REAL_NAME, SHIM, put_in_front
    with tempfile.TemporaryDirectory(prefix="tranche-bench-") as name, Arbiter(1 << 30) as arbiter:
        folder = pathlib.Path(name)
        put_in_front(SHIM, build / "bench/libcuda-null.so", folder)
        probe = [build / "bench/walls_probe", folder / REAL_NAME, folder / "libcuda.so.1", str(calls)]
        figures = json.loads(subprocess.run(probe, capture_output=True, text=True, check=True).stdout)
        held, _, begun, ended = arbiter.holding(0)
        # Each allocation and each free is a change of the ledger: without the wall there is none.
        figures["charged"] = begun == ended >= 2 * calls and held == 0
    return figures


def main():
    options = arguments()
    build = options.build.resolve()
    os.environ["TRANCHE_BIN_DIR"] = str(build / "bin")
    sys.path[:0] = [str(SOURCE / "tests/walls"), str(SOURCE / "tests/shim")]
    import arbiter
    import nodes
    arbiter.own_run()
    figures = measure(build, 200 if options.smoke else 20000)
    for name in ("allocate and free", "synchronize", "query"):
        direct, shim = figures[name]["direct_ns"], figures[name]["shim_ns"]
        figures[name]["added_ns"] = round(shim - direct, 2)
        print(f"{name:20} direct {direct:8.2f} ns   through the shim {shim:8.2f} ns   added {shim - direct:8.2f} ns")
    figures["machine"] = platform.processor() or platform.machine()
    figures["busy"] = nodes.load()
    figures["nodes"] = nodes.Nodes(build, options.smoke).measure()
    nodes.show(figures["nodes"])
    print(f"\n{figures['busy']}")
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(figures, indent=1) + "\n")
    right = figures["charged"] and figures["hooked"] and figures["unhooked is the driver's own"]
    if not right:
        print(f"the walls were not what was measured: {figures}")
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
