"""The cases: a node, a configuration, and what then happens to the node.

Each is a dict: name; node (a profile); resources (how many will be registered; 0: a line of the log is
waited for); and, where wanted: config (text of --config-file), env, files, devices (the node's device
nodes are in /dev), events, faults (calls to NVML that fail), ours (how many devices ours has to advertise).
"""

from fault_cases import fault_cases

SHARED = """version: v1
sharing:
  timeSlicing:
{options}    resources:
    - name: nvidia.com/{resource}
      replicas: {replicas}
"""
# v0.19.0 has these on where they are not set; v0.20.0, which we follow, off.
OFF = {"GDRCOPY_ENABLED": "false", "GDS_ENABLED": "false", "MOFED_ENABLED": "false"}
# What hooks run with; upstream leaves hooks out where the host has no such file.
CTK = {"@STAGE@/root/usr/bin/nvidia-ctk": ""}
PLACED = {"NVIDIA_DRIVER_ROOT": "@STAGE@/root"}


def shared(replicas, resource="gpu", **options):
    lines = "".join(f"    {name}: {str(value).lower()}\n" for name, value in options.items())
    return SHARED.format(options=lines, resource=resource, replicas=replicas)


def case(name, node, resources, config=None, env=None, **more):
    return {"name": name, "node": node, "resources": resources, "config": config,
            "env": {**OFF, **(env or {})}, **more}


def nodes():
    yield case("plain/a100x2", "a100x2", 1)
    yield case("plain/h100x8", "h100x8", 1)
    yield case("plain/v100x8", "v100x8", 1)
    yield case("plain/t4", "t4", 1)
    yield case("plain/rtx4090", "rtx4090", 1)
    yield case("plain/mixed", "mixed", 1)
    yield case("plain/none", "none", 0)
    for node in ("a100-mig-uniform", "a100-mig-mixed", "mixed", "a100x2"):
        for strategy in ("none", "single", "mixed"):
            count = {"a100-mig-uniform": {"mixed": UNIFORM_MIG}, "a100-mig-mixed": {
                "single": 0, "mixed": MIXED_MIG}}.get(node, {}).get(strategy, 1)
            yield case(f"mig-{strategy}/{node}", node, count, env={"MIG_STRATEGY": strategy},
                       refused=count == 0)


UNIFORM_MIG = 1
MIXED_MIG = 6


def sharing():
    for node in ("a100x2", "h100x8", "mixed", "t4"):
        yield case(f"replicas-4/{node}", node, 1, shared(4))
    yield case("replicas-10/h100x8", "h100x8", 1, shared(10))
    yield case("replicas-1/a100x2", "a100x2", 1, shared(1))
    yield case("rename/a100x2", "a100x2", 1, shared(3, renameByDefault=True))
    for fail in (True, False):
        yield case(f"fail-{fail}/a100x2", "a100x2", 1, shared(4, failRequestsGreaterThanOne=fail))
    yield case("fail-rename/a100x2", "a100x2", 1,
               shared(4, failRequestsGreaterThanOne=True, renameByDefault=True))
    yield case("replicas-1-fail/a100x2", "a100x2", 1, shared(1, failRequestsGreaterThanOne=True))
    yield case("mig-shared-mixed/a100-mig-mixed", "a100-mig-mixed", MIXED_MIG,
               shared(3, "mig-2g.20gb"), {"MIG_STRATEGY": "mixed"})
    yield case("mig-shared-rename/a100-mig-mixed", "a100-mig-mixed", MIXED_MIG,
               shared(2, "mig-3g.40gb", renameByDefault=True), {"MIG_STRATEGY": "mixed"})
    yield case("mig-shared-single/a100-mig-uniform", "a100-mig-uniform", 1, shared(2),
               {"MIG_STRATEGY": "single"})
    yield case("mig-shared-none/a100-mig-uniform", "a100-mig-uniform", 1, shared(2))
    yield case("name-matches-nothing/a100x2", "a100x2", 1, shared(4, "gpus"))
    yield case("short-name/a100x2", "a100x2", 1, shared(4).replace("nvidia.com/", ""))
    yield case("same-name-twice/a100x2", "a100x2", 1,
               shared(4) + "    - name: nvidia.com/gpu\n      replicas: 2\n")
    yield case("key-case/a100x2", "a100x2", 1, shared(4).replace("timeSlicing", "timeslicing"))
    yield case("unknown-key/a100x2", "a100x2", 1, shared(4).replace("sharing", "sharring"))
    yield case("rename-devices-ignored/a100x2", "a100x2", 1,
               shared(4) + "      rename: nvidia.com/other\n      devices: [0]\n")
    yield case("resources-ignored/mixed", "mixed", 1,
               "version: v1\nresources:\n  gpus:\n  - {pattern: '*A100*', name: nvidia.com/a100}\n"
               "  - {pattern: '*', name: nvidia.com/rest}\n")
    yield case("empty-file/a100x2", "a100x2", 1, "")


def strategies():
    for strategy in ("envvar", "volume-mounts", "cdi-cri", "cdi-annotations", "envvar,cdi-cri",
                     "volume-mounts,cdi-annotations", "cdi-cri,cdi-annotations",
                     "envvar,volume-mounts,cdi-annotations,cdi-cri"):
        for ids in ("uuid", "index"):
            yield case(f"{strategy}/{ids}", "a100x2", 1, shared(2),
                       {"DEVICE_LIST_STRATEGY": strategy, "DEVICE_ID_STRATEGY": ids, **PLACED},
                       files=CTK)
    for ids in ("uuid", "index"):
        yield case(f"ids-{ids}/a100-mig-mixed", "a100-mig-mixed", MIXED_MIG,
                   env={"DEVICE_LIST_STRATEGY": "envvar,cdi-cri", "MIG_STRATEGY": "mixed",
                        "DEVICE_ID_STRATEGY": ids, "PASS_DEVICE_SPECS": "true", **PLACED},
                   files=CTK)
    yield case("ids-index/h100x8", "h100x8", 1,
               env={"DEVICE_ID_STRATEGY": "index", "DEVICE_LIST_STRATEGY": "cdi-annotations", **PLACED},
               files=CTK)
    yield case("cdi/mixed", "mixed", 1, env={"DEVICE_LIST_STRATEGY": "cdi-cri", **PLACED}, files=CTK)
    yield case("cdi-host-root/a100x2", "a100x2", 1, env={"DEVICE_LIST_STRATEGY": "cdi-cri"}, files=CTK)
    yield case("cdi-driver-container/a100x2", "a100x2", 1,
               env={"DEVICE_LIST_STRATEGY": "cdi-cri", "NVIDIA_DRIVER_ROOT": "/run/nvidia/driver"},
               files=CTK)
    yield case("cdi-hook-path/a100x2", "a100x2", 1,
               env={"DEVICE_LIST_STRATEGY": "cdi-cri", **PLACED,
                    "NVIDIA_CDI_HOOK_PATH": "/usr/local/nvidia/toolkit/nvidia-cdi-hook"})
    yield case("cdi-prefix/a100x2", "a100x2", 1,
               env={"DEVICE_LIST_STRATEGY": "cdi-annotations", **PLACED,
                    "CDI_ANNOTATION_PREFIX": "cdi.example.com/"}, files=CTK)
    yield case("cdi-mig-none/a100-mig-uniform", "a100-mig-uniform", 1,
               env={"DEVICE_LIST_STRATEGY": "cdi-cri", **PLACED}, files=CTK)


def device_specs():
    for node in ("a100x2", "a100-mig-mixed", "h100x8"):
        many = MIXED_MIG if node == "a100-mig-mixed" else 1
        for devices in (True, False):
            yield case(f"specs-{'nodes' if devices else 'no-nodes'}/{node}", node, many,
                       env={"PASS_DEVICE_SPECS": "true", "MIG_STRATEGY": "mixed"}, devices=devices)
    yield case("specs-shared/a100x2", "a100x2", 1, shared(3), {"PASS_DEVICE_SPECS": "true"}, devices=True)
    yield case("specs-dev-root/a100x2", "a100x2", 1,
               env={"PASS_DEVICE_SPECS": "true", "NVIDIA_DEV_ROOT": "/run/nvidia/driver"}, devices=True)
    yield case("specs-driver-root/a100x2", "a100x2", 1,
               env={"PASS_DEVICE_SPECS": "true", "NVIDIA_DRIVER_ROOT": "/run/nvidia/driver"}, devices=True)
    for name, root in (("empty", ""), ("unclean", "/run//nvidia/toolkit/../driver/")):
        yield case(f"specs-root-{name}/a100x2", "a100x2", 1,
                   env={"PASS_DEVICE_SPECS": "true", "NVIDIA_DRIVER_ROOT": root}, devices=True)
        yield case(f"cdi-root-{name}/a100x2", "a100x2", 1,
                   env={"DEVICE_LIST_STRATEGY": "cdi-cri", "NVIDIA_DRIVER_ROOT": root}, files=CTK)
    yield case("specs-volume-mounts/a100x2", "a100x2", 1,
               env={"PASS_DEVICE_SPECS": "true", "DEVICE_LIST_STRATEGY": "volume-mounts"}, devices=True)
    for flag in ("GDRCOPY_ENABLED", "GDS_ENABLED", "MOFED_ENABLED"):
        yield case(f"{flag.lower()}/a100x2", "a100x2", 1, env={flag: "true"})
    yield case("all-features-cdi/a100x2", "a100x2", 1,
               env={**{flag: "true" for flag in OFF}, "DEVICE_LIST_STRATEGY": "cdi-cri", **PLACED},
               files=CTK)
    for strategy in ("envvar", "volume-mounts", "cdi-cri"):
        yield case(f"imex-{strategy}/a100x2", "a100x2", 1, "version: v1\nimex: {channelIDs: [0]}\n",
                   {"DEVICE_LIST_STRATEGY": strategy, "PASS_DEVICE_SPECS": "true", **PLACED},
                   files=CTK)
    yield case("imex-required/a100x2", "a100x2", 0,
               "version: v1\nimex: {channelIDs: [0], required: true}\n", refused=True)
    yield case("imex-many/a100x2", "a100x2", 0, "version: v1\nimex: {channelIDs: [0, 1]}\n",
               refused=True)


def health():
    for xid in (48, 63, 79, 94, 95, 119):
        yield case(f"xid-{xid}/a100x2", "a100x2", 1, events=[f"xid 0 {xid}"])
    yield case("xid-48-shared/a100x2", "a100x2", 1, shared(4), events=["xid 0 48"])
    # Ignored ones are followed by one that counts, so that nothing is waited for in vain.
    for xid in (13, 31, 43, 45, 68, 109):
        yield case(f"xid-{xid}-ignored/a100x2", "a100x2", 1, events=[f"xid 0 {xid}", "xid 1 48"])
    yield case("xid-disabled/a100x2", "a100x2", 1, env={"DP_DISABLE_HEALTHCHECKS": "48"},
               events=["xid 0 48", "xid 1 74"])
    yield case("xid-enabled/a100x2", "a100x2", 1, env={"DP_ENABLE_HEALTHCHECKS": "13"},
               events=["xid 0 13"])
    yield case("xid-mig-device/a100-mig-mixed", "a100-mig-mixed", MIXED_MIG,
               env={"MIG_STRATEGY": "mixed"}, events=["xid 0:0 48"])
    yield case("xid-mig-gpu/a100-mig-mixed", "a100-mig-mixed", MIXED_MIG,
               env={"MIG_STRATEGY": "mixed"}, events=["xid 0 48"])
    yield case("lost/a100x2", "a100x2", 1, events=["lose 0"])
    yield case("lost-shared/a100x2", "a100x2", 1, shared(2), events=["lose 0"])


BAD = {
    "replicas-0": shared(0),
    "replicas-negative": shared(-3),
    "replicas-word": shared("four"),
    "replicas-float": shared("4.5"),
    "replicas-missing": shared(4).replace("      replicas: 4\n", ""),
    "no-resources": "version: v1\nsharing: {timeSlicing: {}}\n",
    "no-name": "version: v1\nsharing: {timeSlicing: {resources: [{replicas: 4}]}}\n",
    "other-domain": shared(4).replace("nvidia.com", "nvdia.com"),
    "unknown-version": "version: v2\n",
    "version-number": "version: 1\n",
    "mps-without-root": "version: v1\nsharing: {mps: {resources: [{name: gpu, replicas: 2}]}}\n",
    "devices-word": shared(4) + "      devices: some\n",
    "devices-name": shared(4) + "      devices: [nope]\n",
    "a-list": "- a\n",
    "a-word": "hello\n",
    "bool-as-text": 'version: v1\nflags: {failOnInitError: "false"}\n',
    "no-pattern": "version: v1\nresources: {gpus: [{name: a100}]}\n",
    "not-yaml": "version: v1\n  sharing: [\n",
    "unknown-mig-strategy": "version: v1\nflags: {migStrategy: double}\n",
    "unknown-list-strategy": "version: v1\nflags: {plugin: {deviceListStrategy: wish}}\n",
    "unknown-id-strategy": "version: v1\nflags: {plugin: {deviceIDStrategy: name}}\n",
    "unknown-discovery": "version: v1\nflags: {deviceDiscoveryStrategy: guess}\n",
}


def refused():
    for name, config in BAD.items():
        yield case(f"bad/{name}", "a100x2", 0, config, refused=True)
    yield case("bad/no-such-file", "a100x2", 0, env={"CONFIG_FILE": "/nowhere/config.yaml"},
               refused=True)
    for name, value in (("MIG_STRATEGY", "double"), ("DEVICE_LIST_STRATEGY", "wish"),
                        ("DEVICE_ID_STRATEGY", "name"), ("PASS_DEVICE_SPECS", "maybe"),
                        ("DEVICE_DISCOVERY_STRATEGY", "guess"), ("IMEX_CHANNEL_IDS", "x")):
        yield case(f"bad/{name.lower()}", "a100x2", 0, env={name: value}, refused=True)


def faults():
    yield from fault_cases(case, shared)


def all_cases():
    for group in (nodes, sharing, strategies, device_specs, health, refused, faults):
        for made in group():
            # Often enough to see both answers of a tie; elsewhere preferences are beside the point.
            made.setdefault("times", 30 if group in (nodes, sharing) else 0)
            # v0.19.0 has one fewer there: its patterns are not anchored.
            if made["resources"] == MIXED_MIG:
                made["their_resources"] = MIXED_MIG - 1
            yield made
