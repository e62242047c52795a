// Node::NewWalls and what else the node does for memory walls.
#include <memory>
#include <utility>

#include "base/log.h"
#include "node/node.h"
#include "plan/memory_rules.h"

namespace tranche::node {
namespace {

using base::Kv;
using daemon::EventType;

constexpr char kRecordFile[] = "walls.json";
// The driver is asked no more often than this, however many contexts are made at a time.
constexpr base::Duration kLookAgain = std::chrono::milliseconds(5);
constexpr base::Duration kAskAgain = std::chrono::milliseconds(200);

}  // namespace

std::unique_ptr<walls::Arbiter> Node::NewWalls() {
  const std::string& folder = options_.run_directory;
  return std::make_unique<walls::Arbiter>(
      loop_, *proc_,
      walls::Arbiter::Options{
          .directory = options_.walls.directory,
          .record = folder.empty() ? "" : base::JoinPath(folder, kRecordFile),
          .proc_root = options_.walls.proc_root,
          .births = options_.walls.births.empty() ? walls::Births::kNotTold : walls::Births::kTold},
      walls::Arbiter::Sources{
          .owner = [this](const identity::PodGroup& group) { return pods_.OwnerOf(group); },
          .ask_kubelet = [this] { AskKubeletSoon(); },
          .look =
              [this] {
                if (timers_.walls_look.running()) return;
                timers_.walls_look.Start(kLookAgain, [this] { AskDriver(); });
              },
          .ask = [this](const std::string& uid) { return pods_.AskOf(uid); },
          .tell = [this](walls::News news, const identity::PodRef& pod,
                         const std::string& message) { TellOfWall(news, pod, message); },
          .look_inside =
              [this](unsigned pid, const std::string& container_id,
                     std::function<void(walls::Inside)> done) {
                LookInside(pid, container_id, std::move(done));
              },
          .has_page =
              [this](unsigned pid, const walls::PageIdentity& counters,
                     std::function<void(bool)> done) { HasPage(pid, counters, std::move(done)); }});
}

void Node::TellOfWall(walls::News news, const identity::PodRef& pod, const std::string& message) {
  std::optional<daemon::EventPod> about;
  if (const auto object = pods_.ObjectOf(pod.uid)) {
    about = {object->pod_namespace, object->name, object->uid};
  }
  switch (news) {
    case walls::News::kLedgerMismatch:
      return events_.Raise(EventType::kWarning, "LedgerMismatch", message, about);
    case walls::News::kLimitReduced:
      return events_.Raise(EventType::kWarning, "MemoryLimitReduced", message, about);
    case walls::News::kLimitChanged:
      return events_.Raise(EventType::kNormal, "MemoryLimitChanged", message, about);
    case walls::News::kUnwalled:
      return events_.Raise(EventType::kWarning, "PodUnwalled", message, about);
    case walls::News::kAskRefused:
      return events_.Raise(EventType::kWarning, "MemoryLimitRefused", message, about);
    case walls::News::kAskInvalid:
      return events_.Raise(EventType::kWarning, "MemoryLimitInvalid", message, about);
    case walls::News::kLimitBelowUse:
      return events_.Raise(EventType::kWarning, "MemoryLimitBelowUse", message, about);
  }
}

// The config, or the devices that it speaks of, may be others.
void Node::ApplyConfig() {
  const std::optional<config::Config>& config = rules_.config.config();
  if (!config) return;  // the walls that stand are kept
  auto plan = plan::BuildPlan(*config, gpus_.listed());
  if (!plan.ok()) {
    base::LogWarning("the walls stay as they are", {Kv("error", plan.status().message())});
    return;
  }
  rules_.plan = *std::move(plan);
  rules_.walls->SetRules(plan::EnforcedMemoryRules(*config, *rules_.plan, gpus_.listed()));
  TellWallsWhoHoldsWhat();
  DeliverShim();
}

// A shim that nobody answers would be in the pod for nothing.
void Node::DeliverShim() {
  disk_.delivery->Want(rules_.walls->asked_for() && rules_.walls->Trouble().ok());
}

void Node::DeliveryChanged() {
  status_file_.Changed();
  const delivery::State& state = disk_.delivery->state();
  const std::string why = state.published ? "" : state.trouble;
  if (why == known_.undelivered) return;
  const bool mended = why.empty() && state.published;
  if (mended || !why.empty()) {
    events_.Raise(mended ? EventType::kNormal : EventType::kWarning, "WallsNotInstalled",
                  mended ? "memory walls are put into pods again"
                         : "no memory wall is put into a pod: " + why);
  }
  known_.undelivered = why;
}

void Node::TellWallsWhoHoldsWhat() {
  if (!known_.grants.ok()) return;
  // Where no wall stands or is to stand, what it has been told already changes nothing.
  const std::uint64_t version = known_.given.version();
  if (rules_.walls->idle() && known_.given_to_walls == version) return;
  known_.given_to_walls = version;
  std::vector<identity::Held> held = known_.given.held();
  pods_.WithUids(held, known_.kubelet_asked);
  rules_.walls->SetHeld(held);
  // A pod that is newer than the answer may hold something that is not told of yet.
  if (rules_.walls->asked_for() && pods_.newest() >= known_.kubelet_asked) AskKubeletSoon();
}

void Node::AskKubeletSoon() {
  if (timers_.walls_kubelet.running()) return;
  timers_.walls_kubelet.Start(kAskAgain, [this] { AskKubelet(); });
}

void Node::PodsChanged() {
  rules_.walls->AsksChanged();
  if (rules_.walls->asked_for() && pods_.newest() >= known_.kubelet_asked) AskKubeletSoon();
}

identity::PodGroup Node::GroupOf(unsigned pid) const {
  const identity::Place* place = processes_.Find(pid);
  return place == nullptr || place->kind != identity::PlaceKind::kPod ? identity::PodGroup{}
                                                                      : place->group;
}

void Node::LookInside(unsigned pid, const std::string& container_id,
                      std::function<void(walls::Inside)> done) {
  const auto inside = std::make_shared<walls::Inside>();
  const walls::InsidePaths paths{.proc = options_.walls.proc_root,
                                 .shims = options_.walls.shims,
                                 .births = options_.walls.births};
  const base::Status taken = rules_.looks->Run(
      "looking into a program that has not attached",
      [=] {
        *inside = walls::LookInside(paths, pid, container_id);
        return base::Status::Ok();
      },
      [=, done = std::move(done)](const base::Status& /*status*/) { done(std::move(*inside)); });
  // Asked again before long, and not known meanwhile.
  if (!taken.ok()) base::LogDebug("a program is not looked into", {Kv("why", taken.message())});
}

void Node::HasPage(unsigned pid, const walls::PageIdentity& counters,
                   std::function<void(bool)> done) {
  const auto has = std::make_shared<bool>(false);
  const base::Status taken = rules_.looks->Run(
      "looking whether a program has its counters",
      [=, proc_root = options_.walls.proc_root] {
        const auto found = walls::HasPage(proc_root, pid, counters);
        if (found.ok()) *has = *found;
        return found.ok() ? base::Status::Ok() : found.status();
      },
      [=, done = std::move(done)](const base::Status& status) {
        if (status.ok()) done(*has);
      });
  if (!taken.ok()) base::LogDebug("a program is not looked into", {Kv("why", taken.message())});
}

// What was said at the births of containers that are gone.
void Node::ForgetBirths() {
  timers_.births.Start(kForgetBirths, [this] { ForgetBirths(); });
  if (options_.walls.births.empty() || !known_.pods.ok()) return;
  const base::Status taken = rules_.looks->Run(
      "forgetting containers that are gone",
      [folder = options_.walls.births, kept = pods_.ContainerIds()] {
        walls::ForgetBirths(folder, kept);
        return base::Status::Ok();
      },
      [](const base::Status& /*status*/) {});
  if (!taken.ok()) base::LogDebug("births are not forgotten", {Kv("why", taken.message())});
}

WallsState Node::Walls() const {
  return {.asked_for = rules_.walls->asked_for(),
          .trouble = rules_.walls->Trouble().ok() ? "" : rules_.walls->Trouble().message(),
          .walls = rules_.walls->Walls(),
          .door = rules_.walls->counts(),
          .programs = rules_.walls->programs(),
          .shim = disk_.delivery->state()};
}

}  // namespace tranche::node
