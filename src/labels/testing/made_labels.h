// Nodes of GPUs, and the labels that are made for them, for the tests of this room.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/load.h"
#include "gpu/device.h"
#include "labels/labels.h"
#include "plan/plan.h"

namespace tranche::labels::testing {

inline config::Config Config(const std::string& text) {
  auto loaded = config::LoadConfig(text, "test.yaml", {}, {});
  EXPECT_TRUE(loaded.ok()) << loaded.status().message();
  return loaded.ok() ? std::move(loaded->config) : config::Config();
}

inline std::string Shared(int replicas, const std::string& more = "",
                          const std::string& resource = "nvidia.com/gpu") {
  return "sharing: {timeSlicing: {" + more + "resources: [{name: " + resource +
         ", replicas: " + std::to_string(replicas) + "}]}}\n";
}

inline gpu::Gpu A100(unsigned index) {
  gpu::Gpu gpu;
  gpu.uuid = "GPU-" + std::to_string(index);
  gpu.index = index;
  gpu.name = "NVIDIA A100-SXM4-80GB";
  gpu.memory_bytes = 81920ULL << 20U;
  gpu.compute_major = 8;
  gpu.mig_capable = true;
  return gpu;
}

inline gpu::Gpu T4(unsigned index) {
  gpu::Gpu gpu = A100(index);
  gpu.name = "Tesla T4";
  gpu.memory_bytes = 15360ULL << 20U;
  gpu.compute_major = 7;
  gpu.compute_minor = 5;
  gpu.mig_capable = false;
  return gpu;
}

// An A100 cut into so many instances of a profile.
inline void Cut(gpu::Gpu& gpu, const std::string& profile, unsigned slices, std::uint64_t mib,
                int count) {
  gpu.mig_enabled = true;
  for (int i = 0; i < count; ++i) {
    gpu::MigDevice mig;
    mig.index = static_cast<int>(gpu.mig_devices.size());
    mig.uuid = "MIG-" + std::to_string(gpu.index) + "-" + std::to_string(mig.index);
    mig.profile = profile;
    mig.gpu_slices = slices;
    mig.compute_slices = slices;
    mig.memory_bytes = mib << 20U;
    mig.multiprocessors = 14 * slices;
    mig.copy_engines = slices;
    mig.decoders = slices - 1;
    gpu.mig_devices.push_back(std::move(mig));
  }
}

inline gpu::Inventory Node(std::vector<gpu::Gpu> gpus) {
  gpu::Inventory inventory;
  inventory.driver_version = "570.172.08";
  inventory.cuda_major = 12;
  inventory.cuda_minor = 8;
  inventory.gpus = std::move(gpus);
  return inventory;
}

// The labels without their prefix nvidia.com/.
inline MadeLabels Make(const std::string& config_text, const gpu::Inventory& inventory,
                       LabelFacts facts = {.machine = "unknown", .vgpu_known = true}) {
  const config::Config config = Config(config_text);
  const auto plan = plan::BuildPlan(config, inventory);
  MadeLabels made = MakeLabels(config, inventory, plan.ok() ? &*plan : nullptr, facts);
  Labels bare;
  for (const auto& [key, value] : made.labels) {
    constexpr std::string_view kPrefix = "nvidia.com/";
    bare[key.starts_with(kPrefix) ? key.substr(kPrefix.size()) : key] = value;
    EXPECT_TRUE(IsOurLabel(key)) << key;
  }
  made.labels = std::move(bare);
  return made;
}

// What a case says beyond the labels every node has.
inline Labels Base(Labels more) {
  Labels all{{"cuda.driver-version.full", "570.172.08"},
             {"cuda.driver-version.major", "570"},
             {"cuda.driver-version.minor", "172"},
             {"cuda.driver-version.revision", "08"},
             {"cuda.driver.major", "570"},
             {"cuda.driver.minor", "172"},
             {"cuda.driver.rev", "08"},
             {"cuda.runtime-version.full", "12.8"},
             {"cuda.runtime-version.major", "12"},
             {"cuda.runtime-version.minor", "8"},
             {"cuda.runtime.major", "12"},
             {"cuda.runtime.minor", "8"},
             {"gpu.compute.major", "8"},
             {"gpu.compute.minor", "0"},
             {"gpu.count", "2"},
             {"gpu.family", "ampere"},
             {"gpu.machine", "unknown"},
             {"gpu.memory", "81920"},
             {"gpu.mode", "unknown"},
             {"gpu.product", "NVIDIA-A100-SXM4-80GB"},
             {"gpu.replicas", "1"},
             {"gpu.sharing-strategy", "none"},
             {"mig.capable", "true"},
             {"mps.capable", "false"},
             {"vgpu.present", "false"}};
  for (auto& [key, value] : more) all[key] = value;
  return all;
}

}  // namespace tranche::labels::testing
