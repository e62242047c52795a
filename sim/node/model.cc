#include "sim/node/model.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <map>

#include "base/file.h"
#include "sim/node/profile_yaml.h"

namespace tranche::sim {
namespace {

constexpr std::uint64_t kMib = 1 << 20;

std::uint32_t NumberOf(const YAML::Node& map, const char* key,
                       const std::map<std::string, std::uint32_t>& names) {
  const auto found = names.find(Get<std::string>(map, key));
  if (found == names.end()) Fail(map[key], std::string("unknown ") + key);
  return found->second;
}

// NVML_GPU_INSTANCE_PROFILE_… of a profile's name: by slices; "+me" is REV1, and 1g with the memory
// of a 2g is REV2.
std::uint32_t ProfileNumber(unsigned slices, bool media, unsigned placement_size) {
  static const std::map<unsigned, std::uint32_t> by_slices = {{1, 0}, {2, 1}, {3, 2}, {4, 3},
                                                              {6, 6}, {7, 4}, {8, 5}};
  if (media) return slices == 1 ? 7 : 8;
  if (slices == 1 && placement_size == 2) return 9;
  const auto found = by_slices.find(slices);
  return found == by_slices.end() ? 0 : found->second;
}

MigProfileState ReadMigProfile(const YAML::Node& node) {
  OnlyKeys(node, {"name", "id", "slices", "instances", "multiprocessors", "memory", "copy",
                  "decoder", "encoder", "jpeg", "ofa", "placements"});
  MigProfileState profile{};
  SetText(profile.name, Get<std::string>(node, "name"));
  profile.id = Get<unsigned>(node, "id");
  profile.gpu_slices = Get<unsigned>(node, "slices");
  profile.instances = Get<unsigned>(node, "instances");
  profile.multiprocessors = Get<unsigned>(node, "multiprocessors");
  profile.memory_mib = Get<unsigned>(node, "memory");
  profile.copy_engines = Get<unsigned>(node, "copy");
  profile.decoders = Get<unsigned>(node, "decoder");
  profile.encoders = Get<unsigned>(node, "encoder", 0);
  profile.jpegs = Get<unsigned>(node, "jpeg", 0);
  profile.ofas = Get<unsigned>(node, "ofa", 0);
  const YAML::Node placements = node["placements"];
  if (!placements || !placements.IsSequence() || placements.size() != 2 ||
      !placements[0].IsSequence() || placements[0].size() == 0 || placements[0].size() > 8) {
    Fail(node, "placements is [[first slices], size]");
  }
  profile.placement_size = placements[1].as<unsigned>();
  for (const auto& start : placements[0]) {
    const auto first = start.as<unsigned>();
    if (first + profile.placement_size > 8) Fail(placements, "beyond the eight memory slices");
    profile.placement_starts[profile.placement_count++] = static_cast<std::uint8_t>(first);
  }
  if (profile.gpu_slices == 0 || profile.gpu_slices > 8) Fail(node, "slices is 1 to 8");
  profile.profile = ProfileNumber(profile.gpu_slices, std::strstr(profile.name, "+me") != nullptr,
                                  profile.placement_size);
  return profile;
}

void ReadMig(const YAML::Node& model, GpuState* gpu) {
  const YAML::Node mig = model["mig"];
  if (!mig) return;
  if (!mig.IsSequence() || mig.size() == 0 || mig.size() > kMaxMigProfiles) {
    Fail(mig, "mig is a list of one to eight profiles");
  }
  gpu->mig_capable = 1;
  for (const auto& entry : mig) gpu->mig_profiles[gpu->mig_profile_count++] = ReadMigProfile(entry);
}

void ReadMemory(const YAML::Node& model, GpuState* gpu) {
  const YAML::Node memory = Map(model, "memory");
  OnlyKeys(memory, {"total", "reserved", "bar1", "bus-width"});
  gpu->memory_total = Get<std::uint32_t>(memory, "total") * kMib;
  gpu->memory_reserved = Get<std::uint32_t>(memory, "reserved") * kMib;
  gpu->bar1_total = Get<std::uint32_t>(memory, "bar1") * kMib;
  gpu->memory_bus_width = Get<unsigned>(memory, "bus-width");
  if (gpu->memory_reserved > gpu->memory_total) Fail(memory, "reserved is more than total");
}

void ReadLimits(const YAML::Node& model, GpuState* gpu) {
  const YAML::Node power = Map(model, "power");
  OnlyKeys(power, {"limit", "least", "idle"});
  gpu->power_limit_milliwatts = Get<unsigned>(power, "limit") * 1000;
  gpu->power_min_milliwatts = Get<unsigned>(power, "least") * 1000;
  gpu->power_milliwatts = Get<unsigned>(power, "idle") * 1000;
  const YAML::Node temperature = Map(model, "temperature");
  OnlyKeys(temperature, {"idle", "slowdown", "shutdown"});
  gpu->temperature = Get<unsigned>(temperature, "idle");
  gpu->temperature_slowdown = Get<unsigned>(temperature, "slowdown");
  gpu->temperature_shutdown = Get<unsigned>(temperature, "shutdown");
  const YAML::Node clocks = Map(model, "clocks");
  OnlyKeys(clocks, {"graphics", "memory", "video", "idle"});
  const auto graphics = Get<unsigned>(clocks, "graphics");
  const auto memory = Get<unsigned>(clocks, "memory");
  const auto idle = Get<unsigned>(clocks, "idle");
  const std::uint32_t most[] = {graphics, graphics, memory, Get<unsigned>(clocks, "video")};
  const std::uint32_t now[] = {idle, idle, memory, idle};
  std::copy(std::begin(most), std::end(most), gpu->max_clock_mhz);
  std::copy(std::begin(now), std::end(now), gpu->clock_mhz);
}

GpuState ReadModel(const std::string& name, const YAML::Node& model) {
  OnlyKeys(model, {"name", "brand", "architecture", "compute", "pci", "memory", "cores",
                   "multiprocessors", "ecc", "fans", "power", "clocks", "temperature", "vbios",
                   "part-number", "nvlinks", "mig"});
  GpuState gpu{};
  SetText(gpu.model, name);
  SetText(gpu.name, Get<std::string>(model, "name"));
  SetText(gpu.vbios, Get<std::string>(model, "vbios"));
  SetText(gpu.part_number, Get<std::string>(model, "part-number"));
  gpu.brand = NumberOf(model, "brand", {{"tesla", 2}, {"geforce", 5}, {"rtx", 13}, {"nvidia", 14}});
  gpu.architecture = NumberOf(model, "architecture",
                              {{"pascal", 4},
                               {"volta", 5},
                               {"turing", 6},
                               {"ampere", 7},
                               {"ada", 8},
                               {"hopper", 9},
                               {"blackwell", 10}});
  ReadDotted(model, "compute", &gpu.compute_major, &gpu.compute_minor);
  const YAML::Node pci = Map(model, "pci");
  OnlyKeys(pci, {"device", "subsystem", "generation", "width"});
  gpu.pci_device_id = Get<unsigned>(pci, "device");
  gpu.pci_subsystem_id = Get<unsigned>(pci, "subsystem");
  gpu.pcie_generation = Get<unsigned>(pci, "generation");
  gpu.pcie_width = Get<unsigned>(pci, "width");
  gpu.cores = Get<unsigned>(model, "cores");
  gpu.multiprocessors = Get<unsigned>(model, "multiprocessors");
  gpu.ecc = Get<bool>(model, "ecc") ? 1 : 0;
  if (model["fans"]) {
    gpu.fans = Get<unsigned>(Map(model, "fans"), "count");
    gpu.fan_percent = Get<unsigned>(Map(model, "fans"), "percent");
  }
  gpu.nvlink_count = Get<unsigned>(model, "nvlinks", 0);
  if (gpu.nvlink_count > kMaxNvLinksPerGpu) Fail(model["nvlinks"], "at most 18 links");
  gpu.numa_node = -1;
  ReadMemory(model, &gpu);
  ReadLimits(model, &gpu);
  ReadMig(model, &gpu);
  return gpu;
}

}  // namespace

base::Result<std::vector<GpuState>> LoadModels(const std::string& directory) {
  return WithYaml(base::JoinPath(directory, "models.yaml"),
                  [](const YAML::Node& root) -> std::vector<GpuState> {
                    std::vector<GpuState> models;
                    for (const auto& entry : root) {
                      models.push_back(ReadModel(entry.first.as<std::string>(), entry.second));
                    }
                    return models;
                  });
}

const GpuState* FindModel(const std::vector<GpuState>& models, const std::string& name) {
  const auto found = std::find_if(models.begin(), models.end(),
                                  [&](const GpuState& model) { return name == model.model; });
  return found == models.end() ? nullptr : &*found;
}

}  // namespace tranche::sim
