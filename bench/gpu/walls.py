#!/usr/bin/env python3
"""Memory walls on this machine's own GPUs: the shim before the installed driver, `tranche node`, and control groups as pods.

usage: bench/gpu/walls.py BUILD --json FILE [--smoke]

 exports     what the installed libraries export and the shims neither hook nor pass by for a reason: nothing
 nvidia-smi  what the driver's own says inside a pod: the limit as the total
 context     what a context takes, as the node program has measured it
 calls       an allocation, another hooked call and one that is not, beside the driver's own
 starts      programs that attach and make a context, alone and 64 at once, beside the same without the shim
 recovery    memory again after SIGKILL of the program that had it
 race        programs that race for their pod's memory: the most that they had, by nvidia-smi, and without the shim

`--smoke` takes a simulated node, whose figures are not a GPU's. Exit status: 1 if a wall did not hold.
"""

import argparse
import json
import os
import pathlib
import sys

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.dont_write_bytecode = True
RACERS = (16, 16)
LIMIT = 8 << 30


def options_of():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--json", type=pathlib.Path, required=True)
    parser.add_argument("--smoke", action="store_true")
    return parser.parse_args()


class Walls:
    def __init__(self, build, smoke):
        import cardbed
        import nodes
        import race_test
        import shim
        import wallsbed
        self.build, self.smoke = build, smoke
        self.cards, self.nodes, self.race, self.shim, self.walls = cardbed, nodes, race_test, shim, wallsbed

    def bed(self, **config):
        return self.cards.CardBed(self.smoke, **config)

    def measure(self):
        figures = {}
        with self.bed(limit=str(LIMIT)) as bed:
            if bed.groups.root is None:
                return {"left out": "no control group can be made here, so no process is a pod's"}
            figures["exports"] = self.exports(bed)
            figures["nvidia-smi"], figures["context_bytes"] = self.inside(bed)
            figures["calls"] = self.calls(bed)
            bench = self.nodes.Nodes(self.build, self.smoke, LIMIT)
            bench.starts(bed, 1, 2 if self.smoke else 30)
            bench.starts(bed, 4 if self.smoke else 64, 1 if self.smoke else 3)
            bench.recovery(bed, 1 if self.smoke else 5)
            figures["starts and recovery"] = bench.rows
        figures["race"] = self.races(figures["context_bytes"])
        return figures

    def exports(self, bed):
        found = {}
        for shims in (self.shim.CUDA, self.shim.NVML):
            library = bed.node.library(f"{shims.library}.so.1")
            exported = self.shim.symbols(library, "FUNC").keys() | self.shim.symbols(library, "OBJECT").keys()
            found[shims.library] = {"exports": len(exported), "shim": shims.shim_for(library).name,
                                    "neither hooked nor passed by": shims.unaccounted(exported)}
        return found

    def inside(self, bed):
        """A program takes a GiB; what nvidia-smi says beside it, and what its context took."""
        program = bed.program()
        self.walls.until(lambda: bed.wall().get("contextBytes"))
        assert program.take(1024) == (0, 1024)
        wall = bed.wall()
        uuid, total, used = bed.query_inside("gpu", "uuid", "memory.total", "memory.used")[0]
        told = {"uuid": uuid, "limit_mib": wall["limitBytes"] >> 20, "total_mib": int(total), "used_mib": int(used),
                "held_mib": wall["usedBytes"] >> 20, "device_total_mib": int(bed.query("gpu", "memory.total")[0][0]),
                "apps": bed.query_inside("compute-apps", "pid", "used_memory")}
        told["agrees"] = (told["total_mib"] == told["limit_mib"] and abs(told["used_mib"] - told["held_mib"]) <= 1 and
                          [int(pid) for pid, _ in told["apps"]] == [program.process.pid])
        program.end()
        return told, wall["contextBytes"]

    def calls(self, bed):
        count, rounds = ("20", "2") if self.smoke else ("1000", "20")
        process = bed.start([self.build / "bench/walls_probe", bed.node.library(), bed.shadow.library, count, rounds],
                            self.walls.POD)
        out, errors = process.communicate(timeout=600)
        if process.returncode != 0:
            raise RuntimeError(f"walls_probe: {errors}")
        return json.loads(out)

    def races(self, context):
        processes, threads = size = (2, 8) if self.smoke else RACERS
        room = self.race.room_of(size)
        limit = 2 * processes * context + room
        found = {"processes": processes, "threads": threads, "limit_bytes": limit}
        for walled in (True, False):
            with self.bed(limit=str(limit)) as bed:
                crew = self.race.Crew(bed, processes, threads, walled, devices=1)
                with bed.watched(crew.pids()) as most:
                    crew.say()
                    if walled:
                        self.walls.until(lambda bed=bed: bed.wall().get("refusals"))
                    crew.say()
                    counts = crew.results()
                crew.end()
                found["with the shim" if walled else "without"] = {"most_bytes": max(most.values()), **counts}
        return found


def held(figures):
    """Whether walls held, and the driver's own view agreed."""
    if "left out" in figures:
        return True
    race = figures["race"]
    return (not any(each["neither hooked nor passed by"] for each in figures["exports"].values()) and
            figures["nvidia-smi"]["agrees"] and figures["calls"]["hooked"] and
            figures["calls"]["unhooked is the driver's own"] and
            race["with the shim"]["most_bytes"] <= race["limit_bytes"])


def show(figures):
    if "left out" in figures:
        return print(f"walls: left out, for {figures['left out']}")
    for library, each in figures["exports"].items():
        print(f"walls: {library} exports {each['exports']} names, shim {each['shim']}, neither hooked nor passed by: "
              f"{', '.join(each['neither hooked nor passed by']) or 'none'}")
    told = figures["nvidia-smi"]
    print(f"walls: nvidia-smi in a pod says {told['used_mib']} of {told['total_mib']} MiB at a limit of "
          f"{told['limit_mib']} MiB, outside {told['device_total_mib']} MiB: "
          f"{'as it should' if told['agrees'] else f'NOT as it should: {told}'}")
    print(f"walls: a context takes {figures['context_bytes'] / 2**20:.1f} MiB")
    for name in ("allocate and free", "synchronize", "query"):
        one = figures["calls"][name]
        print(f"walls: {name}: {one['direct_ns']:.1f} ns, through the shim {one['shim_ns']:.1f} ns")
    race = figures["race"]
    for how in ("with the shim", "without"):
        over = race[how]["most_bytes"] - race["limit_bytes"]
        print(f"walls: race of {race['processes']} x {race['threads']}, {how}: at most {max(0, over)} bytes over the limit")


def main():
    options = options_of()
    build = options.build.resolve()
    os.environ["TRANCHE_BIN_DIR"] = str(build / "bin")
    sys.path[:0] = [str(SOURCE / place) for place in ("bench/gpu", "bench/walls", "tests/walls", "tests/shim")]
    import arbiter
    arbiter.own_run()
    import nodes
    walls = Walls(build, options.smoke)
    figures = walls.measure()
    figures["held"] = held(figures)
    show(figures)
    if "starts and recovery" in figures:
        nodes.show(figures["starts and recovery"])
    options.json.write_text(json.dumps(figures, indent=1) + "\n")
    return 0 if figures["held"] else 1


if __name__ == "__main__":
    sys.exit(main())
