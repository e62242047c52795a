#include "node/delivery/container_labels.h"

#include <sys/xattr.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/file.h"
#include "base/log.h"
#include "base/text.h"

namespace tranche::node::delivery {
namespace {

using base::Result;
using base::Status;

constexpr char kAttribute[] = "security.selinux";
constexpr std::size_t kLongestLabel = 4096;
// Of the policy that every distribution with SELinux has for containers (container-selinux).
constexpr std::string_view kReadable = "container_ro_file_t";
constexpr std::string_view kWritable = "container_file_t";
// Without categories: those of a pod are its own, and no other pod has them.
constexpr std::string_view kLevel = "s0";

class OfKernel final : public FileLabels {
 public:
  bool InForce() override {
    const auto kinds = base::ReadFile("/proc/filesystems", 1U << 16U);
    return kinds.ok() && kinds->find("\tselinuxfs\n") != std::string::npos;
  }
  Result<std::string> Read(const std::string& path) override {
    std::string label(kLongestLabel, '\0');
    const ssize_t size = lgetxattr(path.c_str(), kAttribute, label.data(), label.size());
    if (size < 0) return base::ErrnoStatus(errno, "cannot read the label of " + path);
    label.resize(static_cast<std::size_t>(size));
    while (!label.empty() && label.back() == '\0') label.pop_back();
    return label;
  }
  Status Write(const std::string& path, const std::string& label) override {
    if (lsetxattr(path.c_str(), kAttribute, label.c_str(), label.size() + 1, 0) == 0) {
      return Status::Ok();
    }
    return base::ErrnoStatus(errno, "cannot label " + path);
  }
};

// What stands before the next colon.
std::string_view NextPart(std::string_view* rest) {
  const std::size_t end = std::min(rest->find(':'), rest->size());
  const std::string_view part = rest->substr(0, end);
  rest->remove_prefix(std::min(end + 1, rest->size()));
  return part;
}

Status LabelOne(FileLabels& labels, const std::string& path, ContainerUse use) {
  const auto label = labels.Read(path);
  if (!label.ok()) return label.status();
  const auto wanted = LabelFor(*label, use);
  if (!wanted) return Status::Ok();
  const Status written = labels.Write(path, *wanted);
  if (!written.ok()) {
    return {written.code(), "SELinux keeps containers from " + path + ", which needs the label " +
                                *wanted + " (docs/walls.md): " + written.message()};
  }
  base::LogInfo("a file has another label, so that containers may use it",
                {base::Kv("path", path), base::Kv("label", *wanted), base::Kv("before", *label)});
  return Status::Ok();
}

}  // namespace

std::shared_ptr<FileLabels> KernelLabels() { return std::make_shared<OfKernel>(); }

std::optional<std::string> LabelFor(std::string_view label, ContainerUse use) {
  std::string_view level = label;
  const std::string_view user = NextPart(&level);
  const std::string_view role = NextPart(&level);
  const std::string_view type = NextPart(&level);  // what is left is the level, colons and all
  const bool fits = type == kWritable || (use == ContainerUse::kRun && type == kReadable);
  if (fits && (level.empty() || level == kLevel)) return std::nullopt;
  std::string made(user.empty() ? "system_u" : user);
  made += ':';
  made += role.empty() ? "object_r" : role;
  made += ':';
  made += use == ContainerUse::kRun ? kReadable : kWritable;
  if (!level.empty()) made.append(":").append(kLevel);
  return made;
}

Status LetContainersUse(FileLabels& labels, const std::string& folder, ContainerUse use) {
  if (!labels.InForce()) return Status::Ok();
  TRANCHE_TRY(LabelOne(labels, folder, use));
  const auto names = base::ListDirectory(folder);
  if (!names.ok()) return names.status();
  for (const std::string& name : *names) {
    Status labelled = LabelOne(labels, base::JoinPath(folder, name), use);
    // A file that has gone meanwhile, as those do that take another's name.
    if (!labelled.ok() && labelled.code() != base::Code::kNotFound) return labelled;
  }
  return Status::Ok();
}

}  // namespace tranche::node::delivery
