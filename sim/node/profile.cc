#include "sim/node/profile.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cstdio>
#include <set>
#include <string_view>

#include "base/file.h"
#include "sim/node/mig.h"
#include "sim/node/model.h"
#include "sim/node/profile_yaml.h"

namespace tranche::sim {
namespace {

using base::Code;
using base::Result;
using base::Status;

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

void MustBe(const YAML::Node& where, const Status& status) {
  if (!status.ok()) Fail(where, status.message());
}

GpuState ReadGpu(const YAML::Node& node, const std::vector<GpuState>& models, unsigned slot) {
  OnlyKeys(node, {"model", "uuid", "bus", "minor", "numa", "switch", "host-bridge", "mig"});
  const auto model = Get<std::string>(node, "model");
  const GpuState* found = FindModel(models, model);
  if (found == nullptr) Fail(node, "no such model in models.yaml: " + model);
  GpuState gpu = *found;
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

NodeProfile ReadProfile(const YAML::Node& root, const std::vector<GpuState>& models) {
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

}  // namespace

Result<NodeProfile> LoadProfile(const std::string& directory, const std::string& name) {
  const bool own = name.find('/') != std::string::npos || name.ends_with(".yaml");
  const std::string path = own ? name : base::JoinPath(directory, name + ".yaml");
  if (!own && (!base::Exists(path) || name == "models")) {
    return Status(Code::kNotFound, "no profile " + name + " in " + directory);
  }
  Result<std::vector<GpuState>> models = LoadModels(directory);
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
