#include "hook/mounts.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/statfs.h>

#include <cerrno>
#include <cstring>

namespace tranche::hook {
namespace {

constexpr LibraryKind kKinds[] = {LibraryKind::kCuda, LibraryKind::kNvml};
constexpr int kEmptyPath = AT_EMPTY_PATH;

Failure Failed(std::string_view what) {
  const int error = errno;
  const char* why = strerrordesc_np(error);
  Failure failure(what);
  if (why != nullptr) {
    failure.Add(": ").Add(why);
  } else {
    failure.Add(": error ").Add(static_cast<std::uint64_t>(error));
  }
  return failure;
}

// A mount of what is open, attached nowhere yet, which cannot be written through.
Descriptor Clone(const Descriptor& open) {
  constexpr unsigned kFlags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC;
  Descriptor tree(open_tree(open.get(), "", kFlags | kEmptyPath));
  if (!tree.valid()) return tree;
  mount_attr attributes = {};
  attributes.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
  attributes.propagation = MS_PRIVATE;
  if (mount_setattr(tree.get(), "", kEmptyPath, &attributes, sizeof attributes) != 0) {
    return Descriptor();
  }
  return tree;
}

bool Attach(const Descriptor& tree, const Descriptor& to) {
  constexpr unsigned kFlags = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH;
  return move_mount(tree.get(), "", to.get(), "", kFlags) == 0;
}

Path RealName(LibraryKind kind, std::size_t number) {
  Path name(kRealFolder);
  name.Add("/").Add(std::uint64_t{number}).Add("/").Add(FileNameOf(kind)).Add(".1");
  return name;
}

// Empty files, one for each number and kind, to mount on.
bool Fill(const Descriptor& folder) {
  for (std::size_t number = 0; number < kNumbers; ++number) {
    const Line<20> name = Line<20>().Add(std::uint64_t{number});
    if (mkdirat(folder.get(), name.c_str(), 0755) != 0) return false;
    const Descriptor below(openat(folder.get(), name.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    for (const LibraryKind kind : kKinds) {
      const Line<63> file = Line<63>(FileNameOf(kind)).Add(".1");
      const Descriptor made(openat(below.get(), file.c_str(), O_CREAT | O_EXCL | O_CLOEXEC, 0444));
      if (!made.valid()) return false;
    }
  }
  return true;
}

Descriptor MakeTmpfs() {
  const Descriptor context(fsopen("tmpfs", FSOPEN_CLOEXEC));
  const auto set = [&context](const char* key, const char* value) {
    return fsconfig(context.get(), FSCONFIG_SET_STRING, key, value, 0) == 0;
  };
  if (!context.valid() || !set("size", "64k") || !set("nr_inodes", "64") || !set("mode", "0755") ||
      !set("source", "tranche") ||
      fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0) {
    return Descriptor();
  }
  return Descriptor(fsmount(context.get(), FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV));
}

bool MakeReadOnly(const Descriptor& mount) {
  mount_attr attributes = {};
  attributes.attr_set = MOUNT_ATTR_RDONLY;
  attributes.propagation = MS_PRIVATE;
  return mount_setattr(mount.get(), "", kEmptyPath, &attributes, sizeof attributes) == 0;
}

bool MountIdOf(const Descriptor& open, std::uint64_t* id) {
  struct statx status = {};
  if (statx(open.get(), "", kEmptyPath, STATX_MNT_ID, &status) != 0) return false;
  *id = status.stx_mnt_id;
  return (status.stx_mask & STATX_MNT_ID) != 0;
}

// Looks for "ID … shared:N …" in /proc/self/mountinfo, of which a line may be long.
enum class Sharing { kUnknown, kPrivate, kShared };
Sharing SharingOf(std::uint64_t id) {
  const Descriptor file(open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC));
  const Memory text(std::size_t{4} << 20);
  if (!file.valid() || text.data() == nullptr) return Sharing::kUnknown;
  const ssize_t size = ReadAll(file.get(), text.data(), text.size());
  if (size <= 0) return Sharing::kUnknown;
  const Line<32> start = Line<32>().Add(id).Add(" ");
  std::string_view rest(text.data(), static_cast<std::size_t>(size));
  while (!rest.empty()) {
    const std::size_t end = rest.find('\n');
    std::string_view line = rest;
    line.remove_suffix(end == std::string_view::npos ? 0 : line.size() - end);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    if (!line.starts_with(start.view())) continue;
    // The fields after " - " are the file system's and may have anything in them.
    if (const std::size_t dash = line.find(" - "); dash != std::string_view::npos) {
      line.remove_suffix(line.size() - dash);
    }
    return line.find(" shared:") == std::string_view::npos ? Sharing::kPrivate : Sharing::kShared;
  }
  return Sharing::kUnknown;
}

}  // namespace

bool KernelCanMount() {
  // With a size of 0 a kernel that knows the call refuses it as wrong.
  errno = 0;
  mount_setattr(-1, "", 0, nullptr, 0);
  return errno != ENOSYS;
}

Failure Mounts::BringFolder(const Descriptor& folder, std::string_view path) const {
  const Descriptor place = root_.MakeFolder(path);
  struct stat here = {};
  struct stat there = {};
  if (!place.valid() || fstat(place.get(), &there) != 0) {
    return Failed(Failure(path).Add(" cannot be made in the container").view());
  }
  if (!folder.valid() || fstat(folder.get(), &here) != 0) {
    return Failed(Failure("the host's folder for ").Add(path).Add(" cannot be opened").view());
  }
  if (IdOf(here) == IdOf(there)) return {};  // This program was here before.
  const Failure shared = CheckPrivate(place);
  if (shared.size() != 0) return Failure(path).Add(": ").Add(shared.view());
  const Descriptor tree = Clone(folder);
  if (!tree.valid() || !Attach(tree, place)) {
    return Failed(Failure("nothing can be mounted on ").Add(path).view());
  }
  return {};
}

Failure Mounts::MakeRealFolder() {
  if (real_.valid()) return {};
  const Descriptor place = root_.MakeFolder(kRealFolder);
  if (!place.valid()) return Failed("/run/tranche/real cannot be made in the container");
  const Failure shared = CheckPrivate(place);
  if (shared.size() != 0) return Failure(kRealFolder).Add(": ").Add(shared.view());
  struct statfs system = {};
  if (fstatfs(place.get(), &system) == 0 && system.f_type == TMPFS_MAGIC &&
      root_.Find(RealName(LibraryKind::kNvml, kNumbers - 1).view()).valid()) {
    // This program was here before, for the same container.
    real_ = root_.Find(kRealFolder);
    return {};
  }
  Descriptor made = MakeTmpfs();
  if (!made.valid() || !Fill(made)) return Failed("no tmpfs can be made");
  if (!MakeReadOnly(made)) return Failed("the tmpfs cannot be made read-only");
  if (!Attach(made, place)) return Failed("no tmpfs can be mounted on /run/tranche/real");
  real_ = static_cast<Descriptor&&>(made);
  return {};
}

Failure Mounts::NumberFor(const Place& place, const Descriptor& found, std::size_t* number) {
  std::size_t taken = 0;
  for (const Real& real : reals_) {
    if (real.kind != place.kind) continue;
    if (real.id == place.id) {
      *number = taken;
      return {};
    }
    ++taken;
  }
  for (; taken < kNumbers; ++taken) {
    const Descriptor at = root_.Find(RealName(place.kind, taken).view());
    struct stat status = {};
    if (!at.valid() || fstat(at.get(), &status) != 0) {
      return Failed("/run/tranche/real is not what was mounted there");
    }
    if (status.st_size != 0) {  // of an earlier run
      reals_.Add({.kind = place.kind, .id = IdOf(status)});
      if (IdOf(status) != place.id) continue;
      *number = taken;
      return {};
    }
    const Descriptor tree = Clone(found);
    if (!tree.valid()) return Failed("the library cannot be bound elsewhere");
    if (!Attach(tree, at)) return Failed("the library cannot be mounted in /run/tranche/real");
    reals_.Add({.kind = place.kind, .id = place.id});
    *number = taken;
    return {};
  }
  Failure failure;
  failure.Add("the container has more than ").Add(std::uint64_t{kNumbers});
  failure.Add(" different libraries of that name");
  return failure;
}

// A mount below a folder that the container shares with the host would be there for all.
Failure Mounts::CheckPrivate(const Descriptor& found) const {
  std::uint64_t mount = 0;
  std::uint64_t root = 0;
  const Descriptor top = root_.Find("/");
  if (!MountIdOf(found, &mount) || !MountIdOf(top, &root)) {
    return Failed("the mount of the library is not known");
  }
  if (mount == root) return {};
  switch (SharingOf(mount)) {
    case Sharing::kPrivate:
      return {};
    case Sharing::kShared:
      return Failure("it lies on a volume whose mounts the container shares with the host");
    case Sharing::kUnknown:
      break;
  }
  return Failure("how its volume is mounted is not known");
}

Failure Mounts::Cover(const Place& place, const Descriptor& found, std::uint64_t version) {
  Failure failure = CheckPrivate(found);
  if (failure.size() == 0) failure = MakeRealFolder();
  std::size_t number = 0;
  if (failure.size() == 0) failure = NumberFor(place, found, &number);
  if (failure.size() != 0) return failure;
  const Descriptor shim = shims_.Find(place.kind, version, number);
  if (!shim.valid()) return Failed("there is no shim of its version and number");
  const Descriptor tree = Clone(shim);
  if (!tree.valid()) return Failed("the shim cannot be bound elsewhere");
  if (!Attach(tree, found)) return Failed("the shim cannot be mounted on the library");
  const Descriptor now = root_.Find(place.name.view());
  struct stat status = {};
  if (!now.valid() || fstat(now.get(), &status) != 0 || !shims_.Has(IdOf(status))) {
    return Failure("the shim was mounted, and the library is still seen in its place");
  }
  return {};
}

}  // namespace tranche::hook
