// A GpuDriver that is a table: tests say what there is, what fails, what hangs and what happens.
// Thread-safe; the test keeps a shared_ptr beside the DriverThread's.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "gpu/driver.h"

namespace tranche::gpu::testing {

class FakeDriver : public GpuDriver {
 public:
  // `count` GPUs "GPU-0"… like A100s.
  static Inventory Gpus(unsigned count) {
    Inventory inventory;
    inventory.driver_version = "570.172.08";
    inventory.cuda_major = 12;
    inventory.cuda_minor = 8;
    for (unsigned i = 0; i < count; ++i) {
      Gpu gpu;
      gpu.uuid = "GPU-" + std::to_string(i);
      gpu.index = i;
      gpu.minor = i;
      gpu.name = "NVIDIA A100-SXM4-80GB";
      gpu.pci_bus_id = "0000:0" + std::to_string(i % 10) + ":00.0";
      gpu.memory_bytes = 80ULL << 30U;
      gpu.device_paths = {"/dev/nvidia" + std::to_string(i)};
      inventory.gpus.push_back(std::move(gpu));
    }
    return inventory;
  }

  explicit FakeDriver(Inventory inventory = {}) : inventory_(std::move(inventory)) {}

  // ---- what the test says; any thread ----
  void SetInventory(Inventory inventory) {
    const base::MutexLock lock(mutex_);
    inventory_ = std::move(inventory);
  }
  void SetTopology(Topology topology) {
    const base::MutexLock lock(mutex_);
    topology_ = std::move(topology);
  }
  // Makes a call by this name fail from now on; an OK status ends that.
  void Fail(const std::string& call, base::Status status) {
    const base::MutexLock lock(mutex_);
    failures_[call] = std::move(status);
  }
  // A failure that a restart mends.
  void FailUntilShutdown(const std::string& call) {
    const base::MutexLock lock(mutex_);
    mended_by_shutdown_.insert(call);
  }
  void Lose(const std::string& uuid) {
    const base::MutexLock lock(mutex_);
    lost_.insert(uuid);
  }
  void Return(const std::string& uuid) {
    const base::MutexLock lock(mutex_);
    lost_.erase(uuid);
  }
  void SetUnwatched(std::vector<Unwatched> unwatched) {
    const base::MutexLock lock(mutex_);
    unwatched_ = std::move(unwatched);
  }
  // A call by this name does not come back until Release.
  void Hang(const std::string& call) {
    const base::MutexLock lock(mutex_);
    hanging_.insert(call);
  }
  void Release(const std::string& call) {
    const base::MutexLock lock(mutex_);
    hanging_.erase(call);
    changed_.NotifyAll();
  }
  void Raise(HealthEvent event) {
    const base::MutexLock lock(mutex_);
    events_.push_back(std::move(event));
    changed_.NotifyAll();
  }
  void RaiseXid(const std::string& uuid, std::uint64_t xid) {
    HealthEvent event;
    event.xid = xid;
    event.uuid = uuid;
    Raise(std::move(event));
  }
  // What ReadUsage tells of a GPU, but for samples that are not newer than asked for. A GPU that
  // nothing was said of is idle.
  void SetUsage(DeviceUsage usage) {
    const base::MutexLock lock(mutex_);
    const std::string uuid = usage.uuid;
    usage_[uuid] = std::move(usage);
  }
  // The same where it depends on what is asked for; instead of SetUsage.
  void AnswerUsage(std::function<DeviceUsage(const UsageQuery&)> answer) {
    const base::MutexLock lock(mutex_);
    answer_usage_ = std::move(answer);
  }
  // The wall clock of samples.
  void SetNowUs(std::uint64_t time_us) {
    const base::MutexLock lock(mutex_);
    now_us_ = time_us;
  }
  [[nodiscard]] std::uint64_t NowUs() const {
    const base::MutexLock lock(mutex_);
    return now_us_;
  }
  [[nodiscard]] std::vector<UsageQuery> Queries() const {
    const base::MutexLock lock(mutex_);
    return queries_;
  }
  // How often a call by this name was begun.
  [[nodiscard]] int Calls(const std::string& call) const {
    const base::MutexLock lock(mutex_);
    const auto count = calls_.find(call);
    return count == calls_.end() ? 0 : count->second;
  }
  [[nodiscard]] std::vector<std::string> Watched() const {
    const base::MutexLock lock(mutex_);
    return watched_;
  }

  // ---- GpuDriver ----
  base::Status Initialise() override { return Enter("Initialise"); }
  void Shutdown() override {
    static_cast<void>(Enter("Shutdown").ok());
    const base::MutexLock lock(mutex_);
    for (const std::string& call : std::exchange(mended_by_shutdown_, {})) failures_.erase(call);
  }
  base::Result<Inventory> Enumerate() override {
    TRANCHE_TRY(Enter("Enumerate"));
    const base::MutexLock lock(mutex_);
    return inventory_;
  }
  base::Result<Topology> ReadTopology(const Inventory& /*inventory*/) override {
    TRANCHE_TRY(Enter("ReadTopology"));
    const base::MutexLock lock(mutex_);
    return topology_;
  }
  base::Result<std::vector<Unwatched>> WatchHealth(const std::vector<std::string>& uuids) override {
    TRANCHE_TRY(Enter("WatchHealth"));
    const base::MutexLock lock(mutex_);
    watched_ = uuids;
    return unwatched_;
  }
  base::Result<std::vector<HealthEvent>> WaitForEvents(std::chrono::milliseconds timeout) override {
    TRANCHE_TRY(Enter("WaitForEvents"));
    const base::MutexLock lock(mutex_);
    if (events_.empty()) changed_.WaitFor(mutex_, timeout);
    return std::vector<HealthEvent>(std::exchange(events_, {}));
  }
  base::Status Probe(const std::string& uuid) override {
    TRANCHE_TRY(Enter("Probe"));
    const base::MutexLock lock(mutex_);
    if (lost_.contains(uuid)) return {base::Code::kDataLoss, "GPU is lost"};
    return base::Status::Ok();
  }
  base::Result<DeviceUsage> ReadUsage(const UsageQuery& query) override {
    TRANCHE_TRY(Enter("ReadUsage"));
    const base::MutexLock lock(mutex_);
    queries_.push_back(query);
    const auto said = usage_.find(query.uuid);
    DeviceUsage usage;
    if (said != usage_.end()) usage = said->second;
    if (answer_usage_) usage = answer_usage_(query);
    usage.uuid = query.uuid;
    if (usage.process_samples) {
      std::erase_if(*usage.process_samples, [&](const ProcessSample& sample) {
        return sample.time_us <= query.process_samples_after_us;
      });
    }
    if (usage.busy_samples) {
      std::erase_if(*usage.busy_samples, [&](const BusySample& sample) {
        return sample.time_us <= query.busy_samples_after_us;
      });
    }
    return usage;
  }

 private:
  base::Status Enter(const std::string& call) {
    const base::MutexLock lock(mutex_);
    ++calls_[call];
    while (hanging_.contains(call)) changed_.Wait(mutex_);
    const auto failure = failures_.find(call);
    return failure == failures_.end() ? base::Status::Ok() : failure->second;
  }

  mutable base::Mutex mutex_;
  base::CondVar changed_;
  Inventory inventory_ TRANCHE_GUARDED_BY(mutex_);
  Topology topology_ TRANCHE_GUARDED_BY(mutex_);
  std::map<std::string, base::Status> failures_ TRANCHE_GUARDED_BY(mutex_);
  std::set<std::string> mended_by_shutdown_ TRANCHE_GUARDED_BY(mutex_);
  std::set<std::string> hanging_ TRANCHE_GUARDED_BY(mutex_);
  std::set<std::string> lost_ TRANCHE_GUARDED_BY(mutex_);
  std::vector<Unwatched> unwatched_ TRANCHE_GUARDED_BY(mutex_);
  std::vector<std::string> watched_ TRANCHE_GUARDED_BY(mutex_);
  std::vector<HealthEvent> events_ TRANCHE_GUARDED_BY(mutex_);
  std::map<std::string, int> calls_ TRANCHE_GUARDED_BY(mutex_);
  std::map<std::string, DeviceUsage> usage_ TRANCHE_GUARDED_BY(mutex_);
  std::function<DeviceUsage(const UsageQuery&)> answer_usage_ TRANCHE_GUARDED_BY(mutex_);
  std::vector<UsageQuery> queries_ TRANCHE_GUARDED_BY(mutex_);
  std::uint64_t now_us_ TRANCHE_GUARDED_BY(mutex_) = 0;
};

}  // namespace tranche::gpu::testing
