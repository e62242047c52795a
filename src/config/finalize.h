// A FileModel with flags applied, validated into a Config: upstream's second stage, and what we do
// not support. Pure; safe from any thread.
#pragma once

#include <variant>

#include "config/file_model.h"

namespace tranche::config {

// Fills `config` but for its `tranche` part. The failure's message is complete
// ("unable to validate flags: …") but for the place.
std::optional<Failure> Finalize(const FileModel& model, Config& config);

// Names listed twice, and other things that are accepted and probably not meant.
void WarnOfSharing(const FileModel& model, std::vector<Diagnostic>& warnings);

}  // namespace tranche::config
