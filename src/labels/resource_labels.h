// The labels that every resource has, be it of whole GPUs or of MIG devices: its product, how many
// devices there are, and how they are shared; and how labels are collected until they are written.
//
// Threading: plain functions, safe on any thread.
// Errors: none.
#pragma once

#include <cstddef>
#include <map>
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

// Labels while they are made: a value may still be one that Kubernetes would refuse.
struct DraftLabels {
  Labels labels;
  // By key: how many characters at the end of its value stay where it has to be shortened.
  std::map<std::string, std::size_t> endings;
  std::vector<std::string> warnings;
};

// A product: its model as SanitiseLabel leaves it, and what part of one ("-MIG-1g.10gb", or
// nothing).
struct Product {
  std::string model;
  std::string part;
};

// Sets RESOURCE.SUFFIX=VALUE. Where that is too long, its last `ending` characters stay.
void SetLabel(DraftLabels& draft, std::string_view resource, std::string_view suffix,
              std::string value, std::size_t ending = 0);

// `resource` is its name before any renaming. Where devices of one resource have different numbers
// of replicas, the largest number is told.
void AddResourceLabels(const LabelInput& input, std::string_view resource, int count,
                       Product product, DraftLabels& draft);

// The labels as they are written: what Kubernetes would refuse is fitted, with a warning.
MadeLabels FitLabels(DraftLabels draft);

}  // namespace tranche::labels
