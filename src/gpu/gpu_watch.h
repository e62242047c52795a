// The GPUs of this node as they are now, well or not.
//
// Scans the driver at intervals, and whenever something happens: device nodes come or go, a GPU
// fails, somebody asks. A GPU that is no longer listed is remembered for a while (InventoryMemory);
// the health of each is followed (HealthTracker).
//
// libnvidia-ml lists the GPUs that there were when it was initialised, and finds a lost GPU that is
// back only when it is initialised again. So a scan restarts the driver after device nodes have
// changed, while a GPU is missing, after a failure, and once per Intervals::restart.
//
// A call to the driver that fails says nothing about a GPU until it has failed for a while
// (Patience): until then all stays as it was. Then the GPUs concerned are unhealthy until the
// driver answers. A scan that fails a second time is followed by one that restarts the driver, so
// that what a restart mends is mended before it counts. A GPU that the driver itself calls lost is
// unhealthy at once.
//
// Threading: the loop's thread.
// Errors: a driver that cannot be used is tried again until it can; status() says why meanwhile.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/backoff.h"
#include "base/directory_watch.h"
#include "base/disk/worker.h"
#include "base/event_loop.h"
#include "base/log.h"
#include "base/status.h"
#include "base/timer.h"
#include "gpu/device.h"
#include "gpu/device_nodes.h"
#include "gpu/driver_thread.h"
#include "gpu/health.h"
#include "gpu/inventory_memory.h"
#include "gpu/patience.h"

namespace tranche::gpu {

// The driver at this moment, for reports.
struct DriverState {
  bool ready = false;
  std::string version;       // "570.172.08"
  std::string cuda_version;  // "12.8"
  std::string error;         // why not ready, or why there is no GPU to use
  std::string stuck_call;    // a driver call that does not come back; "" when none
  double stuck_seconds = 0;
  std::vector<std::string> warnings;  // what it fails to tell
};

// A GPU or MIG device at this moment, for reports.
struct GpuState {
  std::string uuid;
  std::string index;  // "0", "0:1"
  std::string name;   // model, or MIG profile
  std::uint64_t memory_bytes = 0;
  bool healthy = true;
  bool lost = false;
  std::string reason;                        // of being unhealthy
  std::optional<double> healthy_in_seconds;  // when recovery is a matter of time
  std::string error;                         // the driver failed to describe it: not advertised
  std::vector<std::string> warnings;         // what the driver failed to tell of it
};

class GpuWatch {
 public:
  struct Options {
    // Starts the threads that ask the driver whose files lie below `driver_root`.
    std::function<std::unique_ptr<DriverThread>(base::EventLoop&, const std::string& driver_root,
                                                DriverThread::Owner)>
        start_driver;
    XidFilter xid_filter;
  };

  struct Intervals {
    std::optional<base::Duration> scan;     // nullopt: only when something happens
    std::optional<base::Duration> restart;  // nullopt: only when there is a reason to
  };

  // What a scan has brought to light.
  struct News {
    bool first = false;            // nothing was known before
    bool status_changed = false;   // status() is another one, or this is the first scan
    bool devices_changed = false;  // inventory() is another one, or the driver was not ready before
  };

  // All but `scanned` may be empty: the driver is then not asked for it.
  struct Owner {
    // After every scan, good or bad.
    std::function<void(const News&)> scanned;
    // The health of these devices has changed; Healthy() knows already.
    std::function<void(const std::vector<HealthChange>&)> health_changed;
    std::function<void(Topology)> topology_read;
    // A scan has been asked for because its time had come. Where the driver hangs, this goes on
    // while `scanned` does not, and Driver() says which call hangs.
    std::function<void()> scan_requested;
    std::function<void(const HealthEvent&)> event_seen = {};  // each one, before it is judged
    std::function<void(Usage)> usage_read = {};  // once per RequestUsage answered; may be empty
  };

  // The worker looks at the device nodes, and outlives the watch.
  GpuWatch(base::EventLoop& loop, base::disk::Worker& worker, Options options, Intervals intervals,
           Owner owner);

  // Begins. Call once.
  void Start(const std::string& driver_root);
  [[nodiscard]] bool started() const { return driver_ != nullptr; }
  void SetIntervals(Intervals intervals);
  void SetRecovery(RecoveryPolicy policy, std::chrono::nanoseconds quiet_period);

  void RequestScan(ScanMode mode);
  // Asks what uses the GPUs that are there. Where the driver hangs there is no answer, and Driver()
  // says which call hangs.
  void RequestUsage(std::vector<UsageQuery> queries);
  // Calls every unhealthy device healthy that is not lost, and about which the driver answers.
  void ClearFaults();

  // The first scan, good or bad, has come back.
  [[nodiscard]] bool known() const { return known_; }
  [[nodiscard]] bool ready() const { return known_ && status_.ok(); }
  [[nodiscard]] const base::Status& status() const { return status_; }
  // What the last good scan listed, and that with the GPUs that are missing since a short while.
  [[nodiscard]] const Inventory& listed() const { return listed_; }
  [[nodiscard]] const Inventory& inventory() const { return inventory_; }
  [[nodiscard]] const std::string& driver_root() const { return driver_root_; }
  // The folder of the device nodes: the driver root's dev, or /dev where it has none.
  [[nodiscard]] const std::string& device_folder() const { return device_nodes_.directory(); }
  [[nodiscard]] bool Healthy(const std::string& uuid) const { return health_.Healthy(uuid); }

  [[nodiscard]] DriverState Driver() const;
  [[nodiscard]] std::vector<GpuState> Gpus() const;

 private:
  [[nodiscard]] DriverThread::Owner NewOwner();
  void DeviceNodesChanged();
  void Scanned(Scan scan);
  void ScanSucceeded(Scan scan, News news);
  void ScanFailed(const Scan& scan, News news);
  [[nodiscard]] std::vector<HealthChange> Judge(const std::map<std::string, std::string>& errors,
                                                std::vector<std::string> gone);
  void WarnOfUnwatched(const std::vector<GpuDriver::Unwatched>& unwatched);
  void ScheduleScan();
  void ScanAgain();
  bool RestartForTheSilent();
  void HealthChanged(const std::vector<HealthChange>& changes);
  void HealthEventCame(const HealthEvent& event);
  void ScheduleRecovery();
  void DescribeBroken(std::vector<GpuState>& states) const;
  [[nodiscard]] GpuState Describe(const std::string& uuid, std::string index) const;

  base::EventLoop& loop_;
  const Options options_;
  Owner owner_;
  Intervals intervals_;

  // The state as last read.
  bool known_ = false;
  base::Status status_;
  Inventory listed_;
  Inventory inventory_;
  InventoryMemory memory_;
  HealthTracker health_;
  // What the driver fails to do for us.
  struct Failures {
    Patience scans;
    Patience devices;
    std::vector<GpuDriver::Unwatched> unwatched;
    std::string wait;       // for events
    bool unloaded = false;  // since the last good scan
  } failures_;

  // The means of reading it.
  std::string driver_root_;
  // Why and when a scan restarts it.
  struct Restarts {
    bool missing = false;  // a GPU is gone: a restart may find it again
    bool silent = false;   // a device does not answer, or is not described: a restart may help
    base::Backoff pauses{{.first = std::chrono::seconds(10), .longest = std::chrono::minutes(5)}};
    base::TimePoint next{};  // not before then for a silent device
    int due = 0;             // how many of the next scans restart the driver
    base::TimePoint last{};
  } restarts_;
  base::OncePer rarely_;
  DeviceNodes device_nodes_;
  base::Timer scan_timer_;
  base::Timer recovery_timer_;
  std::unique_ptr<DriverThread> driver_;
};

}  // namespace tranche::gpu
