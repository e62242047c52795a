// MIG devices: which ones a GPU is cut into, and what they are. Read only: layouts are changed from
// outside (`tranche sim mig`).
#include <algorithm>

#include "sim/nvml/library.h"

namespace tranche::gpu::nvml {
namespace {

using sim::GpuInstanceState;
using sim::GpuState;
using sim::MigProfileState;
using sim::nvml::DeviceCall;
using sim::nvml::GpuCall;
using sim::nvml::Library;
using sim::nvml::Target;

Return Attributes(const char* name, Device device, DeviceAttributes* attributes) {
  return DeviceCall(name, device, [&](const Target& target) {
    if (attributes == nullptr) return kInvalidArgument;
    if (!target.is_mig()) return kNotSupported;
    const MigProfileState& profile = target.profile();
    *attributes = {.multiprocessor_count = target.compute_instance->multiprocessors,
                   .shared_copy_engine_count = profile.copy_engines,
                   .shared_decoder_count = profile.decoders,
                   .shared_encoder_count = profile.encoders,
                   .shared_jpeg_count = profile.jpegs,
                   .shared_ofa_count = profile.ofas,
                   .gpu_instance_slice_count = profile.gpu_slices,
                   .compute_instance_slice_count = target.compute_instance->slices,
                   .memory_size_mb = profile.memory_mib};
    return kSuccess;
  });
}

}  // namespace

extern "C" {

Return nvmlDeviceGetMigMode(Device device, unsigned* current, unsigned* pending) {
  return GpuCall(__func__, device, [&](const GpuState& gpu) {
    if (current == nullptr || pending == nullptr) return kInvalidArgument;
    if (gpu.mig_capable == 0) return kNotSupported;
    *current = *pending = gpu.mig_enabled;
    return kSuccess;
  });
}

Return nvmlDeviceGetMaxMigDeviceCount(Device device, unsigned* count) {
  return GpuCall(__func__, device, [&](const GpuState& gpu) {
    if (count == nullptr) return kInvalidArgument;
    *count = 0;
    if (gpu.mig_enabled == 0) return kSuccess;  // as a real driver: none may be asked for
    for (unsigned i = 0; i < gpu.mig_profile_count; ++i) {
      *count = std::max(*count, gpu.mig_profiles[i].instances);
    }
    return kSuccess;
  });
}

Return nvmlDeviceGetMigDeviceHandleByIndex(Device device, unsigned index, Device* mig) {
  return DeviceCall(__func__, device, [&](const Target& target) {
    if (mig == nullptr || target.is_mig()) return kInvalidArgument;
    if (target.gpu->mig_enabled == 0) return kNotSupported;
    for (unsigned i = 0; i < target.gpu->gpu_instance_count; ++i) {
      const GpuInstanceState& instance = target.gpu->gpu_instances[i];
      if (index < instance.compute_instance_count) {
        *mig = Library::Get().DeviceHandle(target.slot, instance.id,
                                           instance.compute_instances[index].id);
        return kSuccess;
      }
      index -= instance.compute_instance_count;
    }
    return kNotFound;
  });
}

Return nvmlDeviceGetDeviceHandleFromMigDeviceHandle(Device mig, Device* device) {
  return DeviceCall(__func__, mig, [&](const Target& target) {
    if (device == nullptr || !target.is_mig()) return kInvalidArgument;
    *device = Library::Get().DeviceHandle(target.slot);
    return kSuccess;
  });
}

Return nvmlDeviceIsMigDeviceHandle(Device device, unsigned* is_mig) {
  return DeviceCall(__func__, device, [&](const Target& target) {
    if (is_mig == nullptr) return kInvalidArgument;
    *is_mig = target.is_mig() ? 1 : 0;
    return kSuccess;
  });
}

Return nvmlDeviceGetGpuInstanceId(Device mig, unsigned* id) {
  return DeviceCall(__func__, mig, [&](const Target& target) {
    if (id == nullptr) return kInvalidArgument;
    if (!target.is_mig()) return kNotSupported;
    *id = target.gpu_instance->id;
    return kSuccess;
  });
}

Return nvmlDeviceGetComputeInstanceId(Device mig, unsigned* id) {
  return DeviceCall(__func__, mig, [&](const Target& target) {
    if (id == nullptr) return kInvalidArgument;
    if (!target.is_mig()) return kNotSupported;
    *id = target.compute_instance->id;
    return kSuccess;
  });
}

Return nvmlDeviceGetAttributes(Device mig, DeviceAttributes* attributes) {
  return Attributes(__func__, mig, attributes);
}
Return nvmlDeviceGetAttributes_v2(Device mig, DeviceAttributes* attributes) {
  return Attributes(__func__, mig, attributes);
}

}  // extern "C"
}  // namespace tranche::gpu::nvml
