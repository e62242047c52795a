// The thread that waits for the driver's events: takes those there are, gives them to the loop, and
// asks for more once the loop has taken them. driver_thread.h says how many and how often.
//
// Threading: Run is what the thread does.
// Errors: a wait that fails is an event of its own, ever more rarely.
#pragma once

#include <chrono>
#include <utility>
#include <vector>

#include "base/backoff.h"
#include "gpu/driver.h"
#include "gpu/driver_calls.h"

namespace tranche::gpu {

// One wait for events. Shutting the driver down has to let it come back first.
inline constexpr std::chrono::milliseconds kWaitSlice{500};

class DriverWaiter {
 public:
  explicit DriverWaiter(DriverContext context) : context_(std::move(context)) {}

  // Returns when the owner has gone.
  void Run();

 private:
  using Time = std::chrono::steady_clock::time_point;
  using Span = std::chrono::steady_clock::duration;

  bool BeginWait();
  // The number of the watch, and when it ended.
  std::pair<unsigned, Time> EndWait();
  // A new WatchHealth ends it early.
  void Pause(Span pause, Time start, unsigned watch);
  // Hands the events to the loop, and waits while it has not taken as many deliveries as it may.
  void Deliver(std::vector<HealthEvent> events);
  // Runs on the loop's thread.
  static void Take(DriverShared& shared, const DriverThread::Owner& owner);

  DriverContext context_;
  bool failed_ = false;  // the last wait
  base::Backoff back_off_{{.first = std::chrono::seconds(1), .longest = std::chrono::seconds(30)}};
};

}  // namespace tranche::gpu
