// Node::NewWalls and what else the node does for memory walls.
#include <memory>
#include <utility>

#include "base/log.h"
#include "node/node.h"
#include "plan/plan.h"

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
      walls::Arbiter::Options{.directory = options_.walls.directory,
                              .record = folder.empty() ? "" : base::JoinPath(folder, kRecordFile),
                              .proc_root = options_.walls.proc_root,
                              .births_told = !options_.walls.births.empty()},
      walls::Arbiter::Sources{
          .owner = [this](const identity::PodGroup& group) { return pods_.OwnerOf(group); },
          .ask_kubelet =
              [this] {
                if (timers_.walls_kubelet.running()) return;
                timers_.walls_kubelet.Start(kAskAgain, [this] { AskKubelet(); });
              },
          .look =
              [this] {
                if (timers_.walls_look.running()) return;
                timers_.walls_look.Start(kLookAgain, [this] { AskDriver(); });
              },
          .tell =
              [this](walls::News news, const std::string& message) {
                switch (news) {
                  case walls::News::kLedgerMismatch:
                    return events_.Raise(EventType::kWarning, "LedgerMismatch", message);
                  case walls::News::kLimitReduced:
                    return events_.Raise(EventType::kWarning, "MemoryLimitReduced", message);
                  case walls::News::kUnwalled:
                    return events_.Raise(EventType::kWarning, "PodUnwalled", message);
                }
              },
          .look_inside =
              [this](unsigned pid, const std::string& container_id,
                     std::function<void(walls::Inside)> done) {
                LookInside(pid, container_id, std::move(done));
              }});
}

// The config, or the devices that it speaks of, may be others.
void Node::ApplyWalls() {
  const std::optional<config::Config>& config = rules_.config.config();
  if (!config) return;  // what stands goes on standing
  const auto plan = plan::BuildPlan(*config, gpus_.listed());
  if (!plan.ok()) {
    base::LogWarning("the walls stay as they are", {Kv("error", plan.status().message())});
    return;
  }
  rules_.walls->SetRules(walls::RulesOf(*config, *plan, gpus_.listed()));
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
  rules_.walls->SetHeld(identity::HeldDevices(known_.kubelet.holdings, gpus_.listed()));
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
