#include "node/delivery/shim_files.h"

#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "cdi/shim.h"

namespace tranche::node::delivery {
namespace {

using base::Code;
using base::Result;
using base::Status;

constexpr std::size_t kLargest = 16U << 20U;
constexpr std::size_t kMaxFiles = 64;
constexpr mode_t kOfOthers = S_IWGRP | S_IWOTH;
constexpr std::string_view kLibraries[] = {"libcuda.tranche-", "libnvidia-ml.tranche-"};
constexpr std::string_view kLibraryEnd = ".so.1";
constexpr std::string_view kCheck = "tranche-check";

bool IsProgram(std::string_view name) { return name == cdi::kShimHook || name == kCheck; }

// "libcuda.tranche-12000.so.1", "libcuda.tranche-12000-1.so.1": numbers are all that tells them
// apart.
bool IsLibrary(std::string_view name) {
  return std::ranges::any_of(kLibraries, [&](std::string_view start) {
    if (!name.starts_with(start) || !name.ends_with(kLibraryEnd)) return false;
    if (name.size() <= start.size() + kLibraryEnd.size()) return false;
    const std::string_view number =
        name.substr(start.size(), name.size() - start.size() - kLibraryEnd.size());
    return base::IsDigit(number.front()) &&
           std::ranges::all_of(number, [](char c) { return base::IsDigit(c) || c == '-'; });
  });
}

// Libraries come first: the hook of this version finds them there.
bool Before(const std::string& a, const std::string& b) {
  const bool program_a = IsProgram(a);
  const bool program_b = IsProgram(b);
  return program_a == program_b ? a < b : program_b;
}

}  // namespace

bool IsShimFile(std::string_view name) { return IsProgram(name) || IsLibrary(name); }

Result<int> ShimFiles::Install() {
  auto names = base::ListDirectory(source_);
  if (!names.ok()) return names.status();
  std::erase_if(*names, [](const std::string& name) { return !IsShimFile(name); });
  const bool hook = std::ranges::find(*names, cdi::kShimHook) != names->end();
  if (!hook || std::ranges::none_of(*names, IsLibrary) || names->size() > kMaxFiles) {
    return Status(Code::kNotFound, "the shim and its hook are not in " + source_);
  }
  std::ranges::sort(*names, Before);
  TRANCHE_TRY(base::MakeDirectories(target_));
  TRANCHE_TRY(CheckFolder());
  int written = 0;
  for (const std::string& name : *names) {
    const auto wrote = InstallOne(name);
    if (!wrote.ok()) return wrote.status();
    if (*wrote) ++written;
  }
  return written;
}

// The runtime runs the hook as root, and programs in pods load the libraries.
Status ShimFiles::CheckFolder() const {
  struct stat info {};
  if (lstat(target_.c_str(), &info) != 0) return base::ErrnoStatus(errno, "look at " + target_);
  if (!S_ISDIR(info.st_mode) || info.st_uid != geteuid() || (info.st_mode & kOfOthers) != 0) {
    return {Code::kPermissionDenied,
            target_ + " is not a folder that only this program's user may write to"};
  }
  struct statvfs where {};
  if (statvfs(target_.c_str(), &where) != 0) return base::ErrnoStatus(errno, "look at " + target_);
  if ((where.f_flag & ST_NOEXEC) != 0) {
    return {Code::kFailedPrecondition,
            "nothing in " + target_ + " can be run: its file system is mounted noexec"};
  }
  return Status::Ok();
}

Result<bool> ShimFiles::InstallOne(const std::string& name) {
  const std::string from = base::JoinPath(source_, name);
  const std::string to = base::JoinPath(target_, name);
  const Traces seen{.source = cdi::TraceOf(from), .target = cdi::TraceOf(to)};
  const auto known = installed_.find(name);
  if (known != installed_.end() && known->second.source == seen.source &&
      known->second.target == seen.target) {
    return false;
  }
  const auto bytes = base::ReadFile(from, kLargest);
  if (!bytes.ok()) return bytes.status();
  const mode_t mode = IsProgram(name) ? 0755 : 0644;
  struct stat info {};
  const bool fits = lstat(to.c_str(), &info) == 0 && S_ISREG(info.st_mode) &&
                    (info.st_mode & 07777) == mode && info.st_uid == geteuid();
  const auto there = fits ? base::ReadFile(to, kLargest) : Result<std::string>(std::string());
  const bool right = fits && there.ok() && *there == *bytes;
  // After a power cut a file that is there has to be whole: containers would not start with it.
  if (!right) TRANCHE_TRY(base::WriteFileAtomic(to, *bytes, mode, base::Durability::kSynced));
  if (!right && seen.target.inode != 0) {
    base::LogInfo("a file of the shim had been changed, and is replaced by the one installed here",
                  {base::Kv("path", to)});
  }
  installed_[name] = {.source = seen.source, .target = cdi::TraceOf(to)};
  return !right;
}

}  // namespace tranche::node::delivery
