#include "labels/resource_labels.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "labels/label_text.h"

namespace tranche::labels {

namespace {

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

Sharing SharingOf(const LabelInput& input, std::string_view resource) {
  const std::string name(resource);
  return input.plan == nullptr ? SharingInConfig(input.config, name)
                               : SharingInPlan(*input.plan, name);
}

}  // namespace

void SetLabel(DraftLabels& draft, std::string_view resource, std::string_view suffix,
              std::string value, std::size_t ending) {
  std::string key(resource);
  key += '.';
  key += suffix;
  draft.endings.insert_or_assign(key, ending);
  draft.labels.insert_or_assign(std::move(key), std::move(value));
}

void AddResourceLabels(const LabelInput& input, std::string_view resource, int count,
                       Product product, DraftLabels& draft) {
  const Sharing sharing = SharingOf(input, resource);
  if (sharing.replicas > 1 && !sharing.renamed) product.part += "-SHARED";
  SetLabel(draft, resource, "product", product.model + product.part, product.part.size());
  SetLabel(draft, resource, "count", std::to_string(count));
  SetLabel(draft, resource, "replicas", std::to_string(sharing.replicas));
  SetLabel(draft, resource, "sharing-strategy", sharing.replicas > 1 ? "time-slicing" : "none");
}

MadeLabels FitLabels(DraftLabels draft) {
  for (auto& [key, value] : draft.labels) {
    const auto ending = draft.endings.find(key);
    std::string fitted = FitLabel(value, ending == draft.endings.end() ? 0 : ending->second);
    if (fitted == value) continue;
    draft.warnings.push_back(fmt::format("Kubernetes takes no label {}={}: its value is {} instead",
                                         key, value, fitted));
    value = std::move(fitted);
  }
  return {.labels = std::move(draft.labels), .warnings = std::move(draft.warnings)};
}

}  // namespace tranche::labels
