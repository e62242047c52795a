#include "agent/container_parts.h"

#include <algorithm>

#include "base/file.h"

namespace tranche::agent {

namespace {

using base::Result;
using base::Status;

constexpr base::Duration kRetry = std::chrono::seconds(5);

// Device nodes that are handed out by their paths. A container's own /dev is a copy from when it
// was started: only a driver root's is believed when it lacks one.
void AddMissingNodes(const std::string& folder, const gpu::Inventory& inventory,
                     plan::Unfit& unfit) {
  if (folder == "/dev" || !base::Exists(base::JoinPath(folder, "nvidiactl"))) return;
  const std::string root = base::ParentDirectory(folder);
  const auto check = [&](const std::string& uuid, const std::vector<std::string>& paths) {
    for (const std::string& path : paths) {
      const std::string here = base::JoinPath(root, path);
      if (!base::Exists(here)) unfit.emplace(uuid, "its device node " + here + " is missing");
    }
  };
  for (const gpu::Gpu& gpu : inventory.gpus) {
    check(gpu.uuid, gpu.device_paths);
    for (const gpu::MigDevice& mig : gpu.mig_devices) check(mig.uuid, mig.device_paths);
  }
}

}  // namespace

ContainerParts::ContainerParts(base::EventLoop& loop, Options options, Owner owner)
    : options_(std::move(options)),
      owner_(std::move(owner)),
      retry_timer_(loop),
      folders_(loop, [this] { owner_.remake(); }),
      specs_(loop, options_.cdi_directory,
             {.changed = [this] { owner_.remake(); }, .may_mend = owner_.may_mend}) {}

cdi::CdiRoots ContainerParts::RootsOf(const config::Config& config, const Node& node) const {
  return {.driver_root_here = node.driver_root,
          .driver_root_on_host = config.flags.nvidia_driver_root,
          .dev_root_here = base::ParentDirectory(node.device_folder),
          .dev_root_on_host = config.flags.DevRoot(),
          .hook_path = config.flags.plugin.nvidia_ctk_path,
          .stat_char_device = options_.stat_char_device};
}

Result<ContainerParts::Made> ContainerParts::Make(const config::Config& config,
                                                  const Node& node) const {
  Made made;
  auto facts =
      plan::ReadNodeFacts(config, base::ParentDirectory(node.device_folder), options_.own_root);
  if (!facts.ok()) return facts.status();
  made.facts = std::move(*facts);
  made.device_folder = node.device_folder;
  const bool by_path = config.flags.plugin.pass_device_specs;
  if (node.driver_ready && by_path) {
    AddMissingNodes(node.device_folder, node.inventory, made.unfit);
  }
  if (cdi::UsesCdi(config)) TRANCHE_TRY(AddCdi(config, node, made));
  if (cdi::UsesCdi(config) || by_path || !config.imex.channel_ids.empty()) {
    made.device_roots = {base::ParentDirectory(node.device_folder), options_.own_root};
  }
  return made;
}

Status ContainerParts::AddCdi(const config::Config& config, const Node& node, Made& made) const {
  if (!node.driver_ready) {
    // Nothing is known of the devices: what is written stays.
    made.files = used_.files;
    made.facts.cdi_classes = used_.facts.cdi_classes;
    return Status::Ok();
  }
  auto built = cdi::BuildCdiFiles(config, node.inventory, RootsOf(config, node));
  if (!built.ok()) return built.status().Wrap("unable to make the CDI spec");
  for (const auto& [uuid, why] : built->left_out) made.unfit.emplace(uuid, why);
  for (const std::string& missing : built->missing) {
    if (std::ranges::find(made.facts.missing, missing) == made.facts.missing.end()) {
      made.facts.missing.push_back(missing);
    }
  }
  for (const cdi::CdiFile& file : built->files) {
    // These two are named one by one.
    if (file.device_class == "gpu" || file.device_class == "imex-channel") continue;
    made.facts.cdi_classes.push_back(file.device_class);
  }
  made.files = std::move(built->files);
  return Status::Ok();
}

Status ContainerParts::Use(Made made) {
  TRANCHE_TRY(specs_.Write(made.files));
  used_ = std::move(made);
  remade_ = Status::Ok();
  on_disk_ = Status::Ok();
  retry_timer_.Stop();
  folders_.Watch(used_.device_roots);
  return Status::Ok();
}

void ContainerParts::Remake(const config::Config& config, const Node& node) {
  auto made = Make(config, node);
  remade_ = made.status();
  on_disk_ = made.status();
  if (made.ok()) {
    remade_ = Use(std::move(*made));
    // What was written before may still be there.
    if (!remade_.ok()) on_disk_ = specs_.Check();
  }
  if (!remade_.ok()) retry_timer_.Start(kRetry, [this] { owner_.remake(); });
}

void ContainerParts::CatchUp() {
  folders_.CatchUp();
  const Status status = specs_.Check();
  if (!status.ok() || remade_.ok()) on_disk_ = status;
}

plan::Unfit ContainerParts::WhyUnfit(const plan::Plan& plan) const {
  plan::Unfit unfit;
  for (const auto& [uuid, planned] : plan.devices) {
    if (planned.resource.empty()) continue;
    if (!on_disk_.ok()) {
      unfit[uuid] = on_disk_.message();
    } else if (const auto why = used_.unfit.find(uuid); why != used_.unfit.end()) {
      unfit[uuid] = why->second;
    }
  }
  return unfit;
}

std::string ContainerParts::degraded() const {
  return remade_.ok() ? specs_.status().message() : remade_.message();
}

}  // namespace tranche::agent
