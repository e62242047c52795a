#include "cdi/hooks.h"

#include <algorithm>
#include <utility>

#include "base/file.h"

namespace tranche::cdi {
namespace {

constexpr char kCreateSymlinks[] = "create-symlinks";
constexpr char kUpdateLdcache[] = "update-ldcache";

}  // namespace

HookWriter::HookWriter(std::string program, const std::vector<std::string>& disabled,
                       bool program_missing)
    : program_(std::move(program)),
      disabled_(disabled.begin(), disabled.end()),
      program_missing_(program_missing) {}

bool HookWriter::Enabled(const std::string& name) const {
  return !disabled_.contains("all") && !disabled_.contains(name);
}

void HookWriter::Add(Edits& edits, const std::string& name,
                     const std::vector<std::string>& args) const {
  if (!Enabled(name) || program_missing_) return;
  Hook hook{
      .path = program_, .args = {base::BaseName(program_)}, .env = {"NVIDIA_CTK_DEBUG=false"}};
  // nvidia-ctk has other commands too; nvidia-cdi-hook has hooks only.
  if (hook.args.front() == "nvidia-ctk") hook.args.emplace_back("hook");
  hook.args.push_back(name);
  hook.args.insert(hook.args.end(), args.begin(), args.end());
  edits.hooks.push_back(std::move(hook));
}

void HookWriter::MountAtLinks(Edits& edits, const std::vector<Link>& links, const Roots& roots) {
  for (const Link& link : links) {
    if (link.library.empty()) continue;
    const bool taken =
        std::any_of(edits.mounts.begin(), edits.mounts.end(),
                    [&link](const Mount& mount) { return mount.container_path == link.path; });
    if (!taken) edits.mounts.push_back(ReadOnlyMount(roots, link.library, link.path));
  }
}

void HookWriter::CreateLinks(Edits& edits, const std::vector<Link>& links,
                             const Roots& roots) const {
  if (links.empty() || !Enabled(kCreateSymlinks)) return;
  if (program_missing_) return MountAtLinks(edits, links, roots);
  std::vector<std::string> args;
  for (const Link& link : links) {
    args.emplace_back("--link");
    args.push_back(link.target + "::" + link.path);
  }
  Add(edits, kCreateSymlinks, args);
}

void HookWriter::UpdateLinkerCache(Edits& edits, const DriverLibraries& libraries,
                                   const Roots& roots) const {
  if (!Enabled(kUpdateLdcache)) return;
  if (program_missing_) {
    MountAtLinks(edits, libraries.compute.soname_links, roots);
    MountAtLinks(edits, libraries.graphics.soname_links, roots);
    return;
  }
  std::vector<std::string> folders;
  for (const Mount& mount : libraries.compute.mounts) {
    if (!IsLibraryName(base::BaseName(mount.container_path))) continue;
    std::string folder = base::ParentDirectory(mount.container_path);
    if (std::find(folders.begin(), folders.end(), folder) == folders.end()) {
      folders.push_back(std::move(folder));
    }
  }
  std::vector<std::string> args;
  for (std::string& folder : folders) {
    args.emplace_back("--folder");
    args.push_back(std::move(folder));
  }
  Add(edits, kUpdateLdcache, args);
}

void HookWriter::EnableCudaCompat(Edits& edits, const std::string& driver_version) const {
  Add(edits, "enable-cuda-compat", {"--host-driver-version=" + driver_version});
}

void HookWriter::DisableDeviceNodeModification(Edits& edits) const {
  Add(edits, "disable-device-node-modification", {});
}

void HookWriter::UpdateApplicationProfile(Edits& edits) const {
  Add(edits, "update-application-profile", {});
}

}  // namespace tranche::cdi
