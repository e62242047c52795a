// Library is the inside of the simulated libnvidia-ml.so.1: handles, the node's state as this
// process sees it, and the faults that the node's state asks for. There is one per process, as of
// the real library's state.
//
// Every exported function is one call of Call() or of a variant of it. Those check that the library
// is initialised, hang or fail where the node's state asks for it, and run the body with an
// up-to-date state. As in the real library, nvmlInit makes the list of GPUs: a GPU that is plugged
// in later is seen after Shutdown and Init, and one that is unplugged is lost.
//
// Threading: safe on any thread. Bodies run under the library's lock and never block.
// Errors: NVML's own result codes.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "gpu/nvml/abi.h"
#include "gpu/nvml/functions.h"
#include "sim/node/state_reader.h"
#include "sim/node/trouble.h"

namespace tranche::gpu::nvml {

// Handles point into tables of these and are never invalid memory.
struct DeviceOpaque {
  unsigned slot;
  std::uint32_t gpu_instance;  // sim::kWholeGpu: the GPU itself
  std::uint32_t compute_instance;
};
struct GpuInstanceOpaque {
  unsigned slot;
  std::uint32_t id;
};
struct ComputeInstanceOpaque {
  unsigned slot;
  std::uint32_t gpu_instance;
  std::uint32_t id;
};

// All exported functions, so that a definition that differs from the list does not compile.
#define TRANCHE_NVML_DECLARE(name, ...) \
  using name##Type = __VA_ARGS__;       \
  extern "C" name##Type name;
TRANCHE_NVML_FUNCTIONS(TRANCHE_NVML_DECLARE)
#undef TRANCHE_NVML_DECLARE

}  // namespace tranche::gpu::nvml

namespace tranche::sim::nvml {

namespace abi = gpu::nvml;
using abi::Return;

// What a device handle stands for at this moment.
struct Target {
  unsigned slot = 0;
  const GpuState* gpu = nullptr;
  const GpuInstanceState* gpu_instance = nullptr;          // MIG device
  const ComputeInstanceState* compute_instance = nullptr;  // MIG device
  [[nodiscard]] bool is_mig() const { return compute_instance != nullptr; }
  [[nodiscard]] const MigProfileState& profile() const {
    return gpu->mig_profiles[gpu_instance->profile_index];
  }
};

class Library {
 public:
  static Library& Get();

  Return Init();
  Return Shutdown();

  // Waits out or answers what the node says goes wrong with `call`; kSuccess: nothing does.
  Return Trouble(const char* call, unsigned slot);

  bool ReadHeader(NodeHeader* header);  // false: there is no node

  // Called with the lock held.
  Return Refresh();  // kUninitialized before Init
  [[nodiscard]] const NodeSnapshot& node() const { return snapshot_; }
  [[nodiscard]] const StateReader& reader() const { return *reader_; }
  [[nodiscard]] const std::vector<unsigned>& listed() const { return listed_; }  // slots
  Return Resolve(abi::Device device, Target* target) const;
  // Changes a GPU in the node's state, which takes root and a file that may be written.
  Return ChangeGpu(unsigned slot, const std::function<void(NodeState&, GpuState&)>& change);

  abi::Device DeviceHandle(unsigned slot, std::uint32_t gpu_instance = kWholeGpu,
                           std::uint32_t compute_instance = kWholeGpu);
  abi::GpuInstance GpuInstanceHandle(unsigned slot, std::uint32_t id);
  abi::ComputeInstance ComputeInstanceHandle(unsigned slot, std::uint32_t gpu_instance,
                                             std::uint32_t id);
  [[nodiscard]] bool Owns(abi::Device device) const;
  [[nodiscard]] bool Owns(abi::GpuInstance instance) const;
  [[nodiscard]] bool Owns(abi::ComputeInstance instance) const;

  std::mutex& mutex() { return mutex_; }

 private:
  Library();
  void OpenState();
  void ListGpus();
  static constexpr unsigned kInstances = kMaxGpus * kMaxInstanceId;
  static constexpr unsigned kComputes = kInstances * kMaxComputeInstances;

  std::mutex mutex_;
  unsigned users_ = 0;
  bool was_used_ = false;
  std::string path_;  // of the state file
  std::unique_ptr<StateReader> reader_;
  std::unique_ptr<sim::Trouble> trouble_;  // as reader_: none, or for good
  std::optional<std::uint32_t> seen_;      // sequence of snapshot_
  NodeSnapshot snapshot_;
  std::vector<unsigned> listed_;
  abi::DeviceOpaque gpus_[kMaxGpus];
  abi::DeviceOpaque mig_devices_[kComputes];
  abi::GpuInstanceOpaque gpu_instances_[kInstances];
  abi::ComputeInstanceOpaque compute_instances_[kComputes];
};

// Copies `text` into a caller's buffer; kInsufficientSize where it does not fit with its end.
Return CopyText(const char* text, char* buffer, unsigned length);

// body() with the library up to date.
template <typename Body>
Return Call(const char* name, Body body) {
  Library& library = Library::Get();
  if (const Return trouble = library.Trouble(name, kWholeGpu); trouble != abi::kSuccess) {
    return trouble;
  }
  const std::scoped_lock lock(library.mutex());
  const Return ready = library.Refresh();
  return ready == abi::kSuccess ? body(library) : ready;
}

// body(header) with the node's header, whether or not the library is initialised.
template <typename Body>
Return CallAnyTime(const char* name, Body body) {
  Library& library = Library::Get();
  if (const Return trouble = library.Trouble(name, kWholeGpu); trouble != abi::kSuccess) {
    return trouble;
  }
  NodeHeader header{};
  return library.ReadHeader(&header) ? body(header) : abi::kUninitialized;
}

// body(target) for a device that is there.
template <typename Body>
Return DeviceCall(const char* name, abi::Device device, Body body) {
  Library& library = Library::Get();
  const unsigned slot = library.Owns(device) ? device->slot : kWholeGpu;
  if (const Return trouble = library.Trouble(name, slot); trouble != abi::kSuccess) {
    return trouble;
  }
  const std::scoped_lock lock(library.mutex());
  Return ready = library.Refresh();
  Target target;
  if (ready == abi::kSuccess) ready = library.Resolve(device, &target);
  return ready == abi::kSuccess ? body(static_cast<const Target&>(target)) : ready;
}

// The same for calls that know whole GPUs only.
template <typename Body>
Return GpuCall(const char* name, abi::Device device, Body body) {
  return DeviceCall(name, device, [&](const Target& target) {
    return target.is_mig() ? abi::kNotSupported : body(*target.gpu);
  });
}

// A single number or enumerator of a whole GPU.
template <typename Out, typename Value>
Return GpuValue(const char* name, abi::Device device, Out* out, Value value) {
  return GpuCall(name, device, [&](const GpuState& gpu) {
    if (out == nullptr) return abi::kInvalidArgument;
    *out = static_cast<Out>(value(gpu));
    return abi::kSuccess;
  });
}

}  // namespace tranche::sim::nvml
