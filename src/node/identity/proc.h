// What /proc says of a process, behind a seam that tests stand in for.
//
// A pid is used again after its process has ended. The time since boot at which a process began
// tells the two apart: it is read before and after whatever else is asked, and differs where the
// answers may be of two processes.
//
// Threading: one thread at a time. Proc blocks no longer than /proc does, which is in memory.
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
  // /proc/PID/NAME, whole and bounded, of those that the kernel writes at once: what it gives at a
  // time is all of it, where there is room for more.
  virtual base::Result<std::string> Read(unsigned pid, std::string_view name) = 0;
  // What it says of a descriptor of this process's own, as /proc/self/fdinfo/FD does.
  virtual base::Result<std::string> ReadDescriptor(int fd) {
    return base::Status(base::Code::kNotFound,
                        "nothing is said of descriptor " + std::to_string(fd));
  }
  // Whether some process has this name (/proc/PID/comm).
  virtual bool AnyNamed(std::string_view comm) = 0;
};

// The one below `root` ("/proc").
std::unique_ptr<Proc> NewProc(std::string root);

// The 22nd field of /proc/PID/stat (proc(5)), in clock ticks since boot. The second is the
// process's own name for itself, which may hold blanks and brackets.
base::Result<std::uint64_t> ReadStartTicks(std::string_view stat);

}  // namespace tranche::node::identity
