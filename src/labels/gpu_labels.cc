#include "labels/gpu_labels.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "labels/label_text.h"

namespace tranche::labels {

namespace {

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

void DescribeModel(const LabelInput& input, const Model& model, DraftLabels& draft) {
  const gpu::Gpu& gpu = model.any();
  if (model.whole != nullptr) {
    AddResourceLabels(input, kGpuResource, model.count,
                      {.model = SanitiseLabel(model.name), .part = {}}, draft);
  } else {
    // GPUs cut by MIG are never told as shared (upstream's rule).
    SetLabel(draft, kGpuResource, "product", SanitiseLabel(model.name));
    SetLabel(draft, kGpuResource, "count", std::to_string(model.count));
    SetLabel(draft, kGpuResource, "replicas", "0");
    SetLabel(draft, kGpuResource, "sharing-strategy", "none");
  }
  if (const std::uint64_t mib = gpu.memory_bytes >> 20U; mib != 0) {
    SetLabel(draft, kGpuResource, "memory", std::to_string(mib));
  }
  if (gpu.compute_major == 0) return;
  SetLabel(draft, kGpuResource, "family",
           std::string(Family(gpu.compute_major, gpu.compute_minor)));
  SetLabel(draft, kGpuResource, "compute.major", std::to_string(gpu.compute_major));
  SetLabel(draft, kGpuResource, "compute.minor", std::to_string(gpu.compute_minor));
}

// Each model has labels of its own.
void DescribeEach(const std::vector<Model>& models, DraftLabels& draft) {
  // What is left of a key for the model's name.
  constexpr std::size_t kMostName = kMostCharacters - std::string_view("gpu..memory").size();
  std::set<std::string> names;
  for (const Model& model : models) {
    const std::string whole = SanitiseLabel(model.name);
    std::string name = FitLabel(whole, 0, kMostName);
    if (name.empty()) name = "unnamed";
    const std::string plain = name;
    for (int i = 2; !names.insert(name).second; ++i) {
      const std::string suffix = "-" + std::to_string(i);
      name = FitLabel(plain + suffix, suffix.size(), kMostName);
    }
    if (name != whole) {
      draft.warnings.push_back("the keys of the labels of model '" + model.name + "' name it " +
                               name);
    }
    const std::string resource = "tranche.dev/gpu." + name;
    SetLabel(draft, resource, "count", std::to_string(model.count));
    const std::uint64_t mib = model.any().memory_bytes >> 20U;
    if (mib != 0) SetLabel(draft, resource, "memory", std::to_string(mib));
  }
  SetLabel(draft, "tranche.dev/gpu", "models", std::to_string(models.size()));
}

}  // namespace

void AddGpuLabels(const LabelInput& input, DraftLabels& draft) {
  const std::vector<Model> models = ModelsOf(input.inventory);
  if (models.empty()) return;
  const Model* told = nullptr;
  for (const Model& model : models) {
    const auto rank = [](const Model& one) { return std::pair(one.whole != nullptr, one.count); };
    if (told == nullptr || rank(model) > rank(*told)) told = &model;
  }
  DescribeModel(input, *told, draft);
  if (models.size() > 1) DescribeEach(models, draft);
}

}  // namespace tranche::labels
