// The CDI spec file that tells a container runtime what `k8s.device-plugin.nvidia.com/gpu=<id>`
// means: device nodes, driver libraries, and the hooks that link them into place.
//
// Written natively after the Container Device Interface specification
// (https://github.com/cncf-tags/container-device-interface/blob/main/SPEC.md), with the same device
// names and the same effect on a container as NVIDIA's nvcdi library. Reads the driver root; writes
// one file, atomically.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "base/status.h"
#include "config/config.h"
#include "gpu/device.h"

namespace tranche::agent {

// The device class and file name are upstream's: pods' stored answers name them.
inline constexpr char kCdiKind[] = "k8s.device-plugin.nvidia.com/gpu";
inline constexpr char kCdiFileName[] = "k8s.device-plugin.nvidia.com-gpu.json";

struct CdiRoots {
  std::string driver_root_here;  // where this process sees the driver root ("/driver-root" or "/")
  std::string driver_root_on_host;  // flags.nvidiaDriverRoot: what the host calls the same place
  std::string dev_root_here;
  std::string dev_root_on_host;
  std::string hook_path;  // flags.plugin.nvidiaCTKPath, on the host
};

// kFailedPrecondition: something the spec cannot do without is missing (libcuda of the driver's
// version, a device node), with its path. Device names follow `strategy` (UUID or index), plus
// "all", the IMEX channels and gds/gdrcopy/mofed classes as configured.
base::Result<base::Json> BuildCdiSpec(const config::Config& config, const gpu::Inventory& inventory,
                                      const CdiRoots& roots);

// Every spec file that is wanted: file name and content. (Other classes, e.g. gds, have their own.)
struct CdiFile {
  std::string name;
  base::Json spec;
};
base::Result<std::vector<CdiFile>> BuildCdiFiles(const config::Config& config,
                                                 const gpu::Inventory& inventory,
                                                 const CdiRoots& roots);

// Checks a document against the CDI specification's rules (names, required fields, version against
// the features used). Used before writing and by the tests.
base::Status CheckCdiSpec(const base::Json& spec);

// Writes `name` in `directory` atomically, unless the content is already there.
base::Status WriteCdiSpec(const std::string& directory, const std::string& name,
                          const base::Json& spec);

}  // namespace tranche::agent
