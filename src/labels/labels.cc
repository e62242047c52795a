#include "labels/labels.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

namespace tranche::labels {
namespace {

constexpr std::string_view kGpuResource = "nvidia.com/gpu";
// https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/
constexpr std::size_t kMostCharacters = 63;

bool IsAlphanumeric(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool IsLabelCharacter(char c) { return IsAlphanumeric(c) || c == '-' || c == '_' || c == '.'; }

// The nearest text that may stand in a label: it begins and ends with a letter or digit.
std::string Fitting(std::string_view text, std::size_t most = kMostCharacters) {
  const auto first = std::ranges::find_if(text, IsAlphanumeric);
  text.remove_prefix(static_cast<std::size_t>(first - text.begin()));
  text = text.substr(0, most);
  while (!text.empty() && !IsAlphanumeric(text.back())) text.remove_suffix(1);
  std::string out(text);
  std::erase_if(out, [](char c) { return !IsLabelCharacter(c); });
  return out;
}

std::string_view Family(int major, int minor) {
  switch (major) {
    case 1:
      return "tesla";
    case 2:
      return "fermi";
    case 3:
      return "kepler";
    case 5:
      return "maxwell";
    case 6:
      return "pascal";
    case 7:
      return minor < 5 ? "volta" : "turing";
    case 8:
      return minor < 9 ? "ampere" : "ada-lovelace";
    case 9:
      return "hopper";
    case 10:
    case 12:
      return "blackwell";
    case 13:
      return "rubin";
    default:
      return "undefined";
  }
}

std::string_view StrategyWord(config::MigStrategy strategy) {
  return strategy == config::MigStrategy::kSingle ? "single" : "mixed";
}

// '+' may not stand in a label's key; the resource's name has '.' there too.
std::string ProfileText(const gpu::MigDevice& mig) {
  std::string text = mig.profile;
  std::ranges::replace(text, '+', '.');
  return text;
}

std::vector<std::string> SplitAtDots(std::string_view text) {
  std::vector<std::string> parts;
  for (;;) {
    const std::size_t dot = text.find('.');
    parts.emplace_back(text.substr(0, dot));
    if (dot == std::string_view::npos) return parts;
    text.remove_prefix(dot + 1);
  }
}

// How a resource is shared, by its name before any renaming.
struct Sharing {
  int replicas = 1;
  bool renamed = false;
};

Sharing SharingInConfig(const config::Config& config, const std::string& resource) {
  Sharing out;
  for (const config::ReplicatedResource& rule : config.time_slicing.resources) {
    if (rule.name != resource) continue;
    out.replicas = std::max(out.replicas, rule.replicas);
    out.renamed = out.renamed || !rule.rename.empty();
  }
  return out;
}

// Where devices of one resource have different numbers of replicas, the largest is told.
Sharing SharingInPlan(const plan::Plan& plan, const std::string& resource) {
  Sharing out;
  for (const plan::PlannedResource& planned : plan.resources) {
    if (planned.advertised.original != resource || !planned.advertised.shared) continue;
    out.renamed = out.renamed || planned.advertised.name != resource;
    for (const share::AdvertisedDevice& device : planned.advertised.devices) {
      out.replicas = std::max(out.replicas, device.replicas);
    }
  }
  return out;
}

// The GPUs of one model.
struct Model {
  std::string name;
  int count = 0;                    // of all its GPUs
  const gpu::Gpu* whole = nullptr;  // one without MIG, if there is one
  const gpu::Gpu* cut = nullptr;
  [[nodiscard]] const gpu::Gpu& any() const { return whole != nullptr ? *whole : *cut; }
};

std::vector<Model> ModelsOf(const gpu::Inventory& inventory) {
  std::vector<Model> models;  // in the order of their first GPU
  for (const gpu::Gpu& gpu : inventory.gpus) {
    auto model = std::ranges::find(models, gpu.name, &Model::name);
    if (model == models.end()) {
      models.push_back({.name = gpu.name});
      model = models.end() - 1;
    }
    ++model->count;
    (gpu.mig_enabled ? model->cut : model->whole) = &gpu;
  }
  return models;
}

class LabelMaker {
 public:
  LabelMaker(const config::Config& config, const gpu::Inventory& inventory, const plan::Plan* plan,
             const LabelFacts& facts)
      : config_(config), inventory_(inventory), plan_(plan), facts_(facts) {}

  MadeLabels Make() {
    if (!facts_.timestamp.empty()) Set(kTimestampLabel, facts_.timestamp);
    if (!inventory_.gpus.empty()) {
      Set("nvidia.com/gpu.machine", SanitiseLabel(facts_.machine));
      Versions();
      Capabilities();
      Gpus();
      Mig();
      Mode();
      Clique();
    }
    Vgpu();
    for (auto& [key, value] : out_.labels) value = Fitting(value);
    return std::move(out_);
  }

 private:
  void Set(std::string_view key, std::string value) {
    out_.labels.insert_or_assign(std::string(key), std::move(value));
  }
  void Set(std::string_view resource, std::string_view suffix, std::string value) {
    std::string key(resource);
    key += '.';
    key += suffix;
    Set(key, std::move(value));
  }
  void Warn(std::string message) { out_.warnings.push_back(std::move(message)); }

  void Versions() {
    std::vector<std::string> parts = SplitAtDots(inventory_.driver_version);
    if (parts.size() < 2 || parts.size() > 3) {
      Warn("the driver's version '" + inventory_.driver_version + "' is not X.Y or X.Y.Z");
    } else {
      parts.resize(3);
      Set("nvidia.com/cuda.driver.major", parts[0]);
      Set("nvidia.com/cuda.driver.minor", parts[1]);
      Set("nvidia.com/cuda.driver.rev", parts[2]);
      Set("nvidia.com/cuda.driver-version.major", parts[0]);
      Set("nvidia.com/cuda.driver-version.minor", parts[1]);
      Set("nvidia.com/cuda.driver-version.revision", parts[2]);
      Set("nvidia.com/cuda.driver-version.full", inventory_.driver_version);
    }
    if (inventory_.cuda_major <= 0) return Warn("the driver does not tell its CUDA version");
    const std::string major = std::to_string(inventory_.cuda_major);
    const std::string minor = std::to_string(inventory_.cuda_minor);
    Set("nvidia.com/cuda.runtime.major", major);
    Set("nvidia.com/cuda.runtime.minor", minor);
    Set("nvidia.com/cuda.runtime-version.major", major);
    Set("nvidia.com/cuda.runtime-version.minor", minor);
    Set("nvidia.com/cuda.runtime-version.full", major + "." + minor);
  }

  void Capabilities() {
    Set("nvidia.com/mig.capable",
        std::ranges::any_of(inventory_.gpus, &gpu::Gpu::mig_capable) ? "true" : "false");
    Set("nvidia.com/mps.capable", "false");
  }

  // ---- whole GPUs ----

  void Gpus() {
    const std::vector<Model> models = ModelsOf(inventory_);
    const Model* told = nullptr;
    for (const Model& model : models) {
      const auto rank = [](const Model& one) { return std::pair(one.whole != nullptr, one.count); };
      if (told == nullptr || rank(model) > rank(*told)) told = &model;
    }
    GpuLabels(*told);
    if (models.size() > 1) PerModel(models);
  }

  void GpuLabels(const Model& model) {
    const gpu::Gpu& gpu = model.any();
    if (model.whole != nullptr) {
      BaseLabels(kGpuResource, model.count, {SanitiseLabel(model.name)});
    } else {
      // GPUs cut by MIG are never told as shared (upstream's rule).
      Set(kGpuResource, "product", SanitiseLabel(model.name));
      Set(kGpuResource, "count", std::to_string(model.count));
      Set(kGpuResource, "replicas", "0");
      Set(kGpuResource, "sharing-strategy", "none");
    }
    if (const std::uint64_t mib = gpu.memory_bytes >> 20U; mib != 0) {
      Set(kGpuResource, "memory", std::to_string(mib));
    }
    if (gpu.compute_major == 0) return;
    Set(kGpuResource, "family", std::string(Family(gpu.compute_major, gpu.compute_minor)));
    Set(kGpuResource, "compute.major", std::to_string(gpu.compute_major));
    Set(kGpuResource, "compute.minor", std::to_string(gpu.compute_minor));
  }

  void PerModel(const std::vector<Model>& models) {
    // What is left of a key for the model's name.
    constexpr std::size_t kMostName = kMostCharacters - std::string_view("gpu..memory").size();
    std::set<std::string> names;
    for (const Model& model : models) {
      const std::string plain = Fitting(SanitiseLabel(model.name), kMostName);
      std::string name = plain;
      for (int i = 2; name.empty() || !names.insert(name).second; ++i) {
        const std::string suffix = "-" + std::to_string(i);
        name = Fitting(plain, kMostName - suffix.size()) + suffix;
        if (plain.empty()) name = "unnamed" + suffix;
      }
      const std::string resource = "tranche.dev/gpu." + name;
      Set(resource, "count", std::to_string(model.count));
      const std::uint64_t mib = model.any().memory_bytes >> 20U;
      if (mib != 0) Set(resource, "memory", std::to_string(mib));
    }
    Set("tranche.dev/gpu.models", std::to_string(models.size()));
  }

  [[nodiscard]] Sharing SharingOf(std::string_view resource) const {
    const std::string name(resource);
    return plan_ == nullptr ? SharingInConfig(config_, name) : SharingInPlan(*plan_, name);
  }

  // `product`: its parts, clean already.
  void BaseLabels(std::string_view resource, int count, const std::vector<std::string>& product) {
    const Sharing sharing = SharingOf(resource);
    std::string name;
    for (const std::string& part : product) {
      if (part.empty()) continue;
      if (!name.empty()) name += '-';
      name += part;
    }
    if (sharing.replicas > 1 && !sharing.renamed) name += "-SHARED";
    Set(resource, "product", std::move(name));
    Set(resource, "count", std::to_string(count));
    Set(resource, "replicas", std::to_string(sharing.replicas));
    Set(resource, "sharing-strategy", sharing.replicas > 1 ? "time-slicing" : "none");
  }

  // ---- MIG devices ----

  // The MIG devices of one profile.
  struct MigType {
    const gpu::Gpu* parent = nullptr;
    const gpu::MigDevice* device = nullptr;
    int count = 0;
  };

  void Mig() {
    const config::MigStrategy strategy = config_.flags.mig_strategy;
    if (strategy == config::MigStrategy::kNone) return;
    Set("nvidia.com/mig.strategy", std::string(StrategyWord(strategy)));
    std::map<std::string, MigType> types;
    for (const gpu::Gpu& gpu : inventory_.gpus) {
      for (const gpu::MigDevice& mig : gpu.mig_devices) {
        MigType& type = types[ProfileText(mig)];
        if (type.count++ == 0) type = {.parent = &gpu, .device = &mig, .count = 1};
      }
    }
    if (strategy == config::MigStrategy::kSingle && !SingleIsPossible(types.size())) return;
    for (const auto& [profile, type] : types) {
      const std::string resource = strategy == config::MigStrategy::kSingle
                                       ? std::string(kGpuResource)
                                       : "nvidia.com/mig-" + profile;
      BaseLabels(resource, type.count,
                 {SanitiseLabel(type.parent->name), "MIG", SanitiseLabel(profile)});
      MigAttributes(resource, *type.device);
    }
  }

  // Strategy `single`: every GPU cut, and all into the same profile. Where no GPU is cut, there is
  // nothing to add; what is neither is told as invalid.
  bool SingleIsPossible(std::size_t types) {
    const auto& gpus = inventory_.gpus;
    const auto cut = std::ranges::find_if(gpus, &gpu::Gpu::mig_enabled);
    if (cut == gpus.end()) return false;
    const bool empty = std::ranges::any_of(
        gpus, [](const gpu::Gpu& gpu) { return gpu.mig_enabled && gpu.mig_devices.empty(); });
    std::string why;
    if (empty) {
      why = "a GPU has MIG enabled and no MIG device";
    } else if (!std::ranges::all_of(gpus, &gpu::Gpu::mig_enabled)) {
      why = "some GPUs have MIG enabled and some have not";
    } else if (types != 1) {
      why = "there is more than one type of MIG device";
    }
    if (why.empty()) return true;
    Warn("the node does not suit MIG strategy single: " + why);
    Set(kGpuResource, "product", SanitiseLabel(cut->name) + "-MIG-INVALID");
    Set(kGpuResource, "count", "0");
    Set(kGpuResource, "replicas", "0");
    Set(kGpuResource, "sharing-strategy", "");
    Set(kGpuResource, "memory", "0");
    return false;
  }

  void MigAttributes(std::string_view resource, const gpu::MigDevice& mig) {
    const std::array<std::pair<std::string_view, std::uint64_t>, 9> values{
        {{"memory", mig.memory_bytes >> 20U},
         {"multiprocessors", mig.multiprocessors},
         {"slices.gi", mig.gpu_slices},
         {"slices.ci", mig.compute_slices},
         {"engines.copy", mig.copy_engines},
         {"engines.decoder", mig.decoders},
         {"engines.encoder", mig.encoders},
         {"engines.jpeg", mig.jpegs},
         {"engines.ofa", mig.ofas}}};
    for (const auto& [suffix, value] : values) Set(resource, suffix, std::to_string(value));
  }

  // ---- the node ----

  void Mode() {
    constexpr unsigned kVga = 0x030000;
    constexpr unsigned k3d = 0x030200;
    const auto all = [this](unsigned pci_class) {
      return std::ranges::all_of(inventory_.gpus,
                                 [=](const gpu::Gpu& gpu) { return gpu.pci_class == pci_class; });
    };
    Set("nvidia.com/gpu.mode", all(kVga) ? "graphics" : all(k3d) ? "compute" : "unknown");
  }

  void Clique() {
    std::set<std::string> clusters;
    std::set<unsigned> cliques;
    for (const gpu::Gpu& gpu : inventory_.gpus) {
      if (!gpu.fabric) continue;
      clusters.insert(gpu.fabric->cluster);
      cliques.insert(gpu.fabric->clique);
    }
    if (clusters.empty()) return;
    if (clusters.size() > 1 || cliques.size() > 1) {
      return Warn("the GPUs have joined different fabrics or cliques");
    }
    Set("nvidia.com/gpu.clique", *clusters.begin() + "." + std::to_string(*cliques.begin()));
  }

  void Vgpu() {
    if (!facts_.vgpu_known) return;
    Set("nvidia.com/vgpu.present", facts_.vgpu ? "true" : "false");
    if (!facts_.vgpu || facts_.vgpu->driver_version.empty()) return;
    Set("nvidia.com/vgpu.host-driver-version", facts_.vgpu->driver_version);
    Set("nvidia.com/vgpu.host-driver-branch", facts_.vgpu->driver_branch);
  }

  const config::Config& config_;
  const gpu::Inventory& inventory_;
  const plan::Plan* plan_;
  const LabelFacts& facts_;
  MadeLabels out_;
};

}  // namespace

MadeLabels MakeLabels(const config::Config& config, const gpu::Inventory& inventory,
                      const plan::Plan* plan, const LabelFacts& facts) {
  return LabelMaker(config, inventory, plan, facts).Make();
}

bool IsOurLabel(std::string_view key) {
  constexpr std::string_view kDomain = "nvidia.com/";
  if (key.starts_with("tranche.dev/")) return true;
  if (!key.starts_with(kDomain)) return false;
  key.remove_prefix(kDomain.size());
  if (key.starts_with("mig-")) return true;
  // Keys that the operator and its parts set and read, and which would steer them.
  for (const std::string_view other :
       {"gpu.deploy.", "gpu.present", "gpu.workload.", "mig.config", "vgpu.config"}) {
    if (key.starts_with(other)) return false;
  }
  constexpr std::array<std::string_view, 6> kFamilies{"cuda.", "gfd.", "gpu.",
                                                      "mig.",  "mps.", "vgpu."};
  return std::ranges::any_of(kFamilies, [key](auto family) { return key.starts_with(family); });
}

std::string SanitiseLabel(std::string_view text) {
  std::string out;
  bool gap = false;
  for (const char c : text) {
    if (c == ' ') {
      gap = !out.empty();
    } else if (IsLabelCharacter(c)) {
      if (std::exchange(gap, false)) out += '-';
      out += c;
    }
  }
  return out;
}

std::string FormatLabels(const Labels& labels) {
  std::string out;
  for (const auto& [key, value] : labels) {
    out += key;
    out += '=';
    out += value;
    out += '\n';
  }
  return out;
}

}  // namespace tranche::labels
