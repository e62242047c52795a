// Finds the driver's libraries for a container: which files, and the links by which programs find
// them.
//
// The choice of libraries and links is that of NVIDIA's nvcdi library. A program asks for
// "libcuda.so.1" and sometimes for "libcuda.so", while the file is libcuda.so.<version>; hooks
// normally make the links and the linker's cache.
//
// Threading: plain functions that only read the driver root; one thread at a time.
// Errors: kFailedPrecondition where the driver's main libraries are missing.
#pragma once

#include <string>
#include <vector>

#include "base/status.h"
#include "cdi/root.h"

namespace tranche::cdi {

struct Link {
  std::string target;   // as the link shall say: "libcuda.so.1"
  std::string path;     // in the container
  std::string library;  // the file behind it, as this process sees it; "" where it is not known
};

struct LibrarySet {
  std::vector<Mount> mounts;
  std::vector<Link> links;         // to be made in any case
  std::vector<Link> soname_links;  // what ldconfig makes of `mounts`
};

struct DriverLibraries {
  // Where libraries of the driver's version are, in the driver root: "/usr/lib/x86_64-linux-gnu".
  // Mostly one; the first is where a search finds the first of them.
  std::vector<std::string> directories;
  LibrarySet graphics;  // EGL, Vulkan and X server modules, those without a fixed place
  LibrarySet compute;   // *.so.<version>, from libcuda to libnvidia-ml
};

// kFailedPrecondition: neither libcuda.so.<version> nor libnvidia-ml.so.<version> is there.
base::Result<DriverLibraries> FindDriverLibraries(const Roots& roots, const std::string& version,
                                                  bool with_explicit_libraries);

// `here` as a read-only bind mount at its path in the driver root, or at `container_path`.
Mount ReadOnlyMount(const Roots& roots, const std::string& here, std::string container_path = "");

// Whether ldconfig would look at a file of this name: lib<something>.so or .so.<something>.
bool IsLibraryName(const std::string& name);

}  // namespace tranche::cdi
