// The kubelet's pods as JSON: what is shown, and what outlives it in its state folder. Plain
// functions.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "base/status.h"
#include "sim/kubelet/kubelet.h"
#include "sim/kubelet/pod_process.h"

namespace tranche::sim {

[[nodiscard]] const char* NameOf(PodPhase phase);

struct SavedPod {
  Pod pod;  // spec, uid, phase, reason, message, exit_code, restarts, not_applied
  ProcessId process;
};

[[nodiscard]] base::Json ToJson(const SavedPod& saved);
// kInvalidArgument: not one of ours.
base::Result<SavedPod> SavedPodFromJson(const base::Json& json);

// A spec as a control client sends it: {"name", "requests", "command", "env", "bound"}.
base::Result<PodSpec> PodSpecFromJson(const base::Json& json);
[[nodiscard]] base::Json ToJson(const PodSpec& spec);

}  // namespace tranche::sim
