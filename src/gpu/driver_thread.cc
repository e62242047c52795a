#include "gpu/driver_thread.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <type_traits>
#include <utility>

#include "base/log.h"
#include "base/mutex.h"
#include "base/threads/thread.h"
#include "gpu/driver_calls.h"
#include "gpu/driver_waiter.h"

namespace tranche::gpu {
namespace {

using Context = DriverContext;
using Owner = DriverThread::Owner;
using Shared = DriverShared;

using base::Code;
using base::MutexLock;
using base::Result;
using base::Status;
using Time = std::chrono::steady_clock::time_point;
using Span = std::chrono::steady_clock::duration;
using std::chrono::milliseconds;
using std::chrono::seconds;

// A call that takes longer is called stuck.
constexpr Span kPatience = seconds(1);

// The thread that looks at the node.
class Scanner {
 public:
  explicit Scanner(Context context) : context_(std::move(context)) {}

  void Run() {
    for (;;) {
      const Request request = NextRequest();
      if (request.gone) return;
      if (request.usage) TakeUsage(*request.usage);
      if (!request.scan) continue;
      Scan scan = TakeScan(*request.scan);
      const Inventory inventory = scan.inventory;
      context_.Post([scan = std::move(scan)](Owner& owner) { owner.scanned(scan); });
      ReadTopology(inventory);
    }
  }

 private:
  struct Request {
    bool gone = false;  // the owner has
    std::optional<ScanMode> scan;
    std::optional<std::vector<UsageQuery>> usage;
  };

  // Waits for one.
  Request NextRequest() {
    Shared& shared = *context_.shared;
    const MutexLock lock(shared.mutex);
    while (!shared.gone() && !shared.scan_wanted && !shared.usage_wanted) {
      shared.changed.Wait(shared.mutex);
    }
    Request request{.gone = shared.gone(), .scan = {}, .usage = {}};
    request.usage.swap(shared.usage_wanted);
    if (std::exchange(shared.scan_wanted, false)) {
      request.scan = std::exchange(shared.mode, ScanMode::kKeepDriver);
    }
    return request;
  }

  void TakeUsage(const std::vector<UsageQuery>& queries) {
    Usage usage;
    usage.time_us =
        static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(
                                       std::chrono::system_clock::now().time_since_epoch())
                                       .count());
    if (!initialised_) usage.status = {Code::kUnavailable, "the driver has not been initialised"};
    for (const UsageQuery& query : queries) {
      if (!initialised_) break;
      auto device = context_.Timed(kScanner, "ReadUsage", Span(0),
                                   [&] { return context_.driver->ReadUsage(query); });
      if (device.ok()) {
        usage.devices.push_back(std::move(*device));
        continue;
      }
      DeviceUsage unread;
      unread.uuid = query.uuid;
      unread.unread.push_back({.call = "ReadUsage",
                               .code = device.status().code(),
                               .error = device.status().message()});
      usage.devices.push_back(std::move(unread));
    }
    context_.Post([usage = std::move(usage)](Owner& owner) {
      if (owner.usage) owner.usage(usage);
    });
  }

  template <class Make>
  auto Timed(std::string_view name, const Make& make) {
    return context_.Timed(kScanner, name, Span(0), make);
  }

  Scan TakeScan(ScanMode mode) {
    if (mode == ScanMode::kRestartDriver) ShutDownDriver();
    GpuDriver& driver = *context_.driver;
    Scan scan;
    const bool just_read = !initialised_;
    scan.status = Timed("Initialise", [&] { return driver.Initialise(); });
    // Of this call alone the code means the driver, and not one GPU.
    scan.driver_unloaded = scan.status.code() == Code::kDataLoss;
    if (!scan.status.ok()) return scan;
    initialised_ = true;
    auto inventory = Timed("Enumerate", [&] { return driver.Enumerate(); });
    if (!inventory.ok()) {
      scan.status = inventory.status();
      return scan;
    }
    scan.inventory = std::move(*inventory);
    std::vector<std::string> alive;
    for (const Gpu& gpu : scan.inventory.gpus) {
      const bool lost = !just_read && Timed("Probe", [&] {
                                        return driver.Probe(gpu.uuid);
                                      }).code() == Code::kDataLoss;
      (lost ? scan.lost : alive).push_back(gpu.uuid);
    }
    if (context_.wants_events) WatchHealth(alive);
    for (const GpuDriver::Unwatched& unwatched : unwatched_) {
      if (unwatched.why.code() == Code::kDataLoss) {
        scan.lost.push_back(unwatched.uuid);
      } else {
        scan.unwatched.push_back(unwatched);
      }
    }
    return scan;
  }

  // The waiter has to be out of the driver while the driver is taken down.
  void ShutDownDriver() {
    Shared& shared = *context_.shared;
    {
      const MutexLock lock(shared.mutex);
      shared.watching = false;
      const Time start = shared.clock();
      while (shared.waiting && !shared.gone() && shared.clock() - start < kWaitSlice + kPatience) {
        shared.changed.WaitFor(shared.mutex, milliseconds(50));
      }
      if (shared.waiting) {
        shared.watching = true;
        base::LogWarning(
            "the driver is not initialised again: a wait for events does not come back");
        return;
      }
    }
    Timed("Shutdown", [&] { context_.driver->Shutdown(); });
    initialised_ = false;
    watched_.clear();
    connected_.clear();
  }

  void WatchHealth(const std::vector<std::string>& uuids) {
    // A GPU that has no events is not asked again, one that failed to be watched is.
    const bool failed = std::ranges::any_of(unwatched_, [](const GpuDriver::Unwatched& one) {
      return one.why.code() != Code::kUnimplemented;
    });
    if (uuids == watched_ && !failed) return;
    unwatched_.clear();
    if (!uuids.empty()) {
      auto result = Timed("WatchHealth", [&] { return context_.driver->WatchHealth(uuids); });
      if (result.ok()) {
        unwatched_ = std::move(*result);
      } else {
        for (const std::string& uuid : uuids) unwatched_.push_back({uuid, result.status()});
      }
    }
    Shared& shared = *context_.shared;
    const MutexLock lock(shared.mutex);
    shared.watching = unwatched_.size() < uuids.size();
    // Another try for the same GPUs is no reason to ask sooner about what fails.
    if (uuids != watched_) ++shared.watch;
    watched_ = uuids;
    shared.changed.NotifyAll();
  }

  void ReadTopology(const Inventory& inventory) {
    if (!context_.wants_topology) return;
    std::vector<std::string> uuids;
    for (const Gpu& gpu : inventory.gpus) uuids.push_back(gpu.uuid);
    if (uuids.size() < 2 || uuids == connected_) return;
    auto topology = Timed("ReadTopology", [&] { return context_.driver->ReadTopology(inventory); });
    if (topology.ok()) connected_ = std::move(uuids);
    context_.Post([topology = std::move(topology)](Owner& owner) { owner.topology(topology); });
  }

  Context context_;
  bool initialised_ = false;
  std::vector<std::string> watched_;
  std::vector<GpuDriver::Unwatched> unwatched_;
  std::vector<std::string> connected_;  // GPUs whose topology has been reported
};

class RealDriverThread : public DriverThread {
 public:
  RealDriverThread(base::EventLoop& loop, std::shared_ptr<GpuDriver> driver, Owner owner,
                   Clock clock, EventLimits limits)
      : owner_(std::make_shared<Owner>(std::move(owner))), shared_(std::make_shared<Shared>()) {
    shared_->clock = std::move(clock);
    {
      const MutexLock lock(shared_->mutex);
      shared_->loop = &loop;
    }
    context_ = {.shared = shared_,
                .driver = std::move(driver),
                .owner = owner_,
                .wants_events = owner_->health_event != nullptr,
                .wants_topology = owner_->topology != nullptr,
                .limits = limits};
  }

  ~RealDriverThread() override {
    const MutexLock lock(shared_->mutex);
    shared_->loop = nullptr;
    shared_->changed.NotifyAll();
  }

  void RequestScan(ScanMode mode) override {
    if (const Status status = StartThreads(); !status.ok()) {
      return context_.Post([status](Owner& owner) { owner.scanned({.status = status}); });
    }
    const MutexLock lock(shared_->mutex);
    shared_->scan_wanted = true;
    if (mode == ScanMode::kRestartDriver) shared_->mode = mode;
    shared_->changed.NotifyAll();
  }

  void RequestUsage(std::vector<UsageQuery> queries) override {
    if (const Status status = StartThreads(); !status.ok()) {
      return context_.Post([status](Owner& owner) {
        if (owner.usage) owner.usage({.status = status, .time_us = 0, .devices = {}});
      });
    }
    const MutexLock lock(shared_->mutex);
    shared_->usage_wanted = std::move(queries);
    shared_->changed.NotifyAll();
  }

  [[nodiscard]] std::optional<Stuck> StuckCall() const override {
    const MutexLock lock(shared_->mutex);
    const Time now = shared_->clock();
    std::optional<Stuck> stuck;
    for (const CallInFlight& call : shared_->calls) {
      if (call.name.empty()) continue;
      const Span age = now - call.start;
      if (age <= call.expected + kPatience || (stuck && stuck->age >= age)) continue;
      stuck = Stuck{.call = std::string(call.name), .age = age};
    }
    return stuck;
  }

 private:
  // Those that do not run yet.
  Status StartThreads() {
    TRANCHE_TRY(StartOne<Scanner>(scanner_runs_));
    return StartOne<DriverWaiter>(waiter_runs_);
  }

  template <class Work>
  Status StartOne(bool& runs) {
    if (runs) return Status::Ok();
    auto thread = base::threads::StartThread([context = context_] { Work(context).Run(); });
    if (!thread.ok()) return thread.status();
    // Joining would wait for a call that hangs. The thread owns all that it touches.
    thread->detach();
    runs = true;
    return Status::Ok();
  }

  std::shared_ptr<Owner> owner_;
  std::shared_ptr<Shared> shared_;
  Context context_;
  bool scanner_runs_ = false;
  bool waiter_runs_ = false;
};

}  // namespace

std::unique_ptr<DriverThread> DriverThread::Start(base::EventLoop& loop,
                                                  std::shared_ptr<GpuDriver> driver, Owner owner,
                                                  Clock clock, EventLimits limits) {
  return std::make_unique<RealDriverThread>(loop, std::move(driver), std::move(owner),
                                            std::move(clock), limits);
}

}  // namespace tranche::gpu
