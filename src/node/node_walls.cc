// Node::NewWalls and what else the node does for memory walls.
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
                              .proc_root = options_.walls.proc_root},
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
                timers_.walls_look.Start(kLookAgain, [this] {
                  if (gpus_.ready()) gpus_.RequestUsage(sight_.Queries(gpus_.listed()));
                });
              },
          .tell =
              [this](walls::News news, const std::string& message) {
                if (news == walls::News::kLedgerMismatch) {
                  events_.Raise(EventType::kWarning, "LedgerMismatch", message);
                } else {
                  events_.Raise(EventType::kWarning, "MemoryLimitReduced", message);
                }
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

std::string Node::PodOf(unsigned pid) const {
  const identity::Place* place = processes_.Find(pid);
  return place == nullptr || place->kind != identity::PlaceKind::kPod ? "" : place->group.pod_uid;
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
