// Runs a GpuDriver's blocking calls off the loop, and notices when one does not come back.
//
// Two threads: one for inventory and probes, one that waits for events. Results arrive as calls on
// the loop, none after this object has gone. Nothing here decides anything. All methods: the loop's
// thread. A wait for events that fails is told of each time, ever more rarely (1 s to 30 s).
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "base/status.h"
#include "gpu/device.h"
#include "gpu/driver.h"

namespace tranche::gpu {

// What one look at the node brought back.
struct Scan {
  base::Status status;  // not OK: no driver, or it failed; the rest is empty
  Inventory inventory;
  std::vector<std::string> lost;                // listed, but a probe says they are gone
  std::vector<GpuDriver::Unwatched> unwatched;  // health events not to be had
};

class DriverThread {
 public:
  struct Listener {
    std::function<void(Scan)> scanned;  // once per RequestScan answered
    std::function<void(HealthEvent)> health_event;
    // After a scan with more than one GPU, where the GPUs are others than before.
    std::function<void(base::Result<Topology>)> topology;
  };

  using Clock = std::function<std::chrono::steady_clock::time_point()>;  // any thread

  // The driver lives at least as long as the threads, which is longer than this object where a call
  // hangs for ever: hence shared. The clock only measures how long calls take.
  static std::unique_ptr<DriverThread> Start(base::EventLoop& loop,
                                             std::shared_ptr<GpuDriver> driver, Listener listener,
                                             Clock clock = std::chrono::steady_clock::now);
  // Does not wait for a call that hangs.
  virtual ~DriverThread() = default;

  // Asks for a look at the node; requests made while one is under way are one. `afresh` shuts the
  // driver down first (hot-plug, MIG change, lost device coming back).
  virtual void RequestScan(bool afresh) = 0;

  // The call that has been running longest, if it has run for over a second.
  struct Stuck {
    std::string call;
    std::chrono::steady_clock::duration age;
  };
  [[nodiscard]] virtual std::optional<Stuck> StuckCall() const = 0;
};

}  // namespace tranche::gpu
