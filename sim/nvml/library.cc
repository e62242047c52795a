#include "sim/nvml/library.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <tuple>

#include "sim/node/find.h"
#include "sim/node/state_change.h"

namespace tranche::sim::nvml {
namespace {

template <typename Handle, std::size_t kSize>
bool Within(const Handle* handle, const Handle (&table)[kSize]) {
  const auto at = reinterpret_cast<std::uintptr_t>(handle);
  const auto begin = reinterpret_cast<std::uintptr_t>(&table[0]);
  return at >= begin && at < begin + sizeof table && (at - begin) % sizeof(Handle) == 0;
}

bool HasDeviceNode(const GpuState& gpu) {
  char path[32];
  std::snprintf(path, sizeof path, "/dev/nvidia%u", gpu.minor);
  return access(path, F_OK) == 0;
}

}  // namespace

Library& Library::Get() {
  // Never destroyed: clients call in late, from their own exit handlers.
  static Library* const library = new Library();
  return *library;
}

Library::Library() {
  for (unsigned slot = 0; slot < kMaxGpus; ++slot) {
    gpus_[slot] = {slot, kWholeGpu, kWholeGpu};
    for (unsigned id = 0; id < kMaxInstanceId; ++id) {
      const unsigned instance = slot * kMaxInstanceId + id;
      gpu_instances_[instance] = {slot, id};
      for (unsigned compute = 0; compute < kMaxComputeInstances; ++compute) {
        mig_devices_[instance * kMaxComputeInstances + compute] = {slot, id, compute};
        compute_instances_[instance * kMaxComputeInstances + compute] = {slot, id, compute};
      }
    }
  }
  OpenState();
}

void Library::OpenState() {
  path_ = FindStateFile(reinterpret_cast<const void*>(&abi::nvmlInit_v2));
  reader_ = StateReader::Open(path_);
  if (reader_ != nullptr) trouble_ = std::make_unique<sim::Trouble>(*reader_);
}

Return Library::Init() {
  const std::scoped_lock lock(mutex_);
  if (reader_ == nullptr) OpenState();
  if (reader_ == nullptr) return abi::kDriverNotLoaded;
  ++users_;
  const Return fresh = Refresh();
  if (fresh != abi::kSuccess || snapshot_.header.driver_loaded == 0) {
    --users_;
    return fresh != abi::kSuccess ? fresh : abi::kDriverNotLoaded;
  }
  was_used_ = true;
  if (users_ == 1) ListGpus();
  return abi::kSuccess;
}

Return Library::Shutdown() {
  const std::scoped_lock lock(mutex_);
  // The real library has nothing against it before it was ever initialised.
  if (users_ == 0) return was_used_ ? abi::kUninitialized : abi::kSuccess;
  --users_;
  return abi::kSuccess;
}

bool Library::ReadHeader(NodeHeader* header) {
  const std::scoped_lock lock(mutex_);
  if (reader_ == nullptr) OpenState();
  if (reader_ == nullptr) return false;
  reader_->ReadHeader(header);
  return true;
}

void Library::ListGpus() {
  listed_.clear();
  for (unsigned slot = 0; slot < snapshot_.gpus.size(); ++slot) {
    const GpuState& gpu = snapshot_.gpus[slot];
    if (gpu.present == 0) continue;
    if (snapshot_.header.only_device_nodes != 0 && !HasDeviceNode(gpu)) continue;
    listed_.push_back(slot);
  }
  const auto place = [&](unsigned slot) {
    const GpuState& gpu = snapshot_.gpus[slot];
    return std::tuple(gpu.pci_domain, gpu.pci_bus, gpu.pci_device);
  };
  std::sort(listed_.begin(), listed_.end(),
            [&](unsigned a, unsigned b) { return place(a) < place(b); });
  const std::vector<unsigned> once = listed_;
  for (const unsigned slot : once) {
    const unsigned more = std::min(snapshot_.gpus[slot].duplicated, kMaxGpus);
    listed_.insert(listed_.end(), more, slot);
  }
}

Return Library::Refresh() {
  if (users_ == 0) return abi::kUninitialized;
  const std::uint32_t sequence = reader_->Sequence();
  if (sequence != seen_) {
    reader_->Read(&snapshot_);
    seen_ = snapshot_.header.sequence;
  }
  return abi::kSuccess;
}

Return Library::Resolve(abi::Device device, Target* target) const {
  if (!Owns(device) || device->slot >= snapshot_.gpus.size()) return abi::kInvalidArgument;
  if (std::find(listed_.begin(), listed_.end(), device->slot) == listed_.end()) {
    return abi::kInvalidArgument;
  }
  const GpuState& gpu = snapshot_.gpus[device->slot];
  if (gpu.present == 0 || gpu.lost != 0) return abi::kGpuIsLost;
  *target = {.slot = device->slot, .gpu = &gpu};
  if (device->gpu_instance == kWholeGpu) return abi::kSuccess;
  for (unsigned i = 0; i < gpu.gpu_instance_count; ++i) {
    const GpuInstanceState& instance = gpu.gpu_instances[i];
    if (instance.id != device->gpu_instance) continue;
    for (unsigned j = 0; j < instance.compute_instance_count; ++j) {
      if (instance.compute_instances[j].id != device->compute_instance) continue;
      target->gpu_instance = &instance;
      target->compute_instance = &instance.compute_instances[j];
      return abi::kSuccess;
    }
  }
  return abi::kInvalidArgument;  // a MIG device that is no more
}

Return Library::ChangeGpu(unsigned slot, const std::function<void(NodeState&, GpuState&)>& change) {
  if (geteuid() != 0) return abi::kNoPermission;
  const int error = ChangeState(path_, [&](NodeState& state) { change(state, state.gpus[slot]); });
  if (error == EACCES || error == EPERM || error == EROFS) return abi::kNoPermission;
  return error == 0 ? abi::kSuccess : abi::kUnknown;
}

Return Library::Trouble(const char* call, unsigned slot) {
  sim::Trouble* trouble = nullptr;
  {
    const std::scoped_lock lock(mutex_);
    trouble = trouble_.get();
  }
  return trouble == nullptr ? abi::kSuccess : static_cast<Return>(trouble->Of(call, slot));
}

abi::Device Library::DeviceHandle(unsigned slot, std::uint32_t gpu_instance,
                                  std::uint32_t compute_instance) {
  if (gpu_instance == kWholeGpu) return &gpus_[slot];
  return &mig_devices_[(slot * kMaxInstanceId + gpu_instance) * kMaxComputeInstances +
                       compute_instance];
}

abi::GpuInstance Library::GpuInstanceHandle(unsigned slot, std::uint32_t id) {
  return &gpu_instances_[slot * kMaxInstanceId + id];
}

abi::ComputeInstance Library::ComputeInstanceHandle(unsigned slot, std::uint32_t gpu_instance,
                                                    std::uint32_t id) {
  return &compute_instances_[(slot * kMaxInstanceId + gpu_instance) * kMaxComputeInstances + id];
}

bool Library::Owns(abi::Device device) const {
  return Within(device, gpus_) || Within(device, mig_devices_);
}
bool Library::Owns(abi::GpuInstance instance) const { return Within(instance, gpu_instances_); }
bool Library::Owns(abi::ComputeInstance instance) const {
  return Within(instance, compute_instances_);
}

Return CopyText(const char* text, char* buffer, unsigned length) {
  if (buffer == nullptr) return abi::kInvalidArgument;
  const std::size_t size = std::strlen(text) + 1;
  if (size > length) return abi::kInsufficientSize;
  std::memcpy(buffer, text, size);
  return abi::kSuccess;
}

}  // namespace tranche::sim::nvml
