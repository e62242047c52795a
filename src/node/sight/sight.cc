#include "node/sight/sight.h"

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>

#include "gpu/mig_of.h"

namespace tranche::node::sight {
namespace {

constexpr double kUsInSecond = 1e6;

// "mig", "not supported", or the driver's error; "" where the samples are there.
std::string Unmeasured(const gpu::Gpu& gpu, const gpu::DeviceUsage& usage) {
  if (gpu.mig_enabled) return "mig";
  if (usage.process_samples) return "";
  for (const gpu::UnreadUsage& unread : usage.unread) {
    if (unread.call == "nvmlDeviceGetProcessUtilization" || unread.call == "ReadUsage") {
      return unread.code == base::Code::kUnimplemented ? "not supported" : unread.error;
    }
  }
  return "not told";
}

bool SamePod(const Holder& a, const Holder& b) {
  return a.pod == b.pod && a.pod_namespace == b.pod_namespace;
}

}  // namespace

std::vector<gpu::UsageQuery> Sight::Queries(const gpu::Inventory& inventory) const {
  std::vector<gpu::UsageQuery> queries;
  for (const gpu::Gpu& gpu : inventory.gpus) {
    gpu::UsageQuery query{.uuid = gpu.uuid};
    if (const auto windows = windows_.find(gpu.uuid); windows != windows_.end()) {
      query.process_samples_after_us = windows->second.cursor_us();
      query.busy_samples_after_us = windows->second.cursor_us();
    }
    for (const gpu::MigDevice& mig : gpu.mig_devices) query.mig_uuids.push_back(mig.uuid);
    queries.push_back(std::move(query));
  }
  return queries;
}

void Sight::Add(const gpu::Inventory& inventory, const gpu::Usage& usage) {
  std::set<std::string> there;
  for (const gpu::Gpu& gpu : inventory.gpus) {
    there.insert(gpu.uuid);
    for (const gpu::MigDevice& mig : gpu.mig_devices) there.insert(mig.uuid);
  }
  const auto gone = [&](const auto& entry) { return !there.contains(entry.first); };
  std::erase_if(accounts_, gone);
  std::erase_if(usage_, gone);
  std::erase_if(windows_, gone);
  std::erase_if(energy_, gone);
  for (const std::string& uuid : there) {
    if (accounts_.try_emplace(uuid).second) grants_are_in_ = false;
  }

  BeginLook(usage.time_us);
  for (const gpu::DeviceUsage& device : usage.devices) {
    const auto gpu = std::ranges::find(inventory.gpus, device.uuid, &gpu::Gpu::uuid);
    if (gpu == inventory.gpus.end()) continue;
    accounts_[device.uuid].memory = device.memory;
    for (const gpu::MigUsage& mig : device.mig) {
      if (const auto account = accounts_.find(mig.uuid); account != accounts_.end()) {
        account->second.memory = mig.memory;
        account->second.unmeasured = "mig";
      }
    }
    AddProcesses(*gpu, device);
    accounts_[device.uuid].unmeasured = Unmeasured(*gpu, device);
    AddTime(device.uuid, device);
    usage_[device.uuid] = device;
  }
  EndLook();
}

void Sight::BeginLook(std::uint64_t now_us) {
  now_us_ = now_us;
  whose_.clear();
  for (auto& [uuid, account] : accounts_) {
    account.host_processes = 0;
    account.unknown_processes = 0;
    for (auto& [holder, use] : account.pods) {
      use.memory_bytes = 0;
      use.processes = 0;
      if (use.replicas > 0) use.last_seen_us = now_us_;
    }
  }
  if (!std::exchange(grants_are_in_, true)) {
    ForgetGrants();
    AddGrants();
  }
  for (auto& [uuid, account] : accounts_) GiveToTheNamed(account);
}

void Sight::SetShares(std::map<std::string, share::MemoryShare> shares) {
  if (shares == shares_) return;
  shares_ = std::move(shares);
  grants_are_in_ = false;
}

void Sight::SetHeld(const std::optional<std::vector<identity::Held>>& held) {
  grants_are_in_ = false;
  held_.reset();
  if (!held) return;
  held_.emplace();
  held_->reserve(held->size());
  for (const identity::Held& one : *held) {
    held_->push_back({.holder = {.pod_namespace = one.pod_namespace,
                                 .pod = one.pod,
                                 .container = one.container,
                                 .pod_uid = ""},
                      .pods_first = {.pod_namespace = one.pod_namespace,
                                     .pod = one.pod,
                                     .container = "",
                                     .pod_uid = ""},
                      .device = one.device,
                      .replicas = one.replicas});
  }
}

void Sight::ForgetGrants() {
  for (auto& [uuid, account] : accounts_) {
    for (auto& [holder, use] : account.pods) {
      use.granted = false;
      use.replicas = 0;
      use.memory_limit.reset();
    }
  }
}

void Sight::AddGrants() {
  if (!held_) return;
  for (const Grant& grant : *held_) {
    const auto account = accounts_.find(grant.device);
    if (account == accounts_.end()) continue;
    std::optional<std::uint64_t> limit;
    if (const auto found = shares_.find(grant.device); found != shares_.end()) {
      share::MemoryShare share = found->second;
      share.held = grant.replicas;
      limit = share::WantedMemory(share);
    }
    AddGrant(account->second, grant, limit);
  }
}

void Sight::AddGrant(Account& account, const Grant& grant, std::optional<std::uint64_t> limit) {
  const Holder& granted = grant.holder;
  bool found = false;
  // Under its UID, where a process of it has been seen. All containers of a pod stand together.
  for (auto at = account.pods.lower_bound(grant.pods_first); at != account.pods.end(); ++at) {
    auto& [holder, use] = *at;
    if (holder.pod != granted.pod || holder.pod_namespace != granted.pod_namespace) break;
    // What is granted to one container of a pod is not strange in another.
    use.granted = true;
    if (holder.container != granted.container) continue;
    found = true;
    use.replicas = grant.replicas;
    use.memory_limit = limit;
    use.last_seen_us = now_us_;
  }
  if (found) return;
  PodUse* use = PodOf(account, granted);
  if (use == nullptr) return;
  use->granted = true;
  use->replicas = grant.replicas;
  use->memory_limit = limit;
}

const Whose& Sight::WhoseIs(unsigned pid) {
  const auto known = whose_.find(pid);
  if (known != whose_.end()) return known->second;
  Whose whose = sources_.whose(pid);
  // What a process of an ended pod does counts for the rest: the pod's series have ended.
  if (whose.kind == Whose::Kind::kPod && sources_.alive(whose.holder) == false) whose = {};
  return whose_[pid] = std::move(whose);
}

PodUse* Sight::PodOf(Account& account, const Holder& holder) {
  const auto known = account.pods.find(holder);
  if (known == account.pods.end()) {
    grants_are_in_ = false;  // the next look gives it its own, or leaves it out again
    if (account.pods.size() >= kMaxPods) {
      ++account.pods_left_out;
      return nullptr;
    }
    PodUse use;
    use.last_active = static_cast<double>(now_us_) / kUsInSecond;
    // The one under which the kubelet told of it, before a process of it was seen.
    Holder named = holder;
    named.pod_uid.clear();
    if (auto grant = account.pods.extract(named); !holder.pod.empty() && !grant.empty()) {
      use = std::move(grant.mapped());
    }
    use.last_seen_us = now_us_;
    return &account.pods.emplace(holder, std::move(use)).first->second;
  }
  known->second.last_seen_us = now_us_;
  return &known->second;
}

void Sight::AddProcesses(const gpu::Gpu& gpu, const gpu::DeviceUsage& usage) {
  if (!usage.processes) return;
  for (const gpu::RunningProcess& process : *usage.processes) {
    const gpu::MigDevice* mig = gpu.mig_enabled ? gpu::MigOf(gpu, process) : nullptr;
    Account& account = accounts_[mig != nullptr ? mig->uuid : gpu.uuid];
    const Whose& whose = WhoseIs(process.pid);
    PodUse* use = nullptr;
    if (whose.kind == Whose::Kind::kPod) use = PodOf(account, whose.holder);
    if (use != nullptr) {
      use->memory_bytes += process.memory_bytes.value_or(0);
      ++use->processes;
    } else if (whose.kind == Whose::Kind::kHost) {
      ++account.host_processes;
    } else {
      ++account.unknown_processes;
    }
  }
  NoteLimits(accounts_[gpu.uuid]);
  for (const gpu::MigDevice& mig : gpu.mig_devices) NoteLimits(accounts_[mig.uuid]);
}

// An allocation that takes a container over its limit is one that would have been refused: what is
// seen from outside is that it is over, so each time that it gets there is one.
void Sight::NoteLimits(Account& account) {
  for (auto& [holder, use] : account.pods) {
    if (!use.memory_limit) continue;
    const bool over = use.memory_bytes > *use.memory_limit;
    if (over && !use.over_limit) ++use.would_refuse;
    use.over_limit = over;
  }
}

void Sight::AddTime(const std::string& uuid, const gpu::DeviceUsage& usage) {
  Account& account = accounts_[uuid];
  Energy& energy = energy_[uuid];
  if (const auto now = usage.readings.energy_millijoules) {
    // A counter that is less than before has begun anew.
    if (energy.last_millijoules && *now >= *energy.last_millijoules) {
      energy.waiting_joules += static_cast<double>(*now - *energy.last_millijoules) / 1000;
    }
    energy.last_millijoules = now;
    account.energy_known = true;
  }
  if (!usage.process_samples) {
    if (account.unmeasured == "mig") {
      account.energy_joules += std::exchange(energy.waiting_joules, 0);
    }
    return;
  }
  const auto window = windows_[uuid].Next(
      *usage.process_samples, usage.busy_samples ? &*usage.busy_samples : nullptr, now_us_);
  if (window) AddWindow(account, *window, std::exchange(energy.waiting_joules, 0));
}

void Sight::AddWindow(Account& account, const Window& window, double joules) {
  struct Part {
    double seconds = 0;
    double held_back = 0;
  };
  std::map<const PodUse*, Part> parts;
  std::map<Unnamed*, double> unnamed;
  double pods = 0;
  double others = 0;
  double held_back = 0;
  for (const auto& [pid, seconds] : window.process_seconds) {
    const Whose& whose = WhoseIs(pid);
    PodUse* use = nullptr;
    if (whose.kind == Whose::Kind::kPod && !whose.memory_only) use = PodOf(account, whose.holder);
    (use != nullptr ? pods : others) += seconds;
    if (use == nullptr) continue;
    parts[use].seconds += seconds;
    Unnamed* one = UnnamedOf(account, whose);
    if (one == nullptr) continue;
    unnamed[one] += seconds;
    parts[use].held_back += seconds;
    held_back += seconds;
  }
  const double busy = std::max(window.busy_seconds.value_or(pods + others), pods);
  // Each second has its energy, whoever had it; where more was had than there was, they share it.
  const double share = joules / std::max(window.seconds, pods);
  const double now = static_cast<double>(now_us_) / kUsInSecond;
  int busy_pods = 0;
  const Holder* last_busy = nullptr;
  for (auto& [holder, use] : account.pods) {
    const auto found = parts.find(&use);
    const Part part = found == parts.end() ? Part{} : found->second;
    use.busy.Note(window.seconds, part.seconds);
    if (part.seconds <= 0) continue;
    use.gpu_seconds += part.seconds - part.held_back;
    use.energy_joules += (part.seconds - part.held_back) * share;
    use.last_active = now;
    // The containers of a pod stand together.
    if (last_busy == nullptr || !SamePod(*last_busy, holder)) ++busy_pods;
    last_busy = &holder;
  }
  for (const auto& [one, seconds] : unnamed) {
    one->gpu_seconds += seconds;
    one->energy_joules += seconds * share;
    one->last_active = now;
  }
  account.rest.gpu_seconds += busy - pods;
  account.rest.energy_joules += joules - pods * share;
  account.measured_seconds += window.seconds;
  account.busy_seconds += busy - held_back;
  account.energy_joules += joules - held_back * share;
  account.busy.Note(window.seconds, busy);
  const double contended = busy_pods > 1 ? std::min(window.seconds, busy) : 0;
  account.contended_seconds += contended;
  account.contended.Note(window.seconds, contended);
}

// Where what it computes is held back; nullptr where it is not.
Unnamed* Sight::UnnamedOf(Account& account, const Whose& whose) {
  if (whose.unnamed_id.empty()) return nullptr;
  if (account.unnamed.size() >= kMaxPods && !account.unnamed.contains(whose.unnamed_id)) {
    return nullptr;
  }
  const auto [entry, fresh] = account.unnamed.try_emplace(whose.unnamed_id);
  Unnamed& one = entry->second;
  if (fresh) one.since_us = now_us_;
  one.holder = whose.holder;
  one.last_seen_us = now_us_;
  return &one;
}

void Sight::GiveToTheNamed(Account& account) {
  const auto within = [this](std::uint64_t since_us, std::uint64_t span_us) {
    return since_us <= now_us_ && now_us_ - since_us <= span_us;
  };
  for (auto at = account.unnamed.begin(); at != account.unnamed.end();) {
    auto& [id, one] = *at;
    const bool ended = sources_.alive(one.holder) == false;
    std::optional<Holder> to;
    if (!ended) to = sources_.named(one.holder.pod_uid, id);
    const bool named = to.has_value();
    if (!ended && !named) {
      if (within(one.since_us, kNameWithinUs)) {
        ++at;
        continue;
      }
      to = one.holder;  // it has taken too long, and goes on without a name
    }
    Give(account, one, to);
    const bool forget = ended || named || !within(one.last_seen_us, kForgetUs);
    at = forget ? account.unnamed.erase(at) : std::next(at);
  }
}

// To one of the pods, or to the rest.
void Sight::Give(Account& account, Unnamed& one, const std::optional<Holder>& to) {
  if (one.gpu_seconds <= 0 && one.energy_joules <= 0) return;
  PodUse* pod = to ? PodOf(account, *to) : nullptr;
  PodUse& use = pod == nullptr ? account.rest : *pod;
  use.gpu_seconds += one.gpu_seconds;
  use.energy_joules += one.energy_joules;
  use.last_active = std::max(use.last_active, one.last_active);
  account.busy_seconds += std::exchange(one.gpu_seconds, 0);
  account.energy_joules += std::exchange(one.energy_joules, 0);
}

bool Sight::Ended(const Holder& holder, const PodUse& use) const {
  const bool counted = use.gpu_seconds > 0 || use.energy_joules > 0;
  // It has its container's name by now, or has ended without one.
  if (holder.container.empty() && use.processes == 0 && !counted) return true;
  const auto alive = sources_.alive(holder);
  // One that had its UID for a name goes on under its name, once that is known.
  if (alive) return !*alive || holder.pod_namespace.empty();
  // The clock may have been set back.
  return use.last_seen_us > now_us_ || now_us_ - use.last_seen_us > kForgetUs;
}

void Sight::EndLook() {
  for (auto& [uuid, account] : accounts_) {
    const auto ended = [&](const auto& entry) { return Ended(entry.first, entry.second); };
    if (std::erase_if(account.pods, ended) > 0) grants_are_in_ = false;
    std::uint64_t of_pods = 0;
    for (const auto& [holder, use] : account.pods) of_pods += use.memory_bytes;
    const std::uint64_t used = account.memory ? account.memory->used : 0;
    account.rest.memory_bytes = used > of_pods ? used - of_pods : 0;
    account.rest.processes = account.host_processes + account.unknown_processes;
  }
}

}  // namespace tranche::node::sight
