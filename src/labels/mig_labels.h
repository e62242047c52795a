// The labels that describe the node's MIG devices, as the MIG strategy of the config has it: under
// `single` they are nvidia.com/gpu.* in place of those of the GPUs, under `mixed` each profile has
// its own nvidia.com/mig-PROFILE.*, and under `none` there are none.
//
// Threading: a plain function, safe on any thread.
// Errors: a node that does not suit strategy `single` is labelled as invalid, with a warning.
#pragma once

#include "labels/labels.h"
#include "labels/resource_labels.h"

namespace tranche::labels {

// Goes after AddGpuLabels, whose labels strategy `single` replaces.
void AddMigLabels(const LabelInput& input, DraftLabels& draft);

}  // namespace tranche::labels
