// The GPU instances and compute instances that a GPU is cut into, by their own handles.
#include <mutex>

#include "sim/nvml/library.h"

namespace tranche::gpu::nvml {
namespace {

using sim::ComputeInstanceState;
using sim::GpuInstanceState;
using sim::GpuState;
using sim::MigProfileState;
using sim::nvml::DeviceCall;
using sim::nvml::Library;
using sim::nvml::Target;

// The compute instance profile of so many slices.
constexpr unsigned kNoProfile = ~0U;
unsigned ComputeProfile(unsigned slices) {
  switch (slices) {
    case 1:
      return kComputeInstanceProfile1Slice;
    case 2:
      return kComputeInstanceProfile2Slice;
    case 3:
      return kComputeInstanceProfile3Slice;
    case 4:
      return kComputeInstanceProfile4Slice;
    case 6:
      return kComputeInstanceProfile6Slice;
    case 7:
      return kComputeInstanceProfile7Slice;
    case 8:
      return kComputeInstanceProfile8Slice;
    default:
      return kNoProfile;
  }
}

// body(gpu, instance) for a GPU instance that is there.
template <typename Handle, typename Body>
Return InstanceCall(const char* name, Handle handle, Body body) {
  Library& known = Library::Get();
  const unsigned slot = known.Owns(handle) ? handle->slot : sim::kWholeGpu;
  const Return trouble = known.Trouble(name, slot);
  if (trouble != kSuccess) return trouble;
  const std::scoped_lock lock(known.mutex());
  const Return ready = known.Refresh();
  if (ready != kSuccess) return ready;
  if (slot == sim::kWholeGpu) return kInvalidArgument;
  Target target;
  const Return there = known.Resolve(known.DeviceHandle(slot), &target);
  if (there != kSuccess) return there;
  return body(*target.gpu);
}

template <typename Body>
Return GpuInstanceCall(const char* name, GpuInstance handle, Body body) {
  return InstanceCall(name, handle, [&](const GpuState& gpu) {
    for (unsigned i = 0; i < gpu.gpu_instance_count; ++i) {
      if (gpu.gpu_instances[i].id == handle->id) return body(gpu, gpu.gpu_instances[i]);
    }
    return kInvalidArgument;
  });
}

Return ComputeInfo(const char* name, ComputeInstance handle, ComputeInstanceInfo* info) {
  return InstanceCall(name, handle, [&](const GpuState& gpu) {
    if (info == nullptr) return kInvalidArgument;
    for (unsigned i = 0; i < gpu.gpu_instance_count; ++i) {
      const GpuInstanceState& instance = gpu.gpu_instances[i];
      for (unsigned j = 0; j < instance.compute_instance_count; ++j) {
        const ComputeInstanceState& compute = instance.compute_instances[j];
        if (instance.id != handle->gpu_instance || compute.id != handle->id) continue;
        Library& library = Library::Get();
        *info = {.device = library.DeviceHandle(handle->slot),
                 .gpu_instance = library.GpuInstanceHandle(handle->slot, instance.id),
                 .id = compute.id,
                 .profile_id = ComputeProfile(compute.slices),
                 .placement = {.start = compute.start, .size = compute.slices}};
        return kSuccess;
      }
    }
    return kInvalidArgument;
  });
}

}  // namespace

extern "C" {

Return nvmlDeviceGetGpuInstances(Device device, unsigned profile_id, GpuInstance* instances,
                                 unsigned* count) {
  return DeviceCall(__func__, device, [&](const Target& target) {
    // The caller's array is as long as the profile's instance count, by contract.
    if (instances == nullptr || count == nullptr || target.is_mig()) return kInvalidArgument;
    if (target.gpu->mig_enabled == 0) return kNotSupported;
    *count = 0;
    for (unsigned i = 0; i < target.gpu->gpu_instance_count; ++i) {
      const GpuInstanceState& instance = target.gpu->gpu_instances[i];
      if (target.gpu->mig_profiles[instance.profile_index].id != profile_id) continue;
      instances[(*count)++] = Library::Get().GpuInstanceHandle(target.slot, instance.id);
    }
    return kSuccess;
  });
}

Return nvmlDeviceGetGpuInstanceById(Device device, unsigned id, GpuInstance* instance) {
  return DeviceCall(__func__, device, [&](const Target& target) {
    if (instance == nullptr || target.is_mig()) return kInvalidArgument;
    if (target.gpu->mig_enabled == 0) return kNotSupported;
    for (unsigned i = 0; i < target.gpu->gpu_instance_count; ++i) {
      if (target.gpu->gpu_instances[i].id != id) continue;
      *instance = Library::Get().GpuInstanceHandle(target.slot, id);
      return kSuccess;
    }
    return kNotFound;
  });
}

Return nvmlGpuInstanceGetInfo(GpuInstance handle, GpuInstanceInfo* info) {
  return GpuInstanceCall(
      __func__, handle, [&](const GpuState& gpu, const GpuInstanceState& instance) {
        if (info == nullptr) return kInvalidArgument;
        const MigProfileState& profile = gpu.mig_profiles[instance.profile_index];
        *info = {.device = Library::Get().DeviceHandle(handle->slot),
                 .id = instance.id,
                 .profile_id = profile.id,
                 .placement = {.start = instance.start, .size = profile.placement_size}};
        return kSuccess;
      });
}

Return nvmlGpuInstanceGetComputeInstanceProfileInfo(GpuInstance handle, unsigned profile,
                                                    unsigned engine_profile,
                                                    ComputeInstanceProfileInfo* info) {
  return GpuInstanceCall(
      __func__, handle, [&](const GpuState& gpu, const GpuInstanceState& instance) {
        constexpr unsigned kProfilesOfThisDriver = 8;  // …COMPUTE_INSTANCE_PROFILE_COUNT, CUDA 12.8
        if (info == nullptr || engine_profile != 0 || profile >= kProfilesOfThisDriver) {
          return kInvalidArgument;
        }
        const MigProfileState& whole = gpu.mig_profiles[instance.profile_index];
        for (unsigned slices = 1; slices <= whole.gpu_slices; ++slices) {
          if (ComputeProfile(slices) != profile) continue;
          *info = {.id = profile,
                   .slice_count = slices,
                   .instance_count = whole.gpu_slices / slices,
                   .multiprocessor_count = whole.multiprocessors * slices / whole.gpu_slices,
                   .shared_copy_engine_count = whole.copy_engines,
                   .shared_decoder_count = whole.decoders,
                   .shared_encoder_count = whole.encoders,
                   .shared_jpeg_count = whole.jpegs,
                   .shared_ofa_count = whole.ofas};
          return kSuccess;
        }
        return kNotSupported;
      });
}

Return nvmlGpuInstanceGetComputeInstances(GpuInstance handle, unsigned profile_id,
                                          ComputeInstance* instances, unsigned* count) {
  return GpuInstanceCall(__func__, handle, [&](const GpuState&, const GpuInstanceState& instance) {
    if (instances == nullptr || count == nullptr) return kInvalidArgument;
    *count = 0;
    for (unsigned j = 0; j < instance.compute_instance_count; ++j) {
      const ComputeInstanceState& compute = instance.compute_instances[j];
      if (ComputeProfile(compute.slices) != profile_id) continue;
      instances[(*count)++] =
          Library::Get().ComputeInstanceHandle(handle->slot, instance.id, compute.id);
    }
    return kSuccess;
  });
}

Return nvmlGpuInstanceGetComputeInstanceById(GpuInstance handle, unsigned id,
                                             ComputeInstance* compute) {
  return GpuInstanceCall(__func__, handle, [&](const GpuState&, const GpuInstanceState& instance) {
    if (compute == nullptr) return kInvalidArgument;
    for (unsigned j = 0; j < instance.compute_instance_count; ++j) {
      if (instance.compute_instances[j].id != id) continue;
      *compute = Library::Get().ComputeInstanceHandle(handle->slot, instance.id, id);
      return kSuccess;
    }
    return kNotFound;
  });
}

Return nvmlComputeInstanceGetInfo(ComputeInstance compute, ComputeInstanceInfo* info) {
  return ComputeInfo(__func__, compute, info);
}
Return nvmlComputeInstanceGetInfo_v2(ComputeInstance compute, ComputeInstanceInfo* info) {
  return ComputeInfo(__func__, compute, info);
}

}  // extern "C"
}  // namespace tranche::gpu::nvml
