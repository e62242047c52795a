#include "agent/container_parts.h"

#include <algorithm>
#include <memory>

#include "base/file.h"
#include "config/to_json.h"

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

// No answer in time, or nobody to ask.
bool NoAnswer(const Status& status) {
  return status.code() == base::Code::kDeadlineExceeded ||
         status.code() == base::Code::kResourceExhausted;
}

}  // namespace

ContainerParts::ContainerParts(base::EventLoop& loop, base::disk::Worker& worker, Options options,
                               Owner owner)
    : options_(std::move(options)),
      owner_(std::move(owner)),
      look_(loop, worker, "looking at the driver root and its device nodes"),
      retry_timer_(loop),
      folders_(loop, worker, [this] { owner_.remake(); }),
      specs_(loop, worker, options_.cdi_directory,
             {.changed = [this] { owner_.remake(); },
              .may_mend = owner_.may_mend,
              .written = [this] { owner_.answered(); }}),
      shim_(loop, worker, options_.shim, owner_.shim) {}

bool ContainerParts::Question::Same(const Question& other) const {
  return driver_ready == other.driver_ready && driver_root == other.driver_root &&
         device_folder == other.device_folder && config_text == other.config_text &&
         inventory == other.inventory;
}

cdi::CdiRoots ContainerParts::Question::Roots() const {
  return {.driver_root_here = driver_root,
          .driver_root_on_host = config.flags.nvidia_driver_root,
          .dev_root_here = base::ParentDirectory(device_folder),
          .dev_root_on_host = config.flags.DevRoot(),
          .hook_path = config.flags.plugin.nvidia_ctk_path,
          .stat_char_device = options.stat_char_device};
}

Result<ContainerParts::Made> ContainerParts::Make(const config::Config& config, const Node& node) {
  const auto answer =
      std::make_shared<Answer>(Answer{.question = {.config = config,
                                                   .config_text = config::ToJson(config).Dump(),
                                                   .driver_ready = node.driver_ready,
                                                   .inventory = node.inventory,
                                                   .driver_root = node.driver_root,
                                                   .device_folder = node.device_folder,
                                                   .options = options_},
                                      .made = Status(base::Code::kUnknown, "not asked yet")});
  const std::optional<Answer> late = std::exchange(late_, std::nullopt);
  if (late && late->question.Same(answer->question)) {
    answer->made = late->made;
  } else {
    TRANCHE_TRY(look_.Run([answer] { answer->made = Find(answer->question); },
                          [this, answer] {
                            late_ = std::move(*answer);
                            owner_.answered();
                          }));
  }
  if (answer->made.ok() && cdi::UsesCdi(config) && !node.driver_ready) {
    // Nothing is known of the devices: what is written stays.
    answer->made->files = used_.files;
    answer->made->facts.cdi_classes = used_.facts.cdi_classes;
  }
  return std::move(answer->made);
}

Result<ContainerParts::Made> ContainerParts::Find(const Question& question) {
  const config::Config& config = question.config;
  const std::string& own_root = question.options.own_root;
  const std::string dev_root = base::ParentDirectory(question.device_folder);
  Made made;
  auto facts = plan::ReadNodeFacts(config, dev_root, own_root);
  if (!facts.ok()) return facts.status();
  made.facts = std::move(*facts);
  made.device_folder = question.device_folder;
  const bool by_path = config.flags.plugin.pass_device_specs;
  if (question.driver_ready && by_path) {
    AddMissingNodes(question.device_folder, question.inventory, made.unfit);
  }
  if (cdi::UsesCdi(config) && question.driver_ready) TRANCHE_TRY(AddCdi(question, made));
  if (cdi::UsesCdi(config) || by_path || !config.imex.channel_ids.empty()) {
    made.device_roots = {dev_root, own_root};
  }
  return made;
}

Status ContainerParts::AddCdi(const Question& question, Made& made) {
  auto built = cdi::BuildCdiFiles(question.config, question.inventory, question.Roots());
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
  // A node that has not answered yet has not changed, as far as is known.
  if (!NoAnswer(made.status())) on_disk_ = made.status();
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
  shim_.Look();
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
