"""Each call to NVML answers each of these codes: what the plugins make of it, and what ours has to.

A fault is "CALL=CODE", or of one GPU "CALL=CODE@INDEX". `ours` is how many devices are right.
"""

CODES = ("NOT_SUPPORTED", "NO_PERMISSION", "UNKNOWN", "GPU_IS_LOST")

# Calls about GPU 1 of two with four replicas each.
NEEDED = ("nvmlDeviceGetUUID", "nvmlDeviceGetMinorNumber")
DETAILS = ("nvmlDeviceGetName", "nvmlDeviceGetPciInfo", "nvmlDeviceGetMemoryInfo",
           "nvmlDeviceGetCudaComputeCapability", "nvmlDeviceGetMigMode", "nvmlDeviceGetGpuFabricInfo")
WATCHING = ("nvmlDeviceGetHandleByUUID", "nvmlDeviceGetSupportedEventTypes", "nvmlDeviceRegisterEvents")
# Calls about the whole node, without which there is no GPU, and others.
DRIVER = ("nvmlInit", "nvmlDeviceGetCount", "nvmlDeviceGetHandleByIndex")
VERSIONS = ("nvmlSystemGetDriverVersion", "nvmlSystemGetCudaDriverVersion")
EVENTS = ("nvmlEventSetCreate", "nvmlEventSetWait", "nvmlEventSetFree", "nvmlShutdown")
TOPOLOGY = ("nvmlDeviceGetTopologyCommonAncestor", "nvmlDeviceGetNvLinkState",
            "nvmlDeviceGetNvLinkRemotePciInfo")

# Calls about GPU 0 of a100-mig-mixed, which has four MIG devices of four profiles, or about those.
MIG_DETAILS = ("nvmlDeviceGetMaxMigDeviceCount", "nvmlDeviceGetAttributes", "nvmlDeviceGetGpuInstanceId",
               "nvmlDeviceGetComputeInstanceId", "nvmlDeviceGetMemoryInfo")
MIG_NODE = "a100-mig-mixed"
MIG_WHOLE, MIG_OTHER = (7, 6), (3, 3)  # devices and resources: of the node, of its GPU 1


def fault_cases(case, shared):
    """`case` and `shared` make cases and configs (cases.py)."""
    def whole(call, code, ours, at="@1", **more):
        return case(f"nvml-{call}-{code}/a100x2", "a100x2", 1 if ours else 0, shared(4),
                    faults=[f"{call}={code}{at}"], ours=ours, **more)

    def mig(call, code, right):
        devices, resources = right
        return case(f"nvml-{call}-{code}/{MIG_NODE}", MIG_NODE, resources, env={"MIG_STRATEGY": "mixed"},
                    faults=[f"{call}={code}@0"], ours=devices)

    for code in CODES:
        lost = code == "GPU_IS_LOST"
        yield from (whole(call, code, 4) for call in NEEDED)
        yield from (whole(call, code, 4 if lost else 8) for call in DETAILS)
        # The XID is noticed by both: what comes before it has come by then.
        yield from (whole(call, code, 8, events=["xid 0 48"]) for call in WATCHING)
        yield from (whole(call, code, 0, at="", refused=True) for call in DRIVER)
        yield from (whole(call, code, 8, at="") for call in (*VERSIONS, *EVENTS))
        for call in TOPOLOGY:
            yield case(f"nvml-{call}-{code}/a100x2", "a100x2", 1, faults=[f"{call}={code}"], ours=2, times=1)
        yield from (mig(call, code, MIG_OTHER if lost else MIG_WHOLE) for call in MIG_DETAILS)
        yield mig("nvmlDeviceGetMigDeviceHandleByIndex", code, MIG_OTHER)
        yield mig("nvmlDeviceGetMigMode", code, MIG_OTHER if lost else (4, 4))
