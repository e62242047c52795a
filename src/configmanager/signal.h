// Which process config-manager signals, and how.
//
// Threading: plain functions over /proc; any thread.
// Errors: processes come and go meanwhile, and one that ends while it is looked at is no error.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace tranche::configmanager {

// "1", "HUP" or "SIGHUP". kInvalidArgument: no signal of Linux's.
base::Result<int> ParseSignal(std::string_view text);

// The processes whose argv[0] is `name`, byte for byte, lowest id first; this one left out. Of each
// command line no more is read than that takes.
std::vector<pid_t> FindProcesses(const std::string& proc_directory, const std::string& name);

struct Signalled {
  int sent = 0;
  base::Status status;  // of one that could not be signalled, though it is there
};
Signalled SignalProcesses(const std::string& proc_directory, const std::string& name, int signal);

}  // namespace tranche::configmanager
