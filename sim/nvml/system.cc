// Init, versions, error texts, and the ways to a handle.
#include <cstdio>
#include <cstring>
#include <string>

#include "sim/nvml/library.h"

namespace tranche::gpu::nvml {
namespace {

using sim::GpuState;
using sim::nvml::Call;
using sim::nvml::CopyText;
using sim::nvml::Library;

Return Initialise(const char* name) {
  const Return trouble = Library::Get().Trouble(name, sim::kWholeGpu);
  return trouble == kSuccess ? Library::Get().Init() : trouble;
}

Return Count(const char* name, unsigned* count) {
  return Call(name, [&](Library& library) {
    if (count == nullptr) return kInvalidArgument;
    *count = static_cast<unsigned>(library.listed().size());
    return kSuccess;
  });
}

// The handle of `slot`, for the calls that look a GPU up: a GPU that is lost has none to give.
Return Give(Library& library, unsigned slot, Device* device) {
  const GpuState& gpu = library.node().gpus[slot];
  if (gpu.present == 0 || gpu.lost != 0) return kGpuIsLost;
  *device = library.DeviceHandle(slot);
  return kSuccess;
}

Return ByIndex(const char* name, unsigned index, Device* device) {
  // A fault for one GPU hits the look-up of its index, too.
  unsigned slot = sim::kWholeGpu;
  {
    Library& library = Library::Get();
    const std::scoped_lock lock(library.mutex());
    if (index < library.listed().size()) slot = library.listed()[index];
  }
  Library& library = Library::Get();
  const Return trouble = library.Trouble(name, slot);
  if (trouble != kSuccess) return trouble;
  const std::scoped_lock lock(library.mutex());
  if (const Return ready = library.Refresh(); ready != kSuccess) return ready;
  if (device == nullptr || index >= library.listed().size()) return kInvalidArgument;
  return Give(library, library.listed()[index], device);
}

// The first listed GPU for which `matches` holds.
template <typename Matches>
Return Lookup(const char* name, const char* key, Device* device, Matches matches) {
  return Call(name, [&](Library& library) {
    if (key == nullptr || device == nullptr) return kInvalidArgument;
    for (const unsigned slot : library.listed()) {
      if (matches(library.node().gpus[slot])) return Give(library, slot, device);
    }
    return kNotFound;
  });
}

Return ByBusId(const char* name, const char* bus_id, Device* device) {
  unsigned domain = 0;
  unsigned bus = 0;
  unsigned number = 0;
  const bool understood =
      bus_id != nullptr && (std::sscanf(bus_id, "%x:%x:%x", &domain, &bus, &number) == 3 ||
                            (domain = 0, std::sscanf(bus_id, "%x:%x", &bus, &number) == 2));
  return Lookup(name, understood ? bus_id : nullptr, device, [&](const GpuState& gpu) {
    return gpu.pci_domain == domain && gpu.pci_bus == bus && gpu.pci_device == number;
  });
}

Return ByMigUuid(Library& library, const char* uuid, Device* device) {
  for (const unsigned slot : library.listed()) {
    const GpuState& gpu = library.node().gpus[slot];
    for (unsigned i = 0; i < gpu.gpu_instance_count; ++i) {
      const sim::GpuInstanceState& instance = gpu.gpu_instances[i];
      for (unsigned j = 0; j < instance.compute_instance_count; ++j) {
        const sim::ComputeInstanceState& compute = instance.compute_instances[j];
        if (std::strcmp(compute.uuid, uuid) != 0) continue;
        if (gpu.present == 0 || gpu.lost != 0) return kGpuIsLost;
        *device = library.DeviceHandle(slot, instance.id, compute.id);
        return kSuccess;
      }
    }
  }
  return kNotFound;
}

}  // namespace

extern "C" {

Return nvmlInit() { return Initialise(__func__); }
Return nvmlInit_v2() { return Initialise(__func__); }
Return nvmlInitWithFlags(unsigned) { return Initialise(__func__); }

Return nvmlShutdown() {
  const Return trouble = Library::Get().Trouble(__func__, sim::kWholeGpu);
  return trouble == kSuccess ? Library::Get().Shutdown() : trouble;
}

const char* nvmlErrorString(Return result) {
  switch (result) {
    case kSuccess:
      return "The operation was successful";
    case kUninitialized:
      return "Uninitialized";
    case kInvalidArgument:
      return "Invalid Argument";
    case kNotSupported:
      return "Not Supported";
    case kNoPermission:
      return "Insufficient Permissions";
    case kAlreadyInitialized:
      return "Already Initialized";
    case kNotFound:
      return "Not Found";
    case kInsufficientSize:
      return "Insufficient Size";
    case kInsufficientPower:
      return "Insufficient External Power";
    case kDriverNotLoaded:
      return "Driver Not Loaded";
    case kTimeout:
      return "Timeout";
    case kIrqIssue:
      return "Interrupt Request Issue";
    case kLibraryNotFound:
      return "NVML Shared Library Not Found";
    case kFunctionNotFound:
      return "Function Not Found";
    case kCorruptedInforom:
      return "Corrupted infoROM";
    case kGpuIsLost:
      return "GPU is lost";
    case kResetRequired:
      return "GPU requires reset";
    case kOperatingSystem:
      return "GPU access blocked by the operating system";
    case kLibRmVersionMismatch:
      return "Driver/library version mismatch";
    case kInUse:
      return "In use by another client";
    case kMemory:
      return "Insufficient Memory";
    case kNoData:
      return "No data";
    case kVgpuEccNotSupported:
      return "VGPU ECC Not Supported";
    case kInsufficientResources:
      return "Insufficient Resources";
    case kFreqNotSupported:
      return "Frequency Not Supported";
    case kArgumentVersionMismatch:
      return "Argument version mismatch";
    case kDeprecated:
      return "Deprecated";
    case kNotReady:
      return "Not Ready";
    case kGpuNotFound:
      return "GPU Not Found";
    case kInvalidState:
      return "Invalid State";
    case kUnknown:
      break;
  }
  return "Unknown Error";
}

Return nvmlSystemGetDriverVersion(char* version, unsigned length) {
  return Call(__func__, [&](Library& library) {
    return CopyText(library.node().header.driver_version, version, length);
  });
}

Return nvmlSystemGetNVMLVersion(char* version, unsigned length) {
  // As the real one, without nvmlInit, too.
  return sim::nvml::CallAnyTime(__func__, [&](const sim::NodeHeader& header) {
    if (version == nullptr) return kInvalidArgument;
    // The CUDA major version before the driver's own, as "12.570.172.08".
    const std::string text =
        std::to_string(header.cuda_version / 1000) + "." + header.driver_version;
    return CopyText(text.c_str(), version, length);
  });
}

Return nvmlSystemGetCudaDriverVersion(int* version) {
  return nvmlSystemGetCudaDriverVersion_v2(version);
}

Return nvmlSystemGetCudaDriverVersion_v2(int* version) {
  return Call(__func__, [&](Library& library) {
    if (version == nullptr) return kInvalidArgument;
    *version = static_cast<int>(library.node().header.cuda_version);
    return kSuccess;
  });
}

Return nvmlSystemGetProcessName(unsigned pid, char* name, unsigned length) {
  return Call(__func__, [&](Library&) {
    char path[32];
    char text[256] = "";
    std::snprintf(path, sizeof path, "/proc/%u/cmdline", pid);
    FILE* file = std::fopen(path, "re");
    if (file == nullptr) return kNotFound;
    const std::size_t size = std::fread(text, 1, sizeof text - 1, file);
    std::fclose(file);
    text[size] = '\0';
    if (name == nullptr || length == 0) return kInvalidArgument;
    text[std::min<std::size_t>(length - 1, sizeof text - 1)] = '\0';  // the real one cuts, too
    return CopyText(text, name, length);
  });
}

Return nvmlDeviceGetCount(unsigned* count) { return Count(__func__, count); }
Return nvmlDeviceGetCount_v2(unsigned* count) { return Count(__func__, count); }

Return nvmlDeviceGetHandleByIndex(unsigned index, Device* device) {
  return ByIndex(__func__, index, device);
}
Return nvmlDeviceGetHandleByIndex_v2(unsigned index, Device* device) {
  return ByIndex(__func__, index, device);
}

Return nvmlDeviceGetHandleBySerial(const char* serial, Device* device) {
  return Lookup(__func__, serial, device,
                [&](const GpuState& gpu) { return std::strcmp(gpu.serial, serial) == 0; });
}

Return nvmlDeviceGetHandleByUUID(const char* uuid, Device* device) {
  if (uuid != nullptr && std::strncmp(uuid, "MIG-", 4) == 0) {
    return Call(__func__, [&](Library& library) {
      return device == nullptr ? kInvalidArgument : ByMigUuid(library, uuid, device);
    });
  }
  return Lookup(__func__, uuid, device,
                [&](const GpuState& gpu) { return std::strcmp(gpu.uuid, uuid) == 0; });
}

Return nvmlDeviceGetHandleByPciBusId(const char* bus_id, Device* device) {
  return ByBusId(__func__, bus_id, device);
}
Return nvmlDeviceGetHandleByPciBusId_v2(const char* bus_id, Device* device) {
  return ByBusId(__func__, bus_id, device);
}

}  // extern "C"
}  // namespace tranche::gpu::nvml
