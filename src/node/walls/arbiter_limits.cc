// What pods may have: whom the arbiter makes pages for, and what stands in them.
#include <algorithm>
#include <iterator>

#include "base/log.h"
#include "node/walls/arbiter.h"
#include "node/walls/requests.h"

namespace tranche::node::walls {
namespace {

using base::Status;

constexpr std::size_t kMaxAsked = 256;

}  // namespace

std::vector<WalledDevice> DevicesOf(const GrantedPod& granted) {
  std::vector<WalledDevice> devices;
  for (const auto& [device, grant] : granted.devices) {
    const auto uuid = ParseUuid(device);
    if (!uuid || devices.size() == wire::kMaxDevices) continue;
    devices.push_back({.device = device,
                       .uuid = *uuid,
                       .limit_bytes = grant.limit_bytes,
                       .device_bytes = grant.device_bytes});
  }
  return devices;
}

bool AwayOpen(const GrantedPod& granted) {
  return std::all_of(granted.devices.begin(), granted.devices.end(),
                     [](const auto& device) { return device.second.away_open; });
}

void Arbiter::SetRules(plan::MemoryRules rules) {
  if (options_.directory.empty()) return;
  if (takes_over()) {
    search_->rules = [this, rules = std::move(rules)] { SetRules(rules); };
    return;
  }
  limits_.SetRules(std::move(rules));
  if (!limits_.rules().empty()) OpenDoor();
}

void Arbiter::AsksChanged() {
  if (takes_over()) {
    search_->asks = [this] { AsksChanged(); };
    return;
  }
  limits_.Reconsider();
}

void Arbiter::SetHeld(const std::vector<identity::Held>& held) {
  if (takes_over()) {
    search_->held = [this, held] { SetHeld(held); };
    return;
  }
  for (auto& [uid, answers] : asked_) {
    // What the kubelet says of a pod is understood from when on its name is known.
    if (!sources_.owner({.pod_uid = uid, .container_id = ""}).pod.empty()) ++answers;
  }
  limits_.SetHeld(held);
  Forget();
}

std::uint64_t Arbiter::UsedBy(const std::string& uid, const std::string& device) const {
  const auto pod = pods_.find(uid);
  if (pod == pods_.end()) return 0;
  const auto index = pod->second.ledger->DeviceAt(device);
  return index ? pod->second.ledger->UseOf(*index).used_bytes : 0;
}

// What programs are allowed from now on stands in their pages.
void Arbiter::LimitsChanged(const std::set<std::string>& uids) {
  for (const std::string& uid : uids) {
    const auto pod = pods_.find(uid);
    const GrantedPod* granted = limits_.grants().Find(uid);
    if (pod == pods_.end() || granted == nullptr) continue;
    PodLedger& ledger = *pod->second.ledger;
    for (const auto& [device, grant] : granted->devices) {
      if (const auto index = ledger.DeviceAt(device)) {
        ledger.pages().SetLimit(*index, grant.limit_bytes);
      }
    }
  }
  Write();
}

// Pods that are gone, once no program of theirs is left.
void Arbiter::Forget() {
  bool changed = false;
  for (auto at = pods_.begin(); at != pods_.end();) {
    const bool gone =
        limits_.grants().Find(at->first) == nullptr && at->second.ledger->programs() == 0;
    changed = changed || gone;
    at = gone ? pods_.erase(at) : std::next(at);
  }
  if (changed) Write();
}

// Whether the caller's pod has a ledger; makes it where it should have one.
wire::Status Arbiter::Admit(const Caller& caller) {
  if (pods_.contains(caller.pod_uid)) return wire::Status::kOk;
  if (takes_over()) return wire::Status::kNotYet;
  if (const GrantedPod* granted = limits_.grants().Find(caller.pod_uid)) {
    asked_.erase(caller.pod_uid);
    const Status made = MakeLedger(caller.pod_uid, *granted);
    if (made.ok()) return wire::Status::kOk;
    trouble_ = made;
    return wire::Status::kNoRoom;
  }
  if (limits_.Holds(caller.pod_uid)) return wire::Status::kNotWalled;
  const identity::Owner owner = sources_.owner({.pod_uid = caller.pod_uid, .container_id = ""});
  // The kubelet may not have told of it yet. What it says from now on is believed.
  const auto asked = asked_.find(caller.pod_uid);
  if (asked != asked_.end() && asked->second >= 2 &&
      !limits_.MayHold({owner.pod_namespace, owner.pod})) {
    asked_.erase(asked);
    return wire::Status::kNotWalled;
  }
  if (asked == asked_.end()) {
    if (asked_.size() >= kMaxAsked) asked_.clear();
    asked_[caller.pod_uid] = 0;
  }
  sources_.ask_kubelet();
  return wire::Status::kNotYet;
}

Status Arbiter::MakeLedger(const std::string& uid, const GrantedPod& granted) {
  std::vector<WalledDevice> devices = DevicesOf(granted);
  const bool open = AwayOpen(granted);
  auto pages = PodPages::New(devices, open ? Away::kOpen : Away::kClosed);
  if (!pages.ok()) return pages.status();
  pods_[uid] = {.name = granted.name,
                .away_open = open,
                .ledger = std::make_unique<PodLedger>(std::move(*pages), std::move(devices))};
  Write();
  return Status::Ok();
}

}  // namespace tranche::node::walls
