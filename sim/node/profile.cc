#include "sim/node/profile.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <initializer_list>
#include <limits>
#include <map>
#include <set>

#include "base/file.h"
#include "sim/node/mig.h"

namespace tranche::sim {
namespace {

using base::Code;
using base::Result;
using base::Status;

constexpr std::size_t kMaxProfileBytes = 1 << 20;
constexpr std::uint64_t kMib = 1 << 20;

// Thrown and caught inside this file only.
struct ProfileError {
  int line;
  std::string what;
};

[[noreturn]] void Fail(const YAML::Node& node, const std::string& what) {
  throw ProfileError{node.Mark().line + 1, what};
}

template <typename T>
T Get(const YAML::Node& map, const char* key) {
  const YAML::Node value = map[key];
  if (!value || !value.IsScalar()) Fail(map, std::string("wants a value for ") + key);
  try {
    return value.as<T>();
  } catch (const YAML::Exception&) {
    Fail(value, std::string("bad value for ") + key);
  }
}

template <typename T>
T Get(const YAML::Node& map, const char* key, T otherwise) {
  return map[key] ? Get<T>(map, key) : otherwise;
}

void OnlyKeys(const YAML::Node& map, std::initializer_list<const char*> keys) {
  if (!map.IsMap()) Fail(map, "wants a mapping");
  const std::set<std::string> known(keys.begin(), keys.end());
  for (const auto& entry : map) {
    const auto key = entry.first.as<std::string>();
    if (!known.contains(key)) Fail(entry.first, "unknown key " + key);
  }
}

YAML::Node Map(const YAML::Node& map, const char* key) {
  const YAML::Node value = map[key];
  if (!value || !value.IsMap()) Fail(map, std::string("wants a mapping for ") + key);
  return value;
}

template <std::size_t kSize>
void SetText(char (&field)[kSize], const std::string& text) {
  std::snprintf(field, kSize, "%s", text.c_str());
}

std::uint32_t NumberOf(const YAML::Node& map, const char* key,
                       const std::map<std::string, std::uint32_t>& names) {
  const auto found = names.find(Get<std::string>(map, key));
  if (found == names.end()) Fail(map[key], std::string("unknown ") + key);
  return found->second;
}

// Whether `text` is `pattern`, in which an x stands for a lower-case hexadecimal digit.
bool Matches(const std::string& text, std::string_view pattern) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  return std::equal(text.begin(), text.end(), pattern.begin(), pattern.end(), [&](char c, char p) {
    return p == 'x' ? kDigits.find(c) != std::string_view::npos : c == p;
  });
}

// "570.172.08": it becomes part of file names, so nothing but digits and single dots.
bool IsVersion(const std::string& text) {
  constexpr std::size_t kLongest = 20;
  const bool characters = std::all_of(text.begin(), text.end(),
                                      [](char c) { return (c >= '0' && c <= '9') || c == '.'; });
  return characters && text.size() <= kLongest && text.find('.') != std::string::npos &&
         text.find("..") == std::string::npos && text.front() != '.' && text.back() != '.';
}

// "12.8" as two numbers.
void ReadDotted(const YAML::Node& map, const char* key, int* major, int* minor) {
  const auto text = Get<std::string>(map, key);
  char rest = 0;
  if (std::sscanf(text.c_str(), "%d.%d%c", major, minor, &rest) != 2 || *major < 0 || *minor < 0 ||
      *major > 1000 || *minor > 99) {
    Fail(map[key], std::string(key) + " is not like 12.8");
  }
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

GpuState ReadModel(const std::string& key, const YAML::Node& model) {
  OnlyKeys(model, {"name", "brand", "architecture", "compute", "pci", "memory", "cores",
                   "multiprocessors", "ecc", "fans", "power", "clocks", "temperature", "vbios",
                   "part-number", "nvlinks", "mig"});
  GpuState gpu{};
  SetText(gpu.model, key);
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

void MustBe(const YAML::Node& where, const Status& status) {
  if (!status.ok()) Fail(where, status.message());
}

GpuState ReadGpu(const YAML::Node& node, const YAML::Node& models, unsigned slot) {
  OnlyKeys(node, {"model", "uuid", "bus", "minor", "numa", "switch", "host-bridge", "mig"});
  const auto model = Get<std::string>(node, "model");
  if (!models[model]) Fail(node, "no such model in models.yaml: " + model);
  GpuState gpu = ReadModel(model, models[model]);
  MustBe(node, PlaceGpu(Get<std::string>(node, "bus"), Get<std::string>(node, "uuid"), &gpu));
  gpu.present = 1;
  gpu.minor = Get<unsigned>(node, "minor", slot);
  gpu.numa_node = Get<int>(node, "numa", -1);
  gpu.pcie_switch = Get<unsigned>(node, "switch", 1000 + slot);
  gpu.host_bridge = Get<unsigned>(node, "host-bridge", 1000 + slot);
  gpu.module_id = slot + 1;
  if (node["mig"]) MustBe(node["mig"], ApplyMigLayout(Get<std::string>(node, "mig"), &gpu));
  return gpu;
}

NvLinkState* NextLink(GpuState* gpu, const YAML::Node& where) {
  for (unsigned i = 0; i < gpu->nvlink_count; ++i) {
    if (gpu->nvlinks[i].kind == LinkKind::kNone) return &gpu->nvlinks[i];
  }
  Fail(where, std::string(gpu->model) + " has no NVLink left");
}

void Connect(GpuState* gpu, const GpuState& to, const YAML::Node& where) {
  *NextLink(gpu, where) = {.kind = LinkKind::kGpu,
                           .remote_domain = to.pci_domain,
                           .remote_bus = to.pci_bus,
                           .remote_device = to.pci_device,
                           .remote_pci_device_id = to.pci_device_id};
}

// Spreads all links of every GPU over the switches.
void ConnectToSwitches(const YAML::Node& switches, std::vector<GpuState>* gpus) {
  constexpr unsigned kNvSwitchPciId = 0x22A310DE;  // GH100 [H100 NVSwitch]
  if (!switches.IsSequence() || switches.size() == 0)
    Fail(switches, "switches is a list of bus ids");
  for (GpuState& gpu : *gpus) {
    for (unsigned link = 0; link < gpu.nvlink_count; ++link) {
      GpuState at{};
      const YAML::Node bus = switches[link % switches.size()];
      MustBe(switches,
             PlaceGpu(bus.as<std::string>(), "GPU-00000000-0000-0000-0000-000000000000", &at));
      at.pci_device_id = kNvSwitchPciId;
      Connect(&gpu, at, switches);
      gpu.nvlinks[link].kind = LinkKind::kSwitch;
    }
  }
}

void ReadLinks(const YAML::Node& root, std::vector<GpuState>* gpus) {
  for (const auto& entry : root["nvlinks"]) {
    OnlyKeys(entry, {"between", "links", "switches"});
    if (entry["switches"]) {
      ConnectToSwitches(entry["switches"], gpus);
      continue;
    }
    const YAML::Node between = entry["between"];
    if (!between || !between.IsSequence() || between.size() != 2) {
      Fail(entry, "between is a pair of GPUs");
    }
    const auto a = between[0].as<unsigned>();
    const auto b = between[1].as<unsigned>();
    if (a >= gpus->size() || b >= gpus->size() || a == b) Fail(entry, "no such pair of GPUs");
    for (auto n = Get<unsigned>(entry, "links"); n > 0; --n) {
      Connect(&(*gpus)[a], (*gpus)[b], entry);
      Connect(&(*gpus)[b], (*gpus)[a], entry);
    }
  }
  const YAML::Node fabric = root["fabric"];
  if (!fabric) return;
  OnlyKeys(fabric, {"cluster", "clique"});
  std::string hex = Get<std::string>(fabric, "cluster");
  std::erase(hex, '-');
  if (!Matches(hex, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx")) Fail(fabric, "cluster is a UUID");
  for (GpuState& gpu : *gpus) {
    gpu.fabric_state = 3;  // NVML_GPU_FABRIC_STATE_COMPLETED
    gpu.fabric_clique = Get<unsigned>(fabric, "clique", 0);
    for (std::size_t i = 0; i < sizeof gpu.fabric_uuid; ++i) {
      gpu.fabric_uuid[i] = static_cast<std::uint8_t>(std::stoul(hex.substr(2 * i, 2), nullptr, 16));
    }
  }
}

void CheckDistinct(const YAML::Node& where, const std::vector<GpuState>& gpus) {
  std::set<std::string> uuids;
  std::set<std::string> places;
  std::set<unsigned> minors;
  for (const GpuState& gpu : gpus) {
    if (!uuids.insert(gpu.uuid).second) Fail(where, "two GPUs of one UUID");
    if (!places.insert(SysBusId(gpu)).second) Fail(where, "two GPUs on one bus id");
    if (!minors.insert(gpu.minor).second) Fail(where, "two GPUs of one minor");
  }
}

NodeProfile ReadProfile(const YAML::Node& root, const YAML::Node& models) {
  OnlyKeys(root, {"driver", "machine", "visibility", "gpus", "nvlinks", "fabric"});
  NodeProfile profile;
  const YAML::Node driver = Map(root, "driver");
  OnlyKeys(driver, {"version", "cuda", "loaded"});
  profile.driver_version = Get<std::string>(driver, "version");
  if (!IsVersion(profile.driver_version)) {
    Fail(driver, "version is like 570.172.08");
  }
  int major = 0;
  int minor = 0;
  ReadDotted(driver, "cuda", &major, &minor);
  profile.cuda_version = static_cast<unsigned>(major * 1000 + minor * 10);  // as cuda.h has it
  profile.driver_loaded = Get<bool>(driver, "loaded", true);
  profile.machine = Get<std::string>(root, "machine", "");
  const auto visibility = Get<std::string>(root, "visibility", "all");
  if (visibility != "all" && visibility != "device-nodes") {
    Fail(root["visibility"], "visibility is all or device-nodes");
  }
  profile.only_device_nodes = visibility == "device-nodes";
  const YAML::Node gpus = root["gpus"];
  if (!gpus || !gpus.IsSequence() || gpus.size() > kMaxGpus)
    Fail(root, "gpus is a list, 32 at most");
  for (const auto& entry : gpus) {
    profile.gpus.push_back(ReadGpu(entry, models, static_cast<unsigned>(profile.gpus.size())));
  }
  CheckDistinct(gpus, profile.gpus);
  ReadLinks(root, &profile.gpus);
  return profile;
}

// Reads `path` and calls `read` with its root; every failure becomes a Status with file and line.
template <typename Read>
auto WithYaml(const std::string& path, Read read) -> Result<decltype(read(YAML::Node()))> {
  Result<std::string> text = base::ReadFile(path, kMaxProfileBytes);
  if (!text.ok()) return text.status();
  const auto bad = [&](int line, const std::string& what) {
    return Status(Code::kInvalidArgument, path + ":" + std::to_string(line) + ": " + what);
  };
  try {
    return read(YAML::Load(*text));
  } catch (const ProfileError& error) {
    return bad(error.line, error.what);
  } catch (const YAML::Exception& error) {
    return bad(error.mark.line + 1, error.msg);
  }
}

std::string ModelsPath(const std::string& directory) {
  return base::JoinPath(directory, "models.yaml");
}

}  // namespace

Result<NodeProfile> LoadProfile(const std::string& directory, const std::string& name) {
  const bool own = name.find('/') != std::string::npos || name.ends_with(".yaml");
  const std::string path = own ? name : base::JoinPath(directory, name + ".yaml");
  if (!own && (!base::Exists(path) || name == "models")) {
    return Status(Code::kNotFound, "no profile " + name + " in " + directory);
  }
  Result<YAML::Node> models =
      WithYaml(ModelsPath(directory), [](const YAML::Node& root) -> YAML::Node { return root; });
  if (!models.ok()) return models.status();
  Result<NodeProfile> profile = WithYaml(
      path, [&](const YAML::Node& root) -> NodeProfile { return ReadProfile(root, *models); });
  if (profile.ok()) {
    std::string stem = base::BaseName(path);
    if (stem.ends_with(".yaml")) stem.resize(stem.size() - 5);
    profile->name = stem;
  }
  return profile;
}

Result<GpuState> LoadModel(const std::string& directory, const std::string& model) {
  return WithYaml(ModelsPath(directory), [&](const YAML::Node& root) -> GpuState {
    if (!root[model]) Fail(root, "no such model: " + model);
    return ReadModel(model, root[model]);
  });
}

Result<std::vector<std::string>> Models(const std::string& directory) {
  return WithYaml(ModelsPath(directory), [](const YAML::Node& root) -> std::vector<std::string> {
    std::vector<std::string> names;
    for (const auto& entry : root) names.push_back(entry.first.as<std::string>());
    return names;
  });
}

Result<std::vector<std::string>> ShippedProfiles(const std::string& directory) {
  Result<std::vector<std::string>> files = base::ListDirectory(directory);
  if (!files.ok()) return files.status();
  std::vector<std::string> names;
  for (const std::string& file : *files) {
    if (file.ends_with(".yaml") && file != "models.yaml") {
      names.push_back(file.substr(0, file.size() - 5));
    }
  }
  return names;
}

Status PlaceGpu(const std::string& bus_id, const std::string& uuid, GpuState* gpu) {
  unsigned function = 0;
  char rest = 0;
  if (std::sscanf(bus_id.c_str(), "%4x:%2x:%2x.%1x%c", &gpu->pci_domain, &gpu->pci_bus,
                  &gpu->pci_device, &function, &rest) != 4 ||
      function != 0 || gpu->pci_device > 0x1F) {
    return {Code::kInvalidArgument, "a bus id is like 0000:07:00.0, not " + bus_id};
  }
  if (!Matches(uuid, "GPU-xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx")) {
    return {Code::kInvalidArgument, "a UUID is like GPU-xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"};
  }
  SetText(gpu->uuid, uuid);
  // A serial number of 13 digits, as on data-centre boards.
  const unsigned long long digits = std::stoull(uuid.substr(4, 8), nullptr, 16) % 1'000'000'000;
  std::snprintf(gpu->serial, sizeof gpu->serial, "1652%09llu", digits);
  return Status::Ok();
}

std::string SysBusId(const GpuState& gpu) {
  char text[32];
  std::snprintf(text, sizeof text, "%04x:%02x:%02x.0", gpu.pci_domain, gpu.pci_bus, gpu.pci_device);
  return text;
}

}  // namespace tranche::sim
