#include "gpu/gpu_watch.h"

#include <algorithm>
#include <utility>

namespace tranche::gpu {

namespace {

using base::Kv;
using base::Status;

// A driver that is not there yet, or whose device nodes have just changed: how often to look.
constexpr base::Duration kSoon = std::chrono::seconds(2);
// A device node may appear before the driver can initialise its GPU. So the driver is restarted at
// once after a change, and then by this many scans more.
constexpr int kRestartsAfterChange = 3;
// A scan that has failed so often in a row is followed by one that restarts the driver. That is
// once before the failures count.
constexpr int kFailuresUntilRestart = 2;
static_assert(kFailuresUntilRestart < kFailuresThatCount);

}  // namespace

GpuWatch::GpuWatch(base::EventLoop& loop, base::disk::Worker& worker, Options options,
                   Intervals intervals, Owner owner)
    : loop_(loop),
      options_(std::move(options)),
      owner_(std::move(owner)),
      intervals_(intervals),
      health_(options_.xid_filter, RecoveryPolicy::kAuto, std::chrono::seconds(60)),
      rarely_(std::chrono::minutes(5)),
      device_nodes_(loop, worker, [this] { DeviceNodesChanged(); }),
      scan_timer_(loop),
      recovery_timer_(loop) {}

void GpuWatch::Start(const std::string& driver_root) {
  driver_root_ = driver_root;
  restarts_.last = loop_.Now();
  driver_ = options_.start_driver(loop_, driver_root_, NewOwner());
  device_nodes_.Watch(driver_root_);
  driver_->RequestScan(ScanMode::kKeepDriver);
  // The answer to this scan starts the timer again. Meanwhile the timer notices a call that hangs.
  ScheduleScan();
}

DriverThread::Owner GpuWatch::NewOwner() {
  DriverThread::Owner owner;
  owner.scanned = [this](Scan scan) { Scanned(std::move(scan)); };
  if (owner_.health_changed) {
    owner.health_event = [this](const HealthEvent& event) { HealthEventCame(event); };
  }
  if (owner_.topology_read) {
    owner.topology = [this](base::Result<Topology> topology) {
      if (topology.ok()) owner_.topology_read(std::move(*topology));
    };
  }
  owner.usage = [this](Usage usage) {
    if (owner_.usage_read) owner_.usage_read(std::move(usage));
  };
  return owner;
}

void GpuWatch::SetIntervals(Intervals intervals) {
  intervals_ = intervals;
  if (known_) ScheduleScan();
}

void GpuWatch::SetRecovery(RecoveryPolicy policy, std::chrono::nanoseconds quiet_period) {
  health_.SetPolicy(policy, quiet_period);
}

// ---- scans ----

void GpuWatch::RequestScan(ScanMode mode) {
  if (driver_ == nullptr) return;
  if (mode == ScanMode::kRestartDriver) restarts_.last = loop_.Now();
  driver_->RequestScan(mode);
}

void GpuWatch::RequestUsage(std::vector<UsageQuery> queries) {
  if (driver_ != nullptr) driver_->RequestUsage(std::move(queries));
}

void GpuWatch::DeviceNodesChanged() {
  if (!known_) return;
  base::LogInfo("GPU device nodes have changed, looking again",
                {Kv("nodes", static_cast<std::uint64_t>(device_nodes_.names().size()))});
  restarts_.due = kRestartsAfterChange;
  RequestScan(ScanMode::kRestartDriver);
}

void GpuWatch::Scanned(Scan scan) {
  device_nodes_.Watch(driver_root_);
  const News news{.first = !std::exchange(known_, true),
                  .status_changed = scan.status.message() != status_.message()};
  if (scan.status.ok()) {
    ScanSucceeded(std::move(scan), news);
  } else {
    ScanFailed(scan, news);
  }
}

void GpuWatch::ScanSucceeded(Scan scan, News news) {
  const bool was_ready = status_.ok() && !news.first;
  news.status_changed = !was_ready;
  status_ = Status::Ok();
  failures_.scans = {};
  InventoryMemory::Merged merged = memory_.Merge(std::move(scan.inventory), loop_.Now());
  news.devices_changed = !was_ready || !(merged.inventory == inventory_);
  listed_ = std::move(merged.listed);
  inventory_ = std::move(merged.inventory);
  if (!was_ready) {
    base::LogInfo("driver ready",
                  {Kv("version", listed_.driver_version),
                   Kv("gpus", static_cast<std::uint64_t>(listed_.gpus.size())),
                   Kv("left_out", static_cast<std::uint64_t>(listed_.broken.size()))});
  }
  failures_.unwatched = std::move(scan.unwatched);
  WarnOfUnwatched(failures_.unwatched);
  std::vector<std::string> gone = std::move(scan.lost);
  gone.insert(gone.end(), merged.missing.begin(), merged.missing.end());
  auto changes = Judge(merged.unanswered, std::move(gone));
  if (std::exchange(failures_.unloaded, false)) {
    for (HealthChange& change : health_.Reloaded(loop_.Now())) changes.push_back(std::move(change));
  }
  owner_.scanned(news);
  HealthChanged(changes);
  ScheduleScan();
}

// Which devices are gone, and which have failed to answer for long enough.
std::vector<HealthChange> GpuWatch::Judge(const std::map<std::string, std::string>& errors,
                                          std::vector<std::string> gone) {
  // A GPU that was lost is not back while it cannot be asked.
  for (const auto& [uuid, error] : errors) {
    if (health_.Lost(uuid)) gone.push_back(uuid);
  }
  auto unanswered = failures_.devices.Failing(errors, loop_.Now());
  restarts_.missing = !gone.empty();
  restarts_.silent = !unanswered.empty() || !listed_.broken.empty();
  if (!restarts_.silent) restarts_.pauses.Reset();
  for (const Gpu& gpu : listed_.gpus) {
    const auto error = unanswered.find(gpu.uuid);
    if (error == unanswered.end()) continue;
    for (const MigDevice& mig : gpu.mig_devices) unanswered.try_emplace(mig.uuid, error->second);
  }
  auto changes = health_.Scanned(listed_, gone, loop_.Now());
  for (HealthChange& change : health_.Unanswered(unanswered, loop_.Now())) {
    changes.push_back(std::move(change));
  }
  return changes;
}

void GpuWatch::ScanFailed(const Scan& scan, News news) {
  const Status& status = scan.status;
  failures_.unloaded = failures_.unloaded || scan.driver_unloaded;
  const auto failing = failures_.scans.Failing({{"driver", status.message()}}, loop_.Now());
  const bool was_ready = status_.ok() && !news.first;
  if (was_ready && failing.empty()) {
    if (rarely_("failing", loop_.Now())) {
      base::LogWarning("the driver fails to answer, asking it again",
                       {Kv("error", status.message())});
    }
    if (failures_.scans.failures("driver") >= kFailuresUntilRestart) restarts_.due = 1;
    news.status_changed = false;
    owner_.scanned(news);
    return ScheduleScan();
  }
  news.status_changed = news.status_changed || news.first;
  status_ = status;
  owner_.scanned(news);
  // Nothing can be said for a GPU whose driver does not answer.
  std::map<std::string, std::string> unanswered;
  for (const Gpu& gpu : inventory_.gpus) {
    unanswered[gpu.uuid] = status_.message();
    for (const MigDevice& mig : gpu.mig_devices) unanswered[mig.uuid] = status_.message();
  }
  HealthChanged(health_.Unanswered(unanswered, loop_.Now()));
  ScheduleScan();
}

void GpuWatch::WarnOfUnwatched(const std::vector<GpuDriver::Unwatched>& unwatched) {
  for (const GpuDriver::Unwatched& one : unwatched) {
    if (rarely_("unwatched " + one.uuid, loop_.Now())) {
      base::LogWarning("no health events for a GPU",
                       {Kv("gpu", one.uuid), Kv("error", one.why.message())});
    }
  }
}

void GpuWatch::ScheduleScan() {
  const bool soon = !known_ || !status_.ok() || restarts_.due > 0 || failures_.devices.waiting() ||
                    failures_.scans.waiting();
  if (!soon && !intervals_.scan) return scan_timer_.Stop();
  const base::Duration usual = intervals_.scan.value_or(kSoon);
  scan_timer_.Start(soon ? std::min(usual, kSoon) : usual, [this] { ScanAgain(); });
}

void GpuWatch::ScanAgain() {
  const bool restart = !status_.ok() || restarts_.missing || restarts_.due > 0 ||
                       RestartForTheSilent() ||
                       (intervals_.restart && loop_.Now() - restarts_.last >= *intervals_.restart);
  restarts_.due = std::max(0, restarts_.due - 1);
  RequestScan(restart ? ScanMode::kRestartDriver : ScanMode::kKeepDriver);
  if (owner_.scan_requested) owner_.scan_requested();
  // The answer to this scan starts the timer again. Meanwhile the timer notices a call that hangs.
  ScheduleScan();
}

// A restart may help a device that does not answer, and costs the others what happens to them
// meanwhile: so it is made ever more rarely.
bool GpuWatch::RestartForTheSilent() {
  if (!restarts_.silent || loop_.Now() < restarts_.next) return false;
  restarts_.next = loop_.Now() + restarts_.pauses.Next();
  return true;
}

// ---- health ----

void GpuWatch::HealthEventCame(const HealthEvent& event) {
  if (owner_.event_seen) owner_.event_seen(event);
  HealthChanged(health_.Happened(event, loop_.Now()));
  if (event.kind == HealthEvent::Kind::kXid) return;
  failures_.wait = event.kind == HealthEvent::Kind::kWaitFailed ? event.error : "";
  if (failures_.wait.empty()) return;
  if (rarely_("waiting", loop_.Now())) {
    base::LogWarning("waiting for GPU events fails, asking the GPUs themselves",
                     {Kv("error", failures_.wait)});
  }
  RequestScan(ScanMode::kKeepDriver);
}

void GpuWatch::HealthChanged(const std::vector<HealthChange>& changes) {
  if (!changes.empty() && owner_.health_changed) owner_.health_changed(changes);
  // A GPU that is lost is scanned now: a reset may be over before the next scan is due, and a
  // return can only be seen of what has been seen to be away.
  const auto fell_ill = [](const HealthChange& change) { return !change.healthy; };
  if (std::ranges::any_of(changes, fell_ill)) {
    const bool restart = restarts_.missing || RestartForTheSilent();
    RequestScan(restart ? ScanMode::kRestartDriver : ScanMode::kKeepDriver);
  }
  ScheduleRecovery();
}

void GpuWatch::ScheduleRecovery() {
  const auto deadline = health_.NextDeadline();
  if (deadline == HealthTracker::Time::max()) return recovery_timer_.Stop();
  recovery_timer_.Start(deadline - loop_.Now(),
                        [this] { HealthChanged(health_.Elapsed(loop_.Now())); });
}

void GpuWatch::ClearFaults() { HealthChanged(health_.Clear(loop_.Now())); }

}  // namespace tranche::gpu
