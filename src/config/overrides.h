// Lays the values of the command line and the environment over a FileModel.
//
// Threading: a plain function, safe on any thread.
// Errors: kInvalidArgument where a value is not of its flag's kind.
#pragma once

#include "base/status.h"
#include "config/file_model.h"

namespace tranche::config {

// Replaces what the file said. A name that is no config key ("config-file", "kubelet-socket", flags
// of our own) is left alone. kInvalidArgument where the value is not of the flag's kind.
base::Status ApplyOverride(const Override& given, FileModel& model);

}  // namespace tranche::config
