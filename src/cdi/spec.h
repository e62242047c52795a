// Builds and writes the CDI spec file, which defines for a container runtime what
// `k8s.device-plugin.nvidia.com/gpu=<id>` means: device nodes, driver libraries, and the hooks that
// link them into place.
//
// The spec follows the Container Device Interface specification
// (https://github.com/cncf-tags/container-device-interface/blob/main/SPEC.md). Device names and the
// effect on a container are the same as with NVIDIA's nvcdi library.
//
// Threading: plain functions that read the driver root; one thread at a time.
// Errors: a Status with the path that is missing or cannot be written. Files are replaced
// atomically.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/status.h"
#include "config/config.h"
#include "gpu/device.h"

namespace tranche::cdi {

struct CharDevice {
  std::int64_t major = 0;
  std::int64_t minor = 0;
  unsigned mode = 0;  // permission bits
  unsigned gid = 0;
};

struct CdiRoots {
  std::string driver_root_here;  // where this process sees the driver root ("/driver-root" or "/")
  std::string driver_root_on_host;  // flags.nvidiaDriverRoot: what the host calls the same place
  std::string dev_root_here;        // the driver root; "/" is taken where it has no dev directory
  std::string dev_root_on_host;
  std::string hook_path;  // flags.plugin.nvidiaCTKPath, on the host

  // What may stay as it is outside tests.
  std::string sys_here = "/sys";  // for DRM nodes and the kernel's firmware path
  // $PATH and $XDG_DATA_DIRS. The usual directories of programs are searched in any case.
  std::string program_path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  std::string data_path = "/usr/local/share:/usr/share";
  // lstat(2) where there is none.
  std::function<std::optional<CharDevice>(const std::string& path)> stat_char_device = nullptr;
};

// Every spec file that is wanted: file name and content. The first is that of the GPUs and MIG
// devices, left out where there is none of them. Its device names follow
// flags.plugin.deviceIDStrategy: UUID or index ("0", "0:1"); GPUs in MIG mode have none. Each other
// class has a file of its own: "imex-channel" (by channel number), and "gdrcopy", "gds", "mofed"
// (one device, "all") where the flag is set and their device nodes exist. kFailedPrecondition:
// something the spec cannot do without is missing (libcuda of the driver's version), with its path.
struct CdiFile {
  std::string device_class;  // "gpu", "imex-channel", "gds", …
  std::string name;
  base::Json spec;
};
// A device that cannot be described is left out, and its neighbours are not: a GPU in MIG mode, and
// one whose device node is missing.
struct CdiFiles {
  std::vector<CdiFile> files;
  std::map<std::string, std::string> left_out;  // why, by the UUID of a GPU or MIG device
  // What the node has not, although containers need it ("nvidia-uvm") or a flag asks for it
  // ("gdrdrv").
  std::vector<std::string> missing;
};
base::Result<CdiFiles> BuildCdiFiles(const config::Config& config, const gpu::Inventory& inventory,
                                     const CdiRoots& roots);

// Checks a document against the CDI specification's rules (names, required fields, version against
// the features used). Used before writing and by the tests.
base::Status CheckCdiSpec(const base::Json& spec);

// Writes `name` in `directory` atomically, unless the content is already there.
base::Status WriteCdiSpec(const std::string& directory, const std::string& name,
                          const base::Json& spec);

// Whether one of the config's device list strategies names CDI devices.
[[nodiscard]] bool UsesCdi(const config::Config& config);

}  // namespace tranche::cdi
