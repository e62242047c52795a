#include "cdi/trusted_tree.h"

#include <unistd.h>

#include <cerrno>
#include <deque>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>

#include "base/file.h"

namespace tranche::cdi {
namespace {

using base::Code;
using base::Status;

constexpr int kMostLinks = 40;  // as the kernel's MAXSYMLINKS

bool IsRootOrSelf(uid_t uid) { return uid == 0 || uid == geteuid(); }

Status Untrusted(const std::string& path, std::string_view why) {
  return {Code::kPermissionDenied, path + " " + std::string(why)};
}

// A device node is what its numbers say, whoever owns it.
Status CheckOwner(const std::string& path, const struct stat& info) {
  if (S_ISCHR(info.st_mode) || IsRootOrSelf(info.st_uid)) return Status::Ok();
  return Untrusted(path, "belongs to user " + std::to_string(info.st_uid) + ", not to root");
}

// What is mounted or run is also nothing that others could write; sockets and device nodes are
// there to be written.
Status CheckFile(const std::string& path, const struct stat& info) {
  TRANCHE_TRY(CheckOwner(path, info));
  const bool written_by_others = (info.st_mode & (S_IWGRP | S_IWOTH)) != 0;
  if (S_ISREG(info.st_mode) && written_by_others) {
    return Untrusted(path, "can be written by others than root");
  }
  return Status::Ok();
}

// Whether what a directory names is looked for, or the directory itself.
enum class Looked { kForName, kForDirectory };

Status CheckDirectory(const std::string& path, const struct stat& info, Looked looked) {
  TRANCHE_TRY(CheckOwner(path, info));
  const mode_t others = info.st_mode & (S_IWGRP | S_IWOTH);
  const bool sticky = (info.st_mode & S_ISVTX) != 0;
  if (others == 0) return Status::Ok();
  if (looked == Looked::kForName && sticky && others == S_IWGRP) return Status::Ok();
  return Untrusted(path, "can be written by others than root");
}

}  // namespace

// One look: goes along a path, component by component.
class TrustedTree::Walk {
 public:
  explicit Walk(const TrustedTree& tree) : tree_(tree), at_(tree.here_) {}

  base::Result<Found> To(std::string_view path) {
    if (tree_.here_ != "/") path.remove_prefix(tree_.here_.size());
    Prepend(path);
    if (tree_.here_ == tree_.on_host_) TRANCHE_TRY(CheckAbove());
    TRANCHE_TRY(Enter(at_));
    while (!parts_.empty()) {
      const std::string part = std::move(parts_.front());
      parts_.pop_front();
      TRANCHE_TRY(part == ".." ? Up() : Down(part));
    }
    return Found{.path = at_, .info = info_};
  }

 private:
  void Prepend(std::string_view path) {
    std::deque<std::string> parts;
    for (const auto& part : std::filesystem::path(path)) {
      const std::string name = part.string();
      if (!name.empty() && name != "." && name != "/") parts.push_back(name);
    }
    parts_.insert(parts_.begin(), parts.begin(), parts.end());
  }

  Status Stat(const std::string& path) {
    if (lstat(path.c_str(), &info_) == 0) return Status::Ok();
    return base::ErrnoStatus(errno, path);
  }

  // Whoever can replace a directory above the root replaces the root.
  Status CheckAbove() {
    for (std::string path = tree_.here_; path != "/";) {
      path = base::ParentDirectory(path);
      TRANCHE_TRY(Stat(path));
      TRANCHE_TRY(CheckDirectory(path, info_, Looked::kForName));
    }
    return Status::Ok();
  }

  // `at_` becomes the directory, or what else the path ends with.
  Status Enter(const std::string& path) {
    TRANCHE_TRY(Stat(path));
    at_ = path;
    if (S_ISDIR(info_.st_mode)) {
      return CheckDirectory(path, info_, parts_.empty() ? Looked::kForDirectory : Looked::kForName);
    }
    if (parts_.empty()) return CheckFile(path, info_);
    return {Code::kNotFound, path + " is no directory"};
  }

  Status Down(const std::string& part) {
    const std::string next = base::JoinPath(at_, part);
    TRANCHE_TRY(Stat(next));
    return S_ISLNK(info_.st_mode) ? Follow(next) : Enter(next);
  }

  Status Up() {
    if (at_ == tree_.here_ && tree_.on_host_ == "/") return Status::Ok();  // "/.." is "/"
    if (at_ == tree_.here_) TRANCHE_TRY(MayLeave(at_));
    return Enter(base::ParentDirectory(at_));
  }

  // An absolute link is one of the host's.
  Status Follow(const std::string& link) {
    TRANCHE_TRY(CheckOwner(link, info_));
    if (++links_ > kMostLinks) return Untrusted(link, "is one link of too many");
    std::error_code error;
    const std::filesystem::path target = std::filesystem::read_symlink(link, error);
    if (error) return {Code::kNotFound, link + ": " + error.message()};
    Prepend(target.string());
    if (!target.is_absolute()) return Status::Ok();
    if (tree_.on_host_ == "/") return Enter(tree_.here_);
    TRANCHE_TRY(MayLeave(link));
    return Enter("/");
  }

  [[nodiscard]] Status MayLeave(const std::string& link) const {
    if (tree_.here_ == tree_.on_host_) return Status::Ok();
    return Untrusted(link, "leads to where only the host can see");
  }

  const TrustedTree& tree_;
  std::string at_;
  struct stat info_ {};
  std::deque<std::string> parts_;  // still to go
  int links_ = 0;
};

TrustedTree::TrustedTree(std::string here, std::string on_host)
    : here_(std::move(here)), on_host_(std::move(on_host)) {}

base::Result<TrustedTree::Found> TrustedTree::Look(const std::string& path) const {
  return Walk(*this).To(path);
}

}  // namespace tranche::cdi
