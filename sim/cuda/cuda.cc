// The simulated libcuda.so.1: so far, what a program asks to find out which GPUs there are. Types
// and values are those of NVIDIA's "CUDA Driver API" reference (CUresult, CUdevice_attribute).
//
// Thread-safe. cuInit takes the list of GPUs once per process, as the real one does.
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <mutex>
#include <tuple>
#include <vector>

#include "sim/node/find.h"
#include "sim/node/state_reader.h"

namespace {

using tranche::sim::GpuState;
using tranche::sim::NodeSnapshot;

enum Result : int {
  kSuccess = 0,
  kInvalidValue = 1,
  kNotInitialised = 3,
  kStubLibrary = 34,
  kNoDevice = 100,
  kInvalidDevice = 101,
};

using CuDevice = int;
struct CuUuid {
  unsigned char bytes[16];
};

struct Driver {
  std::mutex mutex;
  std::atomic<bool> initialised = false;
  unsigned version = 0;
  std::vector<GpuState> gpus;
};

Driver& TheDriver() {
  static Driver* const driver = new Driver();
  return *driver;
}

bool ReadNode(NodeSnapshot* node) {
  const auto path = tranche::sim::FindStateFile(reinterpret_cast<const void*>(&TheDriver));
  const auto reader = tranche::sim::StateReader::Open(path);
  if (reader == nullptr) return false;
  reader->Read(node);
  return true;
}

// body(gpu) for a device of an initialised driver.
template <typename Body>
int WithDevice(CuDevice device, Body body) {
  const Driver& driver = TheDriver();
  if (!driver.initialised) return kNotInitialised;
  if (device < 0 || static_cast<std::size_t>(device) >= driver.gpus.size()) return kInvalidDevice;
  return body(driver.gpus[static_cast<std::size_t>(device)]);
}

// "GPU-01020304-…" as 16 bytes.
void UuidBytes(const char* text, CuUuid* uuid) {
  const char* at = text + std::strlen("GPU-");
  for (unsigned char& byte : uuid->bytes) {
    while (*at == '-') ++at;
    unsigned value = 0;
    if (std::sscanf(at, "%2x", &value) != 1) value = 0;
    byte = static_cast<unsigned char>(value);
    at += 2;
  }
}

int Uuid(CuUuid* uuid, CuDevice device) {
  return WithDevice(device, [&](const GpuState& gpu) {
    if (uuid == nullptr) return kInvalidValue;
    UuidBytes(gpu.uuid, uuid);
    return kSuccess;
  });
}

}  // namespace

// NOLINTBEGIN(readability-identifier-naming): the names are NVIDIA's.
extern "C" {

int cuInit(unsigned flags) {
  if (flags != 0) return kInvalidValue;
  Driver& driver = TheDriver();
  const std::scoped_lock lock(driver.mutex);
  if (driver.initialised) return kSuccess;
  NodeSnapshot node;
  if (!ReadNode(&node) || node.header.driver_loaded == 0) return kNoDevice;
  driver.version = node.header.cuda_version;
  for (const GpuState& gpu : node.gpus) {
    if (gpu.present != 0 && gpu.lost == 0) driver.gpus.push_back(gpu);
  }
  const auto place = [](const GpuState& gpu) {
    return std::tuple(gpu.pci_domain, gpu.pci_bus, gpu.pci_device);
  };
  std::sort(driver.gpus.begin(), driver.gpus.end(),
            [&](const GpuState& a, const GpuState& b) { return place(a) < place(b); });
  if (driver.gpus.empty()) return kNoDevice;
  driver.initialised = true;
  return kSuccess;
}

// Answers before cuInit, too.
int cuDriverGetVersion(int* version) {
  if (version == nullptr) return kInvalidValue;
  NodeSnapshot node;
  if (!ReadNode(&node)) return kStubLibrary;
  *version = static_cast<int>(node.header.cuda_version);
  return kSuccess;
}

int cuDeviceGetCount(int* count) {
  if (!TheDriver().initialised) return kNotInitialised;
  if (count == nullptr) return kInvalidValue;
  *count = static_cast<int>(TheDriver().gpus.size());
  return kSuccess;
}

int cuDeviceGet(CuDevice* device, int ordinal) {
  return WithDevice(ordinal, [&](const GpuState&) {
    if (device == nullptr) return kInvalidValue;
    *device = ordinal;
    return kSuccess;
  });
}

int cuDeviceGetName(char* name, int length, CuDevice device) {
  return WithDevice(device, [&](const GpuState& gpu) {
    if (name == nullptr || length <= 0) return kInvalidValue;
    std::snprintf(name, static_cast<std::size_t>(length), "%s", gpu.name);
    return kSuccess;
  });
}

int cuDeviceGetUuid(CuUuid* uuid, CuDevice device) { return Uuid(uuid, device); }
int cuDeviceGetUuid_v2(CuUuid* uuid, CuDevice device) { return Uuid(uuid, device); }

int cuDeviceTotalMem_v2(std::size_t* bytes, CuDevice device) {
  return WithDevice(device, [&](const GpuState& gpu) {
    if (bytes == nullptr) return kInvalidValue;
    *bytes = gpu.memory_total - gpu.memory_reserved;
    return kSuccess;
  });
}

int cuDeviceGetAttribute(int* value, int attribute, CuDevice device) {
  return WithDevice(device, [&](const GpuState& gpu) {
    if (value == nullptr) return kInvalidValue;
    switch (attribute) {
      case 16:
        *value = static_cast<int>(gpu.multiprocessors);
        return kSuccess;
      case 33:
        *value = static_cast<int>(gpu.pci_bus);
        return kSuccess;
      case 34:
        *value = static_cast<int>(gpu.pci_device);
        return kSuccess;
      case 50:
        *value = static_cast<int>(gpu.pci_domain);
        return kSuccess;
      case 75:
        *value = gpu.compute_major;
        return kSuccess;
      case 76:
        *value = gpu.compute_minor;
        return kSuccess;
      default:
        return kInvalidValue;
    }
  });
}

}  // extern "C"
// NOLINTEND(readability-identifier-naming)
