// FileTrace tells whether a file has been touched since it was last looked at, without reading it.
//
// Threading: plain values; TraceOf is safe on any thread.
// Errors: none. Where there is no file, the trace is that of none.
#pragma once

#include <cstdint>
#include <string>

namespace tranche::cdi {

struct FileTrace {
  std::uint64_t inode = 0;  // 0: no file
  std::int64_t size = 0;
  std::int64_t modified_ns = 0;
  std::int64_t changed_ns = 0;
  friend bool operator==(const FileTrace&, const FileTrace&) = default;
};

// Does not follow a final symbolic link.
FileTrace TraceOf(const std::string& path);

}  // namespace tranche::cdi
