"""NVIDIA's own gpu-feature-discovery and ours, side by side: every label, compared.

TRANCHE_PEER_DIR and TRANCHE_BIN_DIR are as in peer_test.py. Each case is run with both programs, once, each on
a fresh simulated node, with the same flags, environment and files. A difference that label_differences.json does
not name is a failure, and so is an entry there that no case needs. Words on the command line choose cases by
part of their name; --show prints what both wrote.
"""

import json
import os
import pathlib
import subprocess
import sys

import report
from differences import Known

HERE = pathlib.Path(__file__).resolve().parent
SOURCE = HERE.parents[1]
BIN = pathlib.Path(os.environ.get("TRANCHE_BIN_DIR", SOURCE / "build/release/bin"))
OBSERVE = BIN.parent / "tests" / "peer_label_observe"
LIMIT_SECONDS = 60
ARGUMENTS = ["--oneshot", "--no-timestamp", "--use-node-feature-api=false",
             "--output-file=@STAGE@/features.d/gfd"]
MACHINE = "@STAGE@/root/sys/class/dmi/id/product_name"
MIG_NODES = ("a100-mig-uniform", "a100-mig-mixed")
NODES = ("a100x2", "h100x8", "v100x8", "t4", "rtx4090", "mixed", "none", *MIG_NODES)


def shared(replicas, *resources, **options):
    lines = ["version: v1", "sharing:", "  timeSlicing:"]
    lines += [f"    {name}: {str(value).lower()}" for name, value in options.items()]
    lines.append("    resources:")
    for resource in resources or ["nvidia.com/gpu"]:
        lines += [f"    - name: {resource}", f"      replicas: {replicas}"]
    return "\n".join(lines) + "\n"


CONFIGS = {
    "plain": None,
    "replicas-4": shared(4),
    "renamed": shared(4, renameByDefault=True),
}
MIG_CONFIGS = {
    "mig-shared": shared(3, "nvidia.com/gpu", "nvidia.com/mig-1g.10gb", "mig-1g.10gb.me"),
    "mig-renamed": shared(2, "mig-3g.40gb", "mig-2g.20gb", renameByDefault=True),
}


def vgpu(version=b"460.16", branch=b"r460_00", signature=b"VF"):
    """The PCI configuration of a vGPU: a vendor-specific capability with the host's driver."""
    capability = (signature + b"\x01\x04zz" + b"\x00\x16" + version.ljust(10, b"\0") + branch.ljust(10, b"\0"))
    space = bytearray(256)
    space[0x00:0x04] = b"\xde\x10\x00\x00"
    space[0x06], space[0x34], space[0x40], space[0x42] = 0x10, 0x40, 0x09, 3 + len(capability)
    space[0x43:0x43 + len(capability)] = capability
    # Vendor and device are in files of their own; here only bytes that a JSON text can carry.
    space[0x00:0x04] = bytes(4)
    return space.decode("ascii")


def case(name, node, config=None, env=None, files=None, machine=MACHINE, may_fail=False):
    return {"name": name, "node": node, "config": config, "env": env or {}, "files": files or {},
            "machine": machine, "may_fail": may_fail}


def all_cases():
    for node in NODES:
        for name, config in CONFIGS.items():
            yield case(f"{name}/{node}", node, config)
    for node in (*MIG_NODES, "a100x2", "mixed"):
        for strategy in ("single", "mixed"):
            for name, config in CONFIGS.items():
                yield case(f"mig-{strategy}-{name}/{node}", node, config, {"MIG_STRATEGY": strategy})
    for node in MIG_NODES:
        for strategy in ("none", "single", "mixed"):
            for name, config in MIG_CONFIGS.items():
                yield case(f"{name}-{strategy}/{node}", node, config, {"GFD_MIG_STRATEGY": strategy})
    yield from others()


def others():
    node = "a100x2"
    yield case("other-resource/a100x2", node, shared(4, "gpus"))
    yield case("short-name/a100x2", node, shared(4, "gpu"))
    yield case("replicas-10-fail/h100x8", "h100x8", shared(10, failRequestsGreaterThanOne=True))
    yield case("strategy-in-file/a100-mig-uniform", "a100-mig-uniform",
               "version: v1\nflags: {migStrategy: single}\n")
    yield case("variable-before-file/a100-mig-uniform", "a100-mig-uniform",
               "version: v1\nflags: {migStrategy: single}\n", {"MIG_STRATEGY": "mixed"})
    yield case("first-variable/a100-mig-uniform", "a100-mig-uniform", None,
               {"MIG_STRATEGY": "mixed", "GFD_MIG_STRATEGY": "single"})
    yield case("machine-absent/a100x2", node, machine="/nowhere/product_name")
    yield case("machine-none/a100x2", node, machine="")
    for name, text in (("words", " DGX\tStation (A100/4)  rev_2 \n"), ("empty", "\n"),
                       ("two-lines", "one\ntwo\n"), ("long", "x" * 80 + "\n"), ("dash", "- PC -\n")):
        yield case(f"machine-{name}/a100x2", node, files={"@STAGE@/machine": text}, machine="@STAGE@/machine")
    config = "@STAGE@/root/sys/bus/pci/devices/0000:07:00.0/config"
    yield case("vgpu/a100x2", node, files={config: vgpu()})
    yield case("vgpu-none/a100x2", node, files={config: vgpu(signature=b"XX")})
    yield case("vgpu-unprivileged/a100x2", node, files={config: "\0" * 64})
    for name, text in (("mps", "version: v1\nsharing: {mps: {resources: [{name: gpu, replicas: 2}]}}\n"),
                       ("replicas-0", shared(0)), ("replicas-1", shared(1)),
                       ("strategy", "version: v1\nflags: {migStrategy: double}\n"), ("yaml", "a: [\n")):
        yield case(f"bad-{name}/a100x2", node, text, may_fail=True)
    yield case("bad-flag/a100x2", node, env={"GFD_ONESHOT": "maybe"}, may_fail=True)
    yield case("bad-discovery/a100x2", node, env={"DEVICE_DISCOVERY_STRATEGY": "guess"}, may_fail=True)
    yield from flags_of_the_plugin()
    for wait in ("true", "false"):
        yield case(f"no-library-{wait}/a100x2", node,
                   env={"LD_LIBRARY_PATH": "/nowhere", "GFD_FAIL_ON_INIT_ERROR": wait},
                   may_fail=wait == "true")


def flags_of_the_plugin():
    """What is wrong only for the device plugin is nothing to gpu-feature-discovery."""
    for name, flags in (("list-strategy", "flags: {plugin: {deviceListStrategy: wish}}"),
                        ("id-strategy", "flags: {plugin: {deviceIDStrategy: name}}"),
                        ("policy", "flags: {plugin: {sharedDevicesAllocationPolicy: scattered}}"),
                        ("imex", "imex: {channelIDs: [0, 1]}")):
        yield case(f"plugin-{name}/a100x2", "a100x2", f"version: v1\n{flags}\n")
    for name, node, may_fail in (("MIG_STRATEGY", "a100x2", True), ("GFD_MIG_STRATEGY", "a100-mig-mixed", True),
                                 ("GFD_SLEEP_INTERVAL", "a100x2", False), ("GFD_FAIL_ON_INIT_ERROR", "a100x2", False),
                                 ("GFD_NO_TIMESTAMP", "a100x2", False), ("DEVICE_DISCOVERY_STRATEGY", "a100x2", True),
                                 ("CONTAINER_DRIVER_ROOT", "a100x2", False), ("KUBE_API_QPS", "a100x2", False),
                                 ("KUBE_API_BURST", "a100x2", False)):
        yield case(f"empty-{name.lower()}/{node}", node, env={name: ""}, may_fail=may_fail)
    yield case("bad-sleep/a100x2", "a100x2", env={"GFD_SLEEP_INTERVAL": "x"}, may_fail=True)


def request_of(one, program):
    arguments = [*ARGUMENTS, f"--machine-type-file={one['machine']}"]
    files = dict(one["files"])
    if one["config"] is not None:
        files["@STAGE@/config.yaml"] = one["config"]
        arguments.append("--config-file=@STAGE@/config.yaml")
    return {"program": str(program), "node": one["node"], "arguments": arguments, "env": one["env"],
            "files": files}


def observe(one, program):
    """What peer_label_observe saw, or a text that says why it saw nothing."""
    environment = {name: value for name, value in os.environ.items()
                   if name in ("PATH", "HOME", "LANG", "TMPDIR")}
    environment["TRANCHE_SIM_HOME"] = str(BIN / "sim")
    try:
        done = subprocess.run([OBSERVE], input=json.dumps(request_of(one, program)), text=True,
                              capture_output=True, timeout=LIMIT_SECONDS, env=environment)
    except subprocess.TimeoutExpired:
        return f"no end within {LIMIT_SECONDS} s"
    if done.returncode != 0:
        return f"exit {done.returncode}: {done.stderr[-2000:]}"
    seen = json.loads(done.stdout)
    return {**seen, "labels": seen.get("labels", "none")}


def judge(one, seen, known):
    if not one["may_fail"]:
        silent = [name for name, observation in seen.items()
                  if isinstance(observation, dict) and not isinstance(observation["labels"], dict)]
        if silent:
            return [f"no labels from {name}: {seen[name]['log'][-600:]}" for name in silent]
    return report.unexplained(one["name"], seen, known)


def main():
    folder = os.environ.get("TRANCHE_PEER_DIR")
    if not folder:
        sys.exit("TRANCHE_PEER_DIR is not set: run ./test peer")
    both = {"theirs": pathlib.Path(folder) / "gpu-feature-discovery", "ours": BIN / "gpu-feature-discovery"}
    known = Known(HERE / "label_differences.json", SOURCE / "docs/differences.md")
    return report.run(all_cases(), lambda one: {name: observe(one, program) for name, program in both.items()},
                      judge, known)


if __name__ == "__main__":
    sys.exit(main())
