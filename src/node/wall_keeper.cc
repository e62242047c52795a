#include "node/wall_keeper.h"

#include <utility>

#include "base/log.h"
#include "config/config.h"
#include "plan/memory_rules.h"

namespace tranche::node {
namespace {

using base::Kv;
using daemon::EventType;

struct NewsEvent {
  EventType type;
  daemon::Reason reason;
};

NewsEvent EventOf(walls::News news) {
  switch (news) {
    case walls::News::kLedgerMismatch:
      return {EventType::kWarning, "LedgerMismatch"};
    case walls::News::kLimitReduced:
      return {EventType::kWarning, "MemoryLimitReduced"};
    case walls::News::kLimitChanged:
      return {EventType::kNormal, "MemoryLimitChanged"};
    case walls::News::kUnwalled:
      return {EventType::kWarning, "PodUnwalled"};
    case walls::News::kAskRefused:
      return {EventType::kWarning, "MemoryLimitRefused"};
    case walls::News::kAskInvalid:
      return {EventType::kWarning, "MemoryLimitInvalid"};
    case walls::News::kLimitBelowUse:
      return {EventType::kWarning, "MemoryLimitBelowUse"};
  }
  __builtin_unreachable();
}

}  // namespace

WallKeeper::WallKeeper(base::EventLoop& loop, Options options,
                       std::unique_ptr<base::disk::Worker> looks, Parts parts, Owner owner)
    : parts_(parts),
      owner_(std::move(owner)),
      looks_(std::move(looks), options.inside),
      arbiter_(loop, parts_.owners.proc(),
               {.directory = options.directory,
                .record = options.record,
                .proc_root = options.inside.proc,
                .births = looks_.births()},
               SourcesOfArbiter()),
      delivery_(loop, parts_.disk, std::move(options.delivery), [this] { DeliveryChanged(); }),
      again_timer_(loop),
      look_timer_(loop),
      births_timer_(loop) {}

walls::Arbiter::Sources WallKeeper::SourcesOfArbiter() {
  return {
      .owner =
          [this](const identity::PodGroup& group) { return parts_.owners.pods().OwnerOf(group); },
      .ask_kubelet = [this] { parts_.kubelet.AskSoon(); },
      .look =
          [this] {
            if (look_timer_.running()) return;
            look_timer_.Start(kLookAgain, [this] { owner_.look(); });
          },
      .ask = [this](const std::string& uid) { return parts_.owners.pods().AskOf(uid); },
      .tell = [this](walls::News news, const identity::PodRef& pod,
                     const std::string& message) { RaiseNews(news, pod, message); },
      .look_inside =
          [this](unsigned pid, const std::string& container_id,
                 std::function<void(walls::Inside)> done) {
            looks_.LookInside(pid, container_id, std::move(done));
          },
      .has_page =
          [this](unsigned pid, const walls::PageIdentity& counters,
                 std::function<void(bool)> done) {
            looks_.HasPage(pid, counters, std::move(done));
          }};
}

void WallKeeper::Start() {
  arbiter_.Start();
  Deliver();
  ForgetBirths();
  TryAgain();
}

void WallKeeper::TryAgain() {
  again_timer_.Start(kTryAgain, [this] { TryAgain(); });
  if (arbiter_.Trouble().ok()) return;
  arbiter_.TryAgain();
  Deliver();
  owner_.status_changed();
}

// ---- what is asked for, and for whom ----

void WallKeeper::ApplyConfig(const gpu::Inventory& inventory) {
  const std::optional<config::Config>& config = parts_.config.config();
  if (!config) return;
  auto plan = plan::BuildPlan(*config, inventory);
  if (!plan.ok()) {
    base::LogWarning("the walls stay as they are", {Kv("error", plan.status().message())});
    return;
  }
  plan_ = *std::move(plan);
  arbiter_.SetRules(plan::EnforcedMemoryRules(*config, *plan_, inventory));
  KubeletAnswered();
}

void WallKeeper::KubeletAnswered() {
  TellWhoHoldsWhat();
  Deliver();  // the last pod that had a wall may be gone
}

void WallKeeper::TellWhoHoldsWhat() {
  const identity::Given* given = parts_.kubelet.given();
  if (given == nullptr) return;
  // Where no wall stands or is to stand, what it has been told already changes nothing.
  if (arbiter_.idle() && given_version_ == given->version()) return;
  given_version_ = given->version();
  std::vector<identity::Held> held = given->held();
  parts_.owners.pods().WithUids(held, parts_.kubelet.asked());
  arbiter_.SetHeld(held);
  AskKubeletForNewPods();
}

void WallKeeper::PodsChanged() {
  arbiter_.AsksChanged();
  AskKubeletForNewPods();
}

// A pod that is newer than the answer may hold something that is not told of yet.
void WallKeeper::AskKubeletForNewPods() {
  if (!arbiter_.asked_for()) return;
  if (parts_.owners.pods().newest() >= parts_.kubelet.asked()) parts_.kubelet.AskSoon();
}

void WallKeeper::UsageRead(const gpu::Inventory& inventory, const gpu::Usage& usage) {
  arbiter_.UsageRead(inventory, usage, [this](unsigned pid) { return parts_.owners.GroupOf(pid); });
}

std::map<std::string, share::MemoryShare> WallKeeper::LimitsOf(
    const std::map<std::string, identity::Shares>& shares,
    const std::map<std::string, sight::Account>& accounts) const {
  std::map<std::string, share::MemoryShare> limits;
  const std::optional<config::Config>& config = parts_.config.config();
  if (!config) return limits;
  for (const auto& [uuid, given] : shares) {
    const auto account = accounts.find(uuid);
    if (!given.shared || given.advertised < 1 || account == accounts.end() ||
        !account->second.memory) {
      continue;
    }
    plan::PlannedDevice device{.uuid = uuid, .resource = given.resource};
    if (plan_) {
      const auto planned = plan_->devices.find(uuid);
      if (planned != plan_->devices.end()) device = planned->second;
    }
    device.replicas = given.advertised;
    const auto rule = plan::MemoryRuleOf(*config, device, account->second.memory->total);
    if (rule) limits[uuid] = rule->share;
  }
  return limits;
}

// ---- the library in pods ----

// A shim that nobody answers would be in the pod for nothing.
void WallKeeper::Deliver() { delivery_.Want(arbiter_.asked_for() && arbiter_.Trouble().ok()); }

void WallKeeper::DeliveryChanged() {
  owner_.status_changed();
  const delivery::State& state = delivery_.state();
  const std::string why = state.published ? "" : state.trouble;
  if (why == undelivered_) return;
  const bool mended = why.empty() && state.published;
  if (mended || !why.empty()) {
    parts_.events.Raise(mended ? EventType::kNormal : EventType::kWarning, "WallsNotInstalled",
                        mended ? "memory walls are put into pods again"
                               : "no memory wall is put into a pod: " + why);
  }
  undelivered_ = why;
}

// What was said at the births of containers that are gone.
void WallKeeper::ForgetBirths() {
  births_timer_.Start(kForgetBirths, [this] { ForgetBirths(); });
  if (parts_.owners.status().ok()) looks_.ForgetBirths(parts_.owners.pods().ContainerIds());
}

// ---- what people are told ----

void WallKeeper::RaiseNews(walls::News news, const identity::PodRef& pod,
                           const std::string& message) {
  std::optional<daemon::EventPod> about;
  if (const auto object = parts_.owners.pods().ObjectOf(pod.uid)) {
    about = {object->pod_namespace, object->name, object->uid};
  }
  const NewsEvent event = EventOf(news);
  parts_.events.Raise(event.type, event.reason, message, about);
}

status::WallsState WallKeeper::State() const {
  return {.asked_for = arbiter_.asked_for(),
          .trouble = arbiter_.Trouble().ok() ? "" : arbiter_.Trouble().message(),
          .walls = arbiter_.Walls(),
          .door = arbiter_.counts(),
          .programs = arbiter_.programs(),
          .shim = delivery_.state()};
}

}  // namespace tranche::node
