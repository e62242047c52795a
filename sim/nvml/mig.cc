// MIG: the devices a GPU is cut into, and how it could be cut. Read only: layouts are changed from
// outside (`tranche sim mig`).
#include <algorithm>
#include <cstdio>

#include "sim/nvml/library.h"

namespace tranche::gpu::nvml {
namespace {

using sim::ComputeInstanceState;
using sim::GpuInstanceState;
using sim::GpuState;
using sim::MigProfileState;
using sim::nvml::DeviceCall;
using sim::nvml::GpuCall;
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

const MigProfileState* FindProfile(const GpuState& gpu, unsigned profile) {
  for (unsigned i = 0; i < gpu.mig_profile_count; ++i) {
    if (gpu.mig_profiles[i].profile == profile) return &gpu.mig_profiles[i];
  }
  return nullptr;
}

const MigProfileState* FindProfileById(const GpuState& gpu, unsigned id) {
  for (unsigned i = 0; i < gpu.mig_profile_count; ++i) {
    if (gpu.mig_profiles[i].id == id) return &gpu.mig_profiles[i];
  }
  return nullptr;
}

// Finds a MIG-capable GPU's profile; numbers this driver does not know are invalid, others merely
// not supported by the GPU.
Return ProfileFor(const GpuState& gpu, unsigned profile, const MigProfileState** found) {
  constexpr unsigned kProfilesOfThisDriver = 0x0D;  // NVML_GPU_INSTANCE_PROFILE_COUNT of CUDA 12.8
  if (profile >= kProfilesOfThisDriver) return kInvalidArgument;
  *found = FindProfile(gpu, profile);
  return *found == nullptr ? kNotSupported : kSuccess;
}

Return Placements(const char* name, Device device, unsigned profile_id, Placement* placements,
                  unsigned* count) {
  return GpuCall(name, device, [&](const GpuState& gpu) {
    if (count == nullptr) return kInvalidArgument;
    if (gpu.mig_enabled == 0) return kNotSupported;
    const MigProfileState* profile = FindProfileById(gpu, profile_id);
    if (profile == nullptr) return kInvalidArgument;
    if (placements != nullptr) {
      if (*count < profile->placement_count) return kInsufficientSize;
      for (unsigned i = 0; i < profile->placement_count; ++i) {
        placements[i] = {.start = profile->placement_starts[i], .size = profile->placement_size};
      }
    }
    *count = profile->placement_count;
    return kSuccess;
  });
}

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

Return nvmlDeviceGetGpuInstanceProfileInfo(Device device, unsigned profile,
                                           GpuInstanceProfileInfo* info) {
  return GpuCall(__func__, device, [&](const GpuState& gpu) {
    if (info == nullptr) return kInvalidArgument;
    const MigProfileState* found = nullptr;
    if (const Return result = ProfileFor(gpu, profile, &found); result != kSuccess) return result;
    *info = {.id = found->id,
             .is_p2p_supported = 0,
             .slice_count = found->gpu_slices,
             .instance_count = found->instances,
             .multiprocessor_count = found->multiprocessors,
             .copy_engine_count = found->copy_engines,
             .decoder_count = found->decoders,
             .encoder_count = found->encoders,
             .jpeg_count = found->jpegs,
             .ofa_count = found->ofas,
             .memory_size_mb = found->memory_mib};
    return kSuccess;
  });
}

Return nvmlDeviceGetGpuInstanceProfileInfoV(Device device, unsigned profile,
                                            GpuInstanceProfileInfoV2* info) {
  return GpuCall(__func__, device, [&](const GpuState& gpu) {
    if (info == nullptr) return kInvalidArgument;
    const unsigned v2 = StructVersion<GpuInstanceProfileInfoV2>(2);
    const unsigned v3 = StructVersion<GpuInstanceProfileInfoV3>(3);
    if (info->version != v2 && info->version != v3) return kArgumentVersionMismatch;
    const MigProfileState* found = nullptr;
    if (const Return result = ProfileFor(gpu, profile, &found); result != kSuccess) return result;
    const auto fill = [&](auto* out) {
      out->id = found->id;
      out->slice_count = found->gpu_slices;
      out->instance_count = found->instances;
      out->multiprocessor_count = found->multiprocessors;
      out->copy_engine_count = found->copy_engines;
      out->decoder_count = found->decoders;
      out->encoder_count = found->encoders;
      out->jpeg_count = found->jpegs;
      out->ofa_count = found->ofas;
      out->memory_size_mb = found->memory_mib;
      std::snprintf(out->name, sizeof out->name, "MIG %s", found->name);
    };
    if (info->version == v2) {
      fill(info);
      info->is_p2p_supported = 0;
    } else {
      auto* third = reinterpret_cast<GpuInstanceProfileInfoV3*>(info);
      fill(third);
      third->capabilities = 0;
    }
    return kSuccess;
  });
}

Return nvmlDeviceGetGpuInstancePossiblePlacements(Device device, unsigned profile_id,
                                                  Placement* placements, unsigned* count) {
  return Placements(__func__, device, profile_id, placements, count);
}
Return nvmlDeviceGetGpuInstancePossiblePlacements_v2(Device device, unsigned profile_id,
                                                     Placement* placements, unsigned* count) {
  return Placements(__func__, device, profile_id, placements, count);
}

Return nvmlDeviceGetGpuInstanceRemainingCapacity(Device device, unsigned profile_id,
                                                 unsigned* count) {
  return GpuCall(__func__, device, [&](const GpuState& gpu) {
    if (count == nullptr) return kInvalidArgument;
    if (gpu.mig_enabled == 0) return kNotSupported;
    const MigProfileState* profile = FindProfileById(gpu, profile_id);
    if (profile == nullptr) return kInvalidArgument;
    unsigned occupied = 0;
    for (unsigned i = 0; i < gpu.gpu_instance_count; ++i) {
      const GpuInstanceState& instance = gpu.gpu_instances[i];
      const unsigned size = gpu.mig_profiles[instance.profile_index].placement_size;
      occupied |= ((1U << size) - 1) << instance.start;
    }
    *count = 0;
    for (unsigned i = 0; i < profile->placement_count && *count < profile->instances; ++i) {
      const unsigned mask = ((1U << profile->placement_size) - 1) << profile->placement_starts[i];
      if ((occupied & mask) == 0) ++*count;
    }
    return kSuccess;
  });
}

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
