// The labels that every resource has, be it of whole GPUs or of MIG devices: its product, how many
// devices there are, and how they are shared.
//
// Threading: plain functions, safe on any thread.
// Errors: none.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"
#include "gpu/device.h"
#include "labels/labels.h"
#include "plan/plan.h"

namespace tranche::labels {

inline constexpr std::string_view kGpuResource = "nvidia.com/gpu";

// What labels are made from; see MakeLabels.
struct LabelInput {
  const config::Config& config;
  const gpu::Inventory& inventory;
  const plan::Plan* plan;
};

// Sets RESOURCE.SUFFIX=VALUE.
void SetLabel(Labels& labels, std::string_view resource, std::string_view suffix,
              std::string value);

// `product` is the parts of its name, each one as SanitiseLabel leaves it. `resource` is its name
// before any renaming. Where devices of one resource have different numbers of replicas, the
// largest number is told.
void AddResourceLabels(const LabelInput& input, std::string_view resource, int count,
                       std::vector<std::string> product, Labels& labels);

}  // namespace tranche::labels
