// Command line and environment values laid over a FileModel. Pure; safe from any thread.
#pragma once

#include "base/status.h"
#include "config/file_model.h"

namespace tranche::config {

// Replaces what the file said. A name that is no config key ("config-file", "kubelet-socket", flags
// of our own) is left alone. kInvalidArgument where the value is not of the flag's kind.
base::Status ApplyOverride(const Override& given, FileModel& model);

}  // namespace tranche::config
