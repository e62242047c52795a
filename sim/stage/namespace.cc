#include "sim/stage/namespace.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/file.h"
#include "sim/stage/stage.h"

namespace tranche::sim {

namespace {

using base::Status;

Status WriteText(const std::string& path, const std::string& text) {
  const base::UniqueFd fd(open(path.c_str(), O_WRONLY | O_TRUNC | O_CLOEXEC));
  if (!fd.valid() ||
      write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
    return base::ErrnoStatus(errno, "write " + path);
  }
  return Status::Ok();
}

Status Unshare() {
  if (unshare(CLONE_NEWNS) == 0) return Status::Ok();
  const uid_t uid = getuid();
  const gid_t gid = getgid();
  if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return base::ErrnoStatus(errno, "unshare");
  TRANCHE_TRY(WriteText("/proc/self/setgroups", "deny"));
  TRANCHE_TRY(WriteText("/proc/self/uid_map", "0 " + std::to_string(uid) + " 1"));
  return WriteText("/proc/self/gid_map", "0 " + std::to_string(gid) + " 1");
}

Status Cover(const std::string& path) {
  if (mount("tmpfs", path.c_str(), "tmpfs", 0, "mode=0755") != 0) {
    return base::ErrnoStatus(errno, "covering " + path);
  }
  return Status::Ok();
}

Status Bind(const std::string& from, const std::string& to) {
  if (mount(from.c_str(), to.c_str(), nullptr, MS_BIND | MS_REC, nullptr) != 0) {
    return base::ErrnoStatus(errno, "binding " + from + " to " + to);
  }
  return Status::Ok();
}

// Shows `from` at `to`, whose parent is a file system where no folder can be made.
Status Show(const std::string& from, const std::string& parent, const std::string& name) {
  if (!base::Exists(from)) return Status::Ok();
  const std::string to = base::JoinPath(parent, name);
  if (!base::Exists(to)) {
    TRANCHE_TRY(Cover(parent));
    TRANCHE_TRY(base::MakeDirectories(to));
  }
  return Bind(from, to);
}

}  // namespace

Status EnterStageNamespace() {
  TRANCHE_TRY(Unshare());
  if (mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
    return base::ErrnoStatus(errno, "making mounts private");
  }
  TRANCHE_TRY(Cover("/var/lib"));
  TRANCHE_TRY(Cover("/run"));
  // Where /var/run is no link to /run.
  return base::MakeDirectories("/var/run/cdi");
}

Status ShowKernelFiles(const std::string& driver_root) {
  const std::string proc = base::JoinPath(driver_root, "proc/driver");
  if (base::Exists(proc)) TRANCHE_TRY(Bind(proc, "/proc/driver"));
  return Show(base::JoinPath(driver_root, "sys/bus/pci/devices"), "/sys/bus", "pci/devices");
}

bool KubeletServesThisMachine() {
  const base::UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  std::strncpy(address.sun_path, kKubeletSocket, sizeof(address.sun_path) - 1);
  return connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
}

}  // namespace tranche::sim
