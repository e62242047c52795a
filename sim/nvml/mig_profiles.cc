// The profiles of a MIG-capable GPU: how it could be cut, and where there is room for what.
#include <cstdio>

#include "sim/nvml/library.h"

namespace tranche::gpu::nvml {
namespace {

using sim::GpuInstanceState;
using sim::GpuState;
using sim::MigProfileState;
using sim::nvml::GpuCall;

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

}  // namespace

extern "C" {

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

}  // extern "C"
}  // namespace tranche::gpu::nvml
