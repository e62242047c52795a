// Files: bounded reads, atomic writes, names of paths, and a file descriptor that has an owner.
//
// Threading: plain functions, safe on any thread; a UniqueFd belongs to one thread at a time.
// Errors: a Status that names the path. Nothing here throws.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"

namespace tranche::base {

class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept;
  UniqueFd(const UniqueFd&) = delete;
  UniqueFd& operator=(const UniqueFd&) = delete;
  ~UniqueFd();

  [[nodiscard]] int get() const { return fd_; }
  [[nodiscard]] bool valid() const { return fd_ >= 0; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_ = -1;
};

// The whole file; kOutOfRange when it is longer than `max_bytes`, so that a huge or endless file
// costs at most that much memory.
Result<std::string> ReadFile(const std::string& path, std::size_t max_bytes);

// Writes beside `path` and renames over it: a reader sees the old bytes or the new, a full disk
// leaves the old. kSynced also survives a power cut, and costs a disk's flush. Missing parent
// directories are made (0755).
enum class Durability { kProcess, kSynced };
Status WriteFileAtomic(const std::string& path, std::string_view bytes, mode_t mode = 0644,
                       Durability durability = Durability::kProcess);

Status MakeDirectories(const std::string& path, mode_t mode = 0755);
[[nodiscard]] bool Exists(const std::string& path);                       // follows symbolic links
Result<std::vector<std::string>> ListDirectory(const std::string& path);  // names, sorted, no . ..
[[nodiscard]] std::string JoinPath(std::string_view directory, std::string_view name);
[[nodiscard]] std::string ParentDirectory(std::string_view path);
[[nodiscard]] std::string BaseName(std::string_view path);

// Which file is at a path at this moment. A socket or file that was made again has another
// identity; one that was only touched has the same. All zero where there is none.
struct FileIdentity {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;         // may be used again by the next file…
  std::int64_t birth_time_ns = 0;  // …but not with this (change time on file systems without it)
  [[nodiscard]] bool exists() const { return inode != 0; }
  friend bool operator==(const FileIdentity&, const FileIdentity&) = default;
};
FileIdentity IdentityOf(const std::string& path);  // does not follow a final symbolic link
// Whether the open file is the one at `path`; does not follow a final symbolic link either.
[[nodiscard]] bool SameFile(int fd, const std::string& path);

}  // namespace tranche::base
