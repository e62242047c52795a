// What /proc/PID/maps says: which files a process has mapped, and where.
//
// Threading: ReadMaps may block for as long as the process likes, since the kernel waits for the
// lock of its memory: it belongs on a thread that nobody waits for. MappingsIn is pure.
// Errors: of ReadMaps those of reading a file; kUnavailable: the kernel does not let it be read.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace tranche::node::identity {

struct MappedFile {
  unsigned major = 0;
  unsigned minor = 0;
  std::uint64_t inode = 0;
  friend bool operator==(const MappedFile&, const MappedFile&) = default;
};

// It looks into the text that it was found in.
struct Mapping {
  std::string_view range;  // START-END, which is its name in /proc/PID/map_files
  MappedFile file;
  std::string_view path;  // may be whatever the process likes
};

// The mappings that have a path. A line that makes no sense is left out.
std::vector<Mapping> MappingsIn(std::string_view maps);
// /proc is below `proc_root`.
base::Result<std::string> ReadMaps(const std::string& proc_root, unsigned pid);

}  // namespace tranche::node::identity
