#include "labels/mig_labels.h"

#include <algorithm>
#include <array>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "labels/label_text.h"

namespace tranche::labels {

namespace {

std::string_view StrategyWord(config::MigStrategy strategy) {
  return strategy == config::MigStrategy::kSingle ? "single" : "mixed";
}

// '+' may not stand in a label's key; the resource's name has '.' there too.
std::string ProfileText(const gpu::MigDevice& mig) {
  std::string text = mig.profile;
  std::ranges::replace(text, '+', '.');
  return text;
}

// The MIG devices of one profile.
struct MigType {
  const gpu::Gpu* parent = nullptr;
  const gpu::MigDevice* device = nullptr;
  int count = 0;
};

// Strategy `single`: every GPU cut, and all into the same profile. Where no GPU is cut, there is
// nothing to add; what is neither is told as invalid.
bool SingleIsPossible(const gpu::Inventory& inventory, std::size_t types, DraftLabels& draft) {
  const auto& gpus = inventory.gpus;
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
  draft.warnings.push_back("the node does not suit MIG strategy single: " + why);
  constexpr std::string_view kInvalid = "-MIG-INVALID";
  SetLabel(draft, kGpuResource, "product", SanitiseLabel(cut->name).append(kInvalid),
           kInvalid.size());
  SetLabel(draft, kGpuResource, "count", "0");
  SetLabel(draft, kGpuResource, "replicas", "0");
  SetLabel(draft, kGpuResource, "sharing-strategy", "");
  SetLabel(draft, kGpuResource, "memory", "0");
  return false;
}

void DescribeMigDevice(std::string_view resource, const gpu::MigDevice& mig, DraftLabels& draft) {
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
  for (const auto& [suffix, value] : values) {
    SetLabel(draft, resource, suffix, std::to_string(value));
  }
}

}  // namespace

void AddMigLabels(const LabelInput& input, DraftLabels& draft) {
  const config::MigStrategy strategy = input.config.flags.mig_strategy;
  if (strategy == config::MigStrategy::kNone) return;
  SetLabel(draft, "nvidia.com/mig", "strategy", std::string(StrategyWord(strategy)));
  std::map<std::string, MigType> types;
  for (const gpu::Gpu& gpu : input.inventory.gpus) {
    for (const gpu::MigDevice& mig : gpu.mig_devices) {
      MigType& type = types[ProfileText(mig)];
      if (type.count++ == 0) type = {.parent = &gpu, .device = &mig, .count = 1};
    }
  }
  const bool single = strategy == config::MigStrategy::kSingle;
  if (single && !SingleIsPossible(input.inventory, types.size(), draft)) return;
  for (const auto& [profile, type] : types) {
    const std::string resource = single ? std::string(kGpuResource) : "nvidia.com/mig-" + profile;
    AddResourceLabels(
        input, resource, type.count,
        {.model = SanitiseLabel(type.parent->name), .part = "-MIG-" + SanitiseLabel(profile)},
        draft);
    DescribeMigDevice(resource, *type.device, draft);
  }
}

}  // namespace tranche::labels
