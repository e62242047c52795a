#include "sim/kubelet/pod_mounts.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <set>
#include <system_error>

#include "base/file.h"
#include "base/status.h"

namespace tranche::sim {
namespace {

namespace fs = std::filesystem;
using base::ErrnoStatus;
using base::Status;

Status MakeMountPoint(const fs::path& path, bool directory) {
  std::error_code error;
  fs::create_directories(directory ? path : path.parent_path(), error);
  if (error) return ErrnoStatus(error.value(), "making " + path.string());
  if (directory) return Status::Ok();
  const base::UniqueFd made(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
  return made.valid() ? Status::Ok() : ErrnoStatus(errno, "making " + path.string());
}

Status Bind(const fs::path& from, const fs::path& to) {
  if (::mount(from.c_str(), to.c_str(), nullptr, MS_BIND | MS_REC, nullptr) != 0) {
    return ErrnoStatus(errno, "binding " + from.string() + " to " + to.string());
  }
  return Status::Ok();
}

Status BindEntry(const fs::directory_entry& entry, const fs::path& into) {
  const fs::path to = into / entry.path().filename();
  std::error_code error;
  if (entry.is_symlink(error)) {
    fs::copy_symlink(entry.path(), to, error);
    return error ? ErrnoStatus(error.value(), "copying link " + to.string()) : Status::Ok();
  }
  TRANCHE_TRY(MakeMountPoint(to, entry.is_directory(error)));
  return Bind(entry.path(), to);
}

// Lays a writable copy of `folder` over it, in this namespace only.
Status OpenUp(const fs::path& folder) {
  // Built on top of another folder, which is covered only until the copy is moved into place.
  const fs::path staging = folder == "/proc" ? "/sys" : "/proc";
  if (::mount("tmpfs", staging.c_str(), "tmpfs", 0, "mode=0755") != 0) {
    return ErrnoStatus(errno, "mounting a tmpfs");
  }
  Status status;
  for (const auto& entry : fs::directory_iterator(folder)) {
    status = BindEntry(entry, staging);
    if (!status.ok()) break;
  }
  if (status.ok() && ::mount(staging.c_str(), folder.c_str(), nullptr, MS_MOVE, nullptr) != 0) {
    status = ErrnoStatus(errno, "moving the copy of " + folder.string());
  }
  if (!status.ok()) ::umount2(staging.c_str(), MNT_DETACH);
  return status;
}

// `copies` are the file systems of the copies made so far: in those, things may simply be made.
Status EnsureMountPoint(const fs::path& path, bool directory, std::set<dev_t>& copies) {
  std::error_code error;
  if (fs::exists(path, error)) return Status::Ok();
  fs::path ancestor = path.parent_path();
  while (!fs::exists(ancestor, error) && ancestor.has_relative_path()) {
    ancestor = ancestor.parent_path();
  }
  ancestor = fs::canonical(ancestor, error);
  if (error || ancestor == "/") {
    return {base::Code::kFailedPrecondition, path.string() + " would have to be made in /"};
  }
  struct stat info {};
  if (::stat(ancestor.c_str(), &info) != 0) return ErrnoStatus(errno, ancestor.string());
  if (copies.count(info.st_dev) == 0) {
    TRANCHE_TRY(OpenUp(ancestor));
    if (::stat(ancestor.c_str(), &info) == 0) copies.insert(info.st_dev);
  }
  return MakeMountPoint(path, directory);
}

enum class Writing { kAllowed, kForbidden };

Status ApplyOne(const std::string& host, const std::string& container, Writing writing,
                std::set<dev_t>& copies) {
  struct stat info {};
  if (::stat(host.c_str(), &info) != 0) return ErrnoStatus(errno, host);
  if (!fs::path(container).is_absolute()) {
    return {base::Code::kInvalidArgument, "not an absolute path: " + container};
  }
  TRANCHE_TRY(EnsureMountPoint(container, S_ISDIR(info.st_mode), copies));
  if (host != container) TRANCHE_TRY(Bind(host, container));
  if (writing == Writing::kForbidden && host != container &&
      ::mount(nullptr, container.c_str(), nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY, nullptr) !=
          0) {
    return ErrnoStatus(errno, "making " + container + " read-only");
  }
  return Status::Ok();
}

}  // namespace

std::vector<std::string> ApplyMounts(const std::vector<kubelet::Mount>& mounts,
                                     const std::vector<kubelet::DeviceSpec>& devices) {
  std::vector<std::string> failed;
  if (mounts.empty() && devices.empty()) return failed;
  if (::unshare(CLONE_NEWNS) != 0 ||
      ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
    failed.push_back("no mounts: a mount namespace of its own is not permitted here");
    return failed;
  }
  std::set<dev_t> copies;
  const auto apply = [&](const std::string& host, const std::string& container, Writing writing) {
    Status status;
    try {
      status = ApplyOne(host, container, writing, copies);
    } catch (const fs::filesystem_error& error) {
      status = {base::Code::kUnavailable, error.what()};
    }
    if (!status.ok()) failed.push_back(container + ": " + status.message());
  };
  for (const kubelet::Mount& mount : mounts) {
    apply(mount.host_path, mount.container_path,
          mount.read_only ? Writing::kForbidden : Writing::kAllowed);
  }
  for (const kubelet::DeviceSpec& device : devices) {
    apply(device.host_path, device.container_path, Writing::kAllowed);
  }
  return failed;
}

}  // namespace tranche::sim
