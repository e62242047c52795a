#include "labels/resource_labels.h"

#include <algorithm>
#include <utility>

#include "base/text.h"

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

void SetLabel(Labels& labels, std::string_view resource, std::string_view suffix,
              std::string value) {
  std::string key(resource);
  key += '.';
  key += suffix;
  labels.insert_or_assign(std::move(key), std::move(value));
}

void AddResourceLabels(const LabelInput& input, std::string_view resource, int count,
                       std::vector<std::string> product, Labels& labels) {
  const Sharing sharing = SharingOf(input, resource);
  std::erase_if(product, &std::string::empty);
  std::string name = base::Join(product, "-");
  if (sharing.replicas > 1 && !sharing.renamed) name += "-SHARED";
  // Without a model, which the driver may fail to tell, there is nothing to name.
  if (!product.empty()) SetLabel(labels, resource, "product", std::move(name));
  SetLabel(labels, resource, "count", std::to_string(count));
  SetLabel(labels, resource, "replicas", std::to_string(sharing.replicas));
  SetLabel(labels, resource, "sharing-strategy", sharing.replicas > 1 ? "time-slicing" : "none");
}

}  // namespace tranche::labels
