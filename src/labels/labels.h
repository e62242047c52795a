// The node labels of NVIDIA's gpu-feature-discovery, made from what is served.
//
// Keys and values are upstream's, with these exceptions: a value that Kubernetes would refuse as a
// label is changed to one that it takes, without losing the MIG profile or -SHARED at its end; what
// the driver does not report is left out instead of ending the program; and a node with several
// models of GPU is described in full. There upstream writes
// the same gpu.* keys for every model, in an order drawn by lot. Here gpu.* are those of one model:
// of the models with a whole GPU (if no GPU is whole, of all models) the one with the most GPUs,
// then the one with the lowest index; and each model has labels of its own,
// tranche.dev/gpu.<model>.{count,memory}, the number of models being tranche.dev/gpu.models.
//
// Threading: pure.
// Errors: none; what is left out or changed is a warning in the result.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"
#include "gpu/device.h"
#include "plan/plan.h"

namespace tranche::labels {

using Labels = std::map<std::string, std::string>;

inline constexpr char kTimestampLabel[] = "nvidia.com/gfd.timestamp";

// What a vGPU guest's PCI configuration tells of the host.
struct VgpuHost {
  std::string driver_version;  // both "" where it is not told
  std::string driver_branch;
  friend bool operator==(const VgpuHost&, const VgpuHost&) = default;
};

// What is known of the node besides its GPUs (labels/facts.h reads it).
struct LabelFacts {
  std::string timestamp;  // "": no such label
  std::string machine;    // as the machine-type file has it
  bool vgpu_known = false;
  std::optional<VgpuHost> vgpu;  // none: no vGPU
};

struct MadeLabels {
  Labels labels;
  std::vector<std::string> warnings;
};

// `plan` is what is served, nullptr where nothing can be: sharing is then as the config says.
MadeLabels MakeLabels(const config::Config& config, const gpu::Inventory& inventory,
                      const plan::Plan* plan, const LabelFacts& facts);

// Whether a label is one of those made here, and not the operator's or somebody else's.
[[nodiscard]] bool IsOurLabel(std::string_view key);

// One "key=value" line each.
std::string FormatLabels(const Labels& labels);

}  // namespace tranche::labels
