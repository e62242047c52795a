// What a container runtime does for the CDI device of the shim, for pods of the small kubelet,
// which has no runtime: the mounts and the hooks of the published specification, in a mount
// namespace of the pod's own. The hook is the real one, which finds the driver's libcuda and covers
// it.
//
// Threading: plain functions.
// Errors: a Status where the device is not published, or its file cannot be used.
#pragma once

#include <string>

#include "base/status.h"

namespace tranche::cli::node {

// Where the demo's programs publish the device, inside the stage.
inline constexpr char kDemoSpecs[] = "/var/run/cdi";

struct DemoContainer {
  std::string id;            // 64 hexadecimal digits
  std::string folder;        // for its bundle; is made
  std::string library_path;  // LD_LIBRARY_PATH of its program
};

// A command that is given a program's command line and becomes it, in that container.
base::Result<std::string> WriteContainer(const DemoContainer& container);

}  // namespace tranche::cli::node
