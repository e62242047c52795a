// The models of GPUs that a simulated node may have, as models.yaml describes them.
//
// Threading: plain functions, safe on any thread.
// Errors: a Status with file and line.
#pragma once

#include <string>
#include <vector>

#include "base/status.h"
#include "sim/node/state.h"

namespace tranche::sim {

// Every model in the models.yaml of `directory`, in the file's order: a GPU without place or
// identity.
base::Result<std::vector<GpuState>> LoadModels(const std::string& directory);

// Null where there is no model of this name.
const GpuState* FindModel(const std::vector<GpuState>& models, const std::string& name);

}  // namespace tranche::sim
