// The labels that describe the node's GPUs: nvidia.com/gpu.* for one model and, where there are
// several models, tranche.dev/gpu.* for each of them. labels.h says which model is the one.
//
// Threading: a plain function, safe on any thread.
// Errors: none; what the driver does not tell is left out.
#pragma once

#include "labels/labels.h"
#include "labels/resource_labels.h"

namespace tranche::labels {

void AddGpuLabels(const LabelInput& input, DraftLabels& draft);

}  // namespace tranche::labels
