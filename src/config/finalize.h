// Validates a FileModel to which flags have been applied and makes a Config of it. This is
// upstream's second stage, and it refuses what we do not support.
//
// Threading: plain functions, safe on any thread.
// Errors: a Failure with the place in the text, where that is known.
#pragma once

#include <variant>

#include "config/file_model.h"

namespace tranche::config {

using yaml::Failure;

// Fills `config` but for its `tranche` part. The failure's message is upstream's, without the
// stages that upstream puts before it.
std::optional<Failure> Finalize(const FileModel& model, Reader reader, Config& config);

// Names listed twice, and other things that are accepted and probably not meant.
void WarnOfSharing(const FileModel& model, std::vector<Diagnostic>& warnings);

}  // namespace tranche::config
