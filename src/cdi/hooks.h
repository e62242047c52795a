// HookWriter writes the hooks of a CDI spec: runs of NVIDIA's hook program while a container is
// being created.
//
// Names and arguments are those of the hook program (nvidia-ctk hook …, or nvidia-cdi-hook …).
// Where the host certainly has no such program, a hook would make every container fail to start. No
// hook is written then, and bind mounts do what they can instead.
//
// Threading: a plain object; one thread at a time.
// Errors: none.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "cdi/edits.h"
#include "cdi/libraries.h"

namespace tranche::cdi {

class HookWriter {
 public:
  // `disabled`: names as in the flag cdi-disable-hooks; "all" is every hook.
  HookWriter(std::string program, const std::vector<std::string>& disabled, bool program_missing);

  // Links in the container; nothing where there are none. Call after the mounts are in `edits`.
  void CreateLinks(Edits& edits, const std::vector<Link>& links, const Roots& roots) const;
  // The container's ld.so.cache gets the driver's libraries.
  void UpdateLinkerCache(Edits& edits, const DriverLibraries& libraries, const Roots& roots) const;
  // An image's own newer CUDA libraries go before the host's.
  void EnableCudaCompat(Edits& edits, const std::string& driver_version) const;
  // Tools in the container do not make device nodes by themselves.
  void DisableDeviceNodeModification(Edits& edits) const;
  // EGL and Vulkan in the container see no GPUs but its own. The program knows it from 1.20 on.
  void UpdateApplicationProfile(Edits& edits) const;

 private:
  [[nodiscard]] bool Enabled(const std::string& name) const;
  void Add(Edits& edits, const std::string& name, const std::vector<std::string>& args) const;
  static void MountAtLinks(Edits& edits, const std::vector<Link>& links, const Roots& roots);

  std::string program_;
  std::set<std::string> disabled_;
  bool program_missing_;
};

}  // namespace tranche::cdi
