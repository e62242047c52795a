// Root is the root folder of a container that is being made, seen from the host.
//
// What lies in it is the image's and hostile. Paths are resolved by the kernel inside it, as the
// container's own programs will (openat2, RESOLVE_IN_ROOT): no link, no ".." and no file of /proc
// leads out. Nothing is opened but regular files and folders, so nothing blocks on a FIFO and no
// device is touched.
//
// Threading: a plain object; one thread at a time.
// Errors: a Descriptor that is not valid, and errno.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <string_view>

#include "hook/memory.h"
#include "hook/text.h"

namespace tranche::hook {

struct FileId {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;

  friend bool operator==(const FileId&, const FileId&) = default;
};

FileId IdOf(const struct stat& status);

class Root {
 public:
  explicit Root(const char* path);

  // False also where the host has no /proc.
  [[nodiscard]] bool valid() const { return root_.valid() && name_.size() > 0; }
  [[nodiscard]] int get() const { return root_.get(); }

  // What is at `path`, links followed: a place to mount on (O_PATH).
  [[nodiscard]] Descriptor Find(std::string_view path) const;
  // A folder, to be listed.
  [[nodiscard]] Descriptor OpenFolder(std::string_view path) const;
  // A regular file, for reading.
  [[nodiscard]] Descriptor OpenFile(std::string_view path) const;
  // Makes what is missing of a folder's path.
  [[nodiscard]] Descriptor MakeFolder(std::string_view path) const;

  // The path that something open has in the container, links followed.
  [[nodiscard]] Path NameOf(const Descriptor& open) const;

 private:
  [[nodiscard]] Descriptor Open(std::string_view path, std::uint64_t flags) const;

  Descriptor root_;
  Path name_;
};

// For reading what Find found; not valid where that is no regular file.
Descriptor Reopen(const Descriptor& found);

// The names in a folder, in no order, "." and ".." apart.
class FolderNames {
 public:
  FolderNames(const Descriptor& folder, std::size_t most) : folder_(folder.get()), left_(most) {}

  // False after the last, and once `most` were given.
  bool Next(std::string_view* name);

 private:
  int folder_;
  std::size_t left_;
  std::size_t at_ = 0;
  std::size_t end_ = 0;
  alignas(8) char buffer_[16384] = {};
};

}  // namespace tranche::hook
