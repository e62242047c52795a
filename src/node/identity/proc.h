// What /proc says of a process, behind a seam that tests stand in for.
//
// A pid is used again after its process has ended. The time since boot at which a process began
// tells the two apart: it is read before and after whatever else is asked, and differs where the
// answers may be of two processes.
//
// Threading: plain functions. Proc blocks no longer than /proc does, which is in memory.
// Errors: kNotFound: no such process (any more). kInvalidArgument: the text is not understood.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/status.h"

namespace tranche::node::identity {

class Proc {
 public:
  virtual ~Proc() = default;
  // /proc/PID/NAME, whole and bounded.
  virtual base::Result<std::string> Read(unsigned pid, std::string_view name) = 0;
  // Whether some process has this name (/proc/PID/comm).
  virtual bool AnyNamed(std::string_view comm) = 0;
};

// The one below `root` ("/proc").
std::unique_ptr<Proc> NewProc(std::string root);

// The 22nd field of /proc/PID/stat (proc(5)), in clock ticks since boot. The second is the
// process's own name for itself, which may hold blanks and brackets.
base::Result<std::uint64_t> ReadStartTicks(std::string_view stat);

}  // namespace tranche::node::identity
