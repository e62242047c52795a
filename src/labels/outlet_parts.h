// The parts that outlets share: trying again, and reporting their state.
//
// Threading: the loop's thread.
// Errors: none.
#pragma once

#include <chrono>
#include <random>
#include <utility>

#include "base/backoff.h"
#include "base/event_loop.h"
#include "base/status.h"
#include "base/timer.h"
#include "base/weak_runner.h"
#include "labels/outlet.h"

namespace tranche::labels {

// A task that is tried again after ever longer pauses, with jitter: the nodes of a cluster must
// not all try at the same moment.
class Retry {
 public:
  explicit Retry(base::EventLoop& loop)
      : timer_(loop),
        back_off_({.first = std::chrono::seconds(1),
                   .longest = std::chrono::minutes(5),
                   .jitter_low = 0.75},
                  base::SeededRandom(std::random_device{}())) {}

  // Runs `task` after the next pause; one that waits already is replaced.
  void Later(base::EventLoop::Task task) { timer_.Start(back_off_.Next(), std::move(task)); }
  [[nodiscard]] bool waiting() const { return timer_.running(); }
  // The next pause is the first again, and nothing waits.
  void Reset() {
    timer_.Stop();
    back_off_.Reset();
  }

 private:
  base::Timer timer_;
  base::Backoff back_off_;
};

// Reports a state on the loop, where it differs from the last one.
class StateReporter {
 public:
  StateReporter(base::EventLoop& loop, LabelOutlet::StateChanged state_changed)
      : state_changed_(std::move(state_changed)), runner_(loop) {}

  void Report(const base::Status& status) {
    if (reported_ && status == last_) return;
    reported_ = true;
    last_ = status;
    // A copy is called, because it may destroy this object.
    runner_.Post([state_changed = state_changed_, status] {
      if (state_changed) state_changed(status);
    });
  }
  // The next state is reported in any case.
  void Forget() { reported_ = false; }

 private:
  LabelOutlet::StateChanged state_changed_;
  bool reported_ = false;
  base::Status last_;
  base::WeakRunner runner_;  // the last member: destroyed first
};

}  // namespace tranche::labels
