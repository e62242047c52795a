#include "hook/root.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstring>

namespace tranche::hook {
namespace {

constexpr int kTries = 16;

// The kernel gives up on ".." where something is being renamed at the same time.
int OpenInside(int root, const char* path, std::uint64_t flags) {
  open_how how = {};
  how.flags = flags | O_CLOEXEC;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  for (int i = 0; i < kTries; ++i) {
    const long opened = syscall(SYS_openat2, root, path, &how, sizeof how);
    if (opened >= 0) return static_cast<int>(opened);
    if (errno != EAGAIN && errno != EINTR) break;
  }
  return -1;
}

// The path under which this process can open once more what it has open.
Line<32> Self(const Descriptor& open) {
  Line<32> path("/proc/self/fd/");
  path.Add(static_cast<std::uint64_t>(open.get()));
  return path;
}

Path TargetOf(const Descriptor& open) {
  Path name;
  char text[4096];
  const ssize_t length = readlink(Self(open).c_str(), &text[0], sizeof text);
  if (length > 0) name.Add({&text[0], static_cast<std::size_t>(length)});
  return name;
}

bool IsRegular(const Descriptor& open) {
  struct stat status = {};
  return fstat(open.get(), &status) == 0 && S_ISREG(status.st_mode);
}

}  // namespace

FileId IdOf(const struct stat& status) { return {.device = status.st_dev, .inode = status.st_ino}; }

Root::Root(const char* path) : root_(open(path, O_PATH | O_DIRECTORY | O_CLOEXEC)) {
  if (root_.valid()) name_ = TargetOf(root_);
}

Descriptor Root::Open(std::string_view path, std::uint64_t flags) const {
  Path whole(path.empty() ? "." : path);
  if (!whole.whole() || path.find('\0') != std::string_view::npos) {
    errno = ENAMETOOLONG;
    return Descriptor();
  }
  return Descriptor(OpenInside(root_.get(), whole.c_str(), flags));
}

Descriptor Root::Find(std::string_view path) const { return Open(path, O_PATH); }

Descriptor Root::OpenFolder(std::string_view path) const {
  return Open(path, O_RDONLY | O_DIRECTORY | O_NONBLOCK);
}

Descriptor Root::OpenFile(std::string_view path) const { return Reopen(Find(path)); }

Descriptor Root::MakeFolder(std::string_view path) const {
  Path made;
  Descriptor folder = Find("/");
  while (folder.valid() && !path.empty()) {
    const std::size_t slash = path.find('/');
    std::string_view name = path;
    if (slash != std::string_view::npos) name.remove_suffix(path.size() - slash);
    path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
    if (name.empty()) continue;
    made.Add("/").Add(name);
    Descriptor below = Open(made.view(), O_PATH | O_DIRECTORY);
    if (!below.valid() && errno == ENOENT) {
      const Line<255> last(name);
      if (mkdirat(folder.get(), last.c_str(), 0755) != 0 && errno != EEXIST) return Descriptor();
      below = Open(made.view(), O_PATH | O_DIRECTORY);
    }
    folder = static_cast<Descriptor&&>(below);
  }
  return folder;
}

Path Root::NameOf(const Descriptor& open) const {
  const Path target = TargetOf(open);
  std::string_view name = target.view();
  const std::string_view root = name_.view();
  if (root.size() > 1 && name.starts_with(root)) name.remove_prefix(root.size());
  return Path(name.empty() ? "/" : name);
}

Descriptor Reopen(const Descriptor& found) {
  if (!found.valid() || !IsRegular(found)) return Descriptor();
  return Descriptor(open(Self(found).c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
}

bool FolderNames::Next(std::string_view* name) {
  struct Entry {  // getdents64(2)
    std::uint64_t inode;
    std::int64_t offset;
    std::uint16_t bytes;
    std::uint8_t type;
  };
  constexpr std::size_t kNameAt = 19;
  for (;;) {
    if (at_ >= end_) {
      const long got =
          left_ == 0 ? 0 : syscall(SYS_getdents64, folder_, &buffer_[0], sizeof buffer_);
      if (got <= 0) return false;
      at_ = 0;
      end_ = static_cast<std::size_t>(got);
    }
    Entry entry;
    std::memcpy(&entry, &buffer_[at_], sizeof entry);
    const char* text = &buffer_[at_ + kNameAt];
    *name = {text, strnlen(text, entry.bytes - kNameAt)};
    at_ += entry.bytes;
    if (*name == "." || *name == "..") continue;
    if (left_ == 0) return false;
    --left_;
    return true;
  }
}

}  // namespace tranche::hook
