// ShimFiles copies the files that pods with a memory wall need from this program's own installation
// to a folder of the host: the shims of each driver generation, the hook that a container runtime
// runs while a container is being created, and what is used to look from inside a pod.
//
// Running pods have these files mapped and mounted. So a file is never written in place: a new one
// takes its name, and the old one lives until its last user ends. A file whose content is right is
// left as it is. A file of the folder that this version no longer has stays, for the pods of a
// version that had it.
//
// Threading: one thread at a time.
// Errors: kNotFound where the installation has no such files; kPermissionDenied where somebody else
// could change what the host runs as root; kFailedPrecondition where nothing in the folder can be
// run; else that of the file system.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/status.h"
#include "cdi/file_trace.h"

namespace tranche::node::delivery {

// Whether a file of this name belongs to what is delivered: tranche-hook, tranche-check,
// libcuda.tranche-12000.so.1, …
[[nodiscard]] bool IsShimFile(std::string_view name);

class ShimFiles {
 public:
  ShimFiles(std::string source, std::string target)
      : source_(std::move(source)), target_(std::move(target)) {}

  // Makes the folder's files those of the source; how many had to be written. As long as nothing
  // has touched them, this costs two stat(2) a file.
  base::Result<int> Install();

 private:
  struct Traces {
    cdi::FileTrace source;
    cdi::FileTrace target;
  };

  [[nodiscard]] base::Status CheckFolder() const;
  base::Result<bool> InstallOne(const std::string& name);

  const std::string source_;
  const std::string target_;
  std::map<std::string, Traces> installed_;  // as they were when they were last found to be right
};

}  // namespace tranche::node::delivery
