// Decodes the parts of a config for which upstream has decoders of its own, so that their keys
// match in exact case: the sharing objects and the resource rules.
//
// Threading: plain functions, safe on any thread.
// Errors: they are recorded in the Decoder.
#pragma once

#include <string_view>
#include <vector>

#include "config/decoder.h"
#include "config/file_model.h"

namespace tranche::config {

using yaml::Node;

// sharing.timeSlicing or sharing.mps.
void DecodeSharing(const Node& node, Decoder& decoder, FileSharing& out);

// resources.gpus or resources.mig: checked, then dropped. True when there was a rule.
bool DecodeResourceRules(const Node& node, Decoder& decoder);

// "0", "1:2", "GPU-<uuid>", "MIG-<uuid>" or "MIG-GPU-<uuid>/<gi>/<ci>".
bool IsDeviceRef(std::string_view text);

// Upstream's "not yet supported" step: rules, renames and device choices are set aside with its
// warnings; renameByDefault's names are filled in.
void DropWhatIsNotHonoured(FileModel& model, std::vector<Diagnostic>& warnings);

}  // namespace tranche::config
