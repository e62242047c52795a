// DriverThread runs a GpuDriver's blocking calls off the loop, and notices when one does not come
// back.
//
// It has two threads: one takes inventory and probes, one waits for events. It decides nothing. A
// wait for events that fails is reported each time, ever more rarely (1 s to 30 s).
//
// However many events the driver has, the loop gets at most kMostEvents at a time, each of them
// once, and no more before it has taken those; and the driver is asked at most every kEventPause.
//
// Threading: the loop's thread. Results arrive as calls on the loop, and none after this object is
// destroyed.
// Errors: a scan that fails says so in Scan::status, also where there is no thread to be had: the
// next request tries again. Nothing but the destructor ends the threads.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "base/status.h"
#include "gpu/device.h"
#include "gpu/driver.h"
#include "gpu/usage.h"

namespace tranche::gpu {

// What one delivery of events may hold. Events that differ in nothing are one.
inline constexpr std::size_t kMostEvents = 256;
// After a wait that brought events. The next ones stay in the driver meanwhile.
inline constexpr auto kEventPause = std::chrono::milliseconds(50);
// The bounds above as parameters, so that a test can show what happens without them.
struct EventLimits {
  std::size_t most = kMostEvents;
  std::chrono::steady_clock::duration pause = kEventPause;
  std::size_t deliveries = 1;  // how many may wait for the loop
};

// What one look at the node brought back.
struct Scan {
  base::Status status;  // not OK: no driver, or it failed; the rest is empty
  // The driver itself is not loaded: whatever its GPUs held is gone, and so is what ailed them.
  bool driver_unloaded = false;
  Inventory inventory;
  std::vector<std::string> lost;                // listed, but a probe says they are gone
  std::vector<GpuDriver::Unwatched> unwatched;  // GPUs without health events
};

// Whether the driver library is initialised again before a scan. Only then does it list GPUs and
// MIG devices that came after it was initialised, and find a lost GPU that is back.
enum class ScanMode { kKeepDriver, kRestartDriver };

class DriverThread {
 public:
  // All but `scanned` may be empty: the driver is then not asked for it.
  struct Owner {
    std::function<void(Scan)> scanned;  // once per RequestScan answered
    std::function<void(HealthEvent)> health_event;
    // After a scan with more than one GPU, where the GPUs are others than before.
    std::function<void(base::Result<Topology>)> topology;
    std::function<void(Usage)> usage;  // once per RequestUsage answered
  };

  using Clock = std::function<std::chrono::steady_clock::time_point()>;  // any thread

  // The driver lives at least as long as the threads, which is longer than this object where a call
  // hangs for ever: hence shared. The clock only measures how long calls take.
  static std::unique_ptr<DriverThread> Start(base::EventLoop& loop,
                                             std::shared_ptr<GpuDriver> driver, Owner owner,
                                             Clock clock = std::chrono::steady_clock::now,
                                             EventLimits limits = {});
  // Does not wait for a call that hangs.
  virtual ~DriverThread() = default;

  // Asks for a scan of the node. Requests made while a scan is under way are one, and restart the
  // driver where one of them does.
  virtual void RequestScan(ScanMode mode) = 0;

  // Asks what uses these GPUs, as the last good scan has listed them. One made while another waits
  // takes its place.
  virtual void RequestUsage(std::vector<UsageQuery> queries) = 0;

  // The call that has been running longest, if it has run for over a second.
  struct Stuck {
    std::string call;
    std::chrono::steady_clock::duration age;
  };
  [[nodiscard]] virtual std::optional<Stuck> StuckCall() const = 0;
};

}  // namespace tranche::gpu
