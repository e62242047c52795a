#include "labels/labels.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "labels/gpu_labels.h"
#include "labels/label_text.h"
#include "labels/mig_labels.h"
#include "labels/resource_labels.h"

namespace tranche::labels {
namespace {

std::vector<std::string> SplitAtDots(std::string_view text) {
  std::vector<std::string> parts;
  for (;;) {
    const std::size_t dot = text.find('.');
    parts.emplace_back(text.substr(0, dot));
    if (dot == std::string_view::npos) return parts;
    text.remove_prefix(dot + 1);
  }
}

// The labels of the node itself, and the others in their order.
class LabelMaker {
 public:
  LabelMaker(const LabelInput& input, const LabelFacts& facts)
      : input_(input), inventory_(input.inventory), facts_(facts) {}

  MadeLabels Make() {
    if (!facts_.timestamp.empty()) Set(kTimestampLabel, facts_.timestamp);
    if (!inventory_.gpus.empty()) {
      Set("nvidia.com/gpu.machine", SanitiseLabel(facts_.machine));
      Versions();
      Capabilities();
      AddGpuLabels(input_, out_);
      AddMigLabels(input_, out_);
      Mode();
      Clique();
    }
    Vgpu();
    return FitLabels(std::move(out_));
  }

 private:
  void Set(std::string_view key, std::string value) {
    out_.labels.insert_or_assign(std::string(key), std::move(value));
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

  const LabelInput input_;
  const gpu::Inventory& inventory_;
  const LabelFacts& facts_;
  DraftLabels out_;
};

}  // namespace

MadeLabels MakeLabels(const config::Config& config, const gpu::Inventory& inventory,
                      const plan::Plan* plan, const LabelFacts& facts) {
  return LabelMaker({.config = config, .inventory = inventory, .plan = plan}, facts).Make();
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
