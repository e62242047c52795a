#include "cli/node/demo_sight.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "cli/node/demo_runtime.h"
#include "cli/top/asker.h"
#include "cli/top/screen.h"
#include "sim/stage/stage.h"

namespace tranche::cli::node {

namespace {

using base::Json;
using base::Result;
using base::Status;

constexpr char kListen[] = "127.0.0.1:9436";
constexpr double kGiB = 1 << 30;
// Of a pod that holds memory and does not compute, before it is shown.
constexpr double kIdleSeconds = 2;
constexpr std::size_t kColumns = 96;

double WallClock() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

}  // namespace

SightChapter::SightChapter(tranche::sim::Stage& stage, const std::string& resource,
                           const std::string& uuid, top::Looks looks, Say say)
    : stage_(stage),
      gpu_(stage, resource, uuid),
      groups_(stage),
      looks_(looks),
      say_(std::move(say)) {}

SightChapter::~SightChapter() {
  if (const Status ended = gpu_.EndAll(); !ended.ok()) return;  // they are in the groups still
  groups_.Remove();
}

std::string SightChapter::GpuAmong(const gpu::Inventory& inventory) {
  for (const gpu::Gpu& gpu : inventory.gpus) {
    if (!gpu.mig_enabled) return gpu.uuid;
  }
  return "";
}

std::string SightChapter::WhyNot(const std::string& uuid) {
  if (uuid.empty()) return "each of these GPUs is cut by MIG, and the driver samples no processes";
  return PodGroups::WhyNot();
}

Status SightChapter::Show() {
  TRANCHE_TRY(gpu_.MakeRoom());
  TRANCHE_TRY(groups_.Make());
  TRANCHE_TRY(StartProgram());
  TRANCHE_TRY(StartPods());
  TRANCHE_TRY(Ask());
  for (const top::Line& line : top::DrawDevices(node_, kColumns, WallClock())) {
    say_(top::Render(line, kColumns, looks_));
  }
  return Judge();
}

Status SightChapter::StartPods() {
  const double total = static_cast<double>(gpu_.State().memory_total) / kGiB;
  const auto part = [total](double share) { return std::max(1, static_cast<int>(total * share)); };
  const std::vector<std::pair<std::string, std::string>> pods{
      {"notebook", fmt::format("hold --memory {}Gi --for 10m", part(0.15))},
      {"train", fmt::format("steady --memory {}Gi --for 10m", part(0.4))},
      {"infer",
       fmt::format("requests --memory {}Gi --burst 20 --think 40ms --for 10m", part(0.1))}};
  for (std::size_t i = 0; i < pods.size(); ++i) {
    const auto& [name, workload] = pods[i];
    auto group = groups_.Add(i + 1);
    if (!group.ok()) return group.status().Wrap("the control group of pod " + name);
    names_[group->uid] = name;
    TRANCHE_TRY(gpu_.Start({.name = name, .workload = workload, .before = group->enter}));
  }
  return Status::Ok();
}

Status SightChapter::StartProgram() {
  const auto started = stage_.StartProgram(
      {.path = "/proc/self/exe",
       .arguments = {"tranche", "node", "--node-name=", "--pod-resources-socket=",
                     "--driver-root=" + stage_.driver_root(), std::string("--listen=") + kListen,
                     "--interval=250ms", std::string("--shim-cdi-dirs=") + kDemoSpecs},
       .env = {},
       .log = "node.log"});
  return started.status();
}

Status SightChapter::Ask() {
  auto asker = top::Asker::New(stage_.loop(), kListen);
  if (!asker.ok()) return asker.status();
  asker_ = std::move(*asker);
  const bool as_told = stage_.Until([this] {
    asker_->Ask([this](const Result<Json>& answer) { Told(answer); });
    return Judge().ok();
  });
  asker_.reset();
  if (as_told) return Status::Ok();
  return told_.ok() ? Judge() : told_.Wrap("tranche node");
}

void SightChapter::Told(const Result<Json>& answer) {
  auto node = answer.ok() ? top::ReadNodeUse(*answer) : Result<top::NodeUse>(answer.status());
  told_ = node.status();
  if (!node.ok()) return;
  node_ = std::move(*node);
  std::erase_if(node_.devices, [&](const auto& device) { return device.uuid != gpu_.uuid(); });
  for (top::DeviceUse& device : node_.devices) {
    for (top::PodUse& pod : device.pods) {
      const auto known = names_.find(pod.pod);
      if (known == names_.end()) continue;
      pod.pod = known->second;
      pod.container.clear();
    }
  }
  top::SortPods(node_, top::Sort::kBusy);
}

const top::PodUse* SightChapter::Find(const std::string& name) const {
  for (const top::DeviceUse& device : node_.devices) {
    for (const top::PodUse& pod : device.pods) {
      if (pod.pod == name) return &pod;
    }
  }
  return nullptr;
}

// What the workloads do is what is seen.
Status SightChapter::Judge() const {
  for (const auto& [uid, name] : names_) {
    const top::PodUse* pod = Find(name);
    if (pod == nullptr || pod->processes.value_or(0) != 1) {
      return NotAsTold("tranche node does not show pod " + name + " with its process");
    }
    if (pod->memory_bytes.value_or(0) < kGiB) return NotAsTold("pod " + name + " has no memory");
  }
  const auto busy = [this](const char* name) { return Find(name)->busy_percent.value_or(0); };
  if (busy("infer") < 1 || busy("train") <= busy("infer")) {
    return NotAsTold(fmt::format("pod train is {:.1f} % busy and pod infer {:.1f} %", busy("train"),
                                 busy("infer")));
  }
  const top::PodUse& notebook = *Find("notebook");
  if (busy("notebook") > 0 || !notebook.last_active ||
      WallClock() - *notebook.last_active < kIdleSeconds) {
    return NotAsTold("pod notebook is not shown as idle");
  }
  return Status::Ok();
}

}  // namespace tranche::cli::node
