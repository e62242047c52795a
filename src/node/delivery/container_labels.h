// What SELinux has to say of files of the host that pods are given. Where it is in force, programs
// in containers may use only what has a label of theirs; so folders that are made for them get one,
// and what lies there already.
//
// Threading: one thread at a time.
// Errors: that of the kernel, with what to do, where a label cannot be given.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"

namespace tranche::node::delivery {

// Labels of files, as the kernel has them.
class FileLabels {
 public:
  virtual ~FileLabels() = default;
  // Whether SELinux is there at all.
  virtual bool InForce() = 0;
  virtual base::Result<std::string> Read(const std::string& path) = 0;
  virtual base::Status Write(const std::string& path, const std::string& label) = 0;
};
[[nodiscard]] std::shared_ptr<FileLabels> KernelLabels();

enum class ContainerUse {
  kRun,      // read, map and run
  kConnect,  // connect to a socket that lies there
};

// The label in whose place `label` does not let all containers of the node do so; nullopt where it
// does. "system_u:object_r:var_lib_t:s0" becomes "system_u:object_r:container_ro_file_t:s0".
[[nodiscard]] std::optional<std::string> LabelFor(std::string_view label, ContainerUse use);

// Labels a folder, and what lies in it, where that is needed.
[[nodiscard]] base::Status LetContainersUse(FileLabels& labels, const std::string& folder,
                                            ContainerUse use);

}  // namespace tranche::node::delivery
