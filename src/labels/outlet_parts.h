// What outlets have in common: trying again, and saying how it goes. The loop's thread.
#pragma once

#include <algorithm>
#include <memory>
#include <random>
#include <utility>

#include "base/event_loop.h"
#include "base/status.h"
#include "labels/outlet.h"

namespace tranche::labels {

// A task that is tried again after ever longer pauses, with jitter: a fleet must not come back in
// step.
class Retry {
 public:
  explicit Retry(base::EventLoop& loop) : loop_(loop), random_(std::random_device{}()) {}
  ~Retry() { loop_.CancelTimer(timer_); }
  Retry(const Retry&) = delete;
  Retry& operator=(const Retry&) = delete;

  static constexpr base::Duration kFirst = std::chrono::seconds(1);
  static constexpr base::Duration kLongest = std::chrono::minutes(5);

  // Runs `task` after the next pause; one that waits already is replaced.
  void Later(base::EventLoop::Task task) {
    loop_.CancelTimer(timer_);
    const double part = std::uniform_real_distribution<>(0.75, 1.0)(random_);
    const auto delay = std::chrono::duration_cast<base::Duration>(pause_ * part);
    pause_ = std::min(pause_ * 2, kLongest);
    timer_ = loop_.RunAfter(delay, [this, task = std::move(task)] {
      timer_ = 0;
      task();
    });
  }
  [[nodiscard]] bool waiting() const { return timer_ != 0; }
  // The next pause is the first again, and nothing waits.
  void Reset() {
    loop_.CancelTimer(timer_);
    timer_ = 0;
    pause_ = kFirst;
  }

 private:
  base::EventLoop& loop_;
  std::minstd_rand random_;
  base::EventLoop::TimerId timer_ = 0;
  base::Duration pause_ = kFirst;
};

// Tells a state on the loop, where it is another one.
class Teller {
 public:
  Teller(base::EventLoop& loop, LabelOutlet::State state)
      : loop_(loop), state_(std::make_shared<LabelOutlet::State>(std::move(state))) {}

  void Tell(const base::Status& status) {
    if (told_ && status == last_) return;
    told_ = true;
    last_ = status;
    loop_.Post([weak = std::weak_ptr(state_), status] {
      if (const auto state = weak.lock(); state != nullptr && *state) (*state)(status);
    });
  }
  // The next state is news in any case.
  void Forget() { told_ = false; }

 private:
  base::EventLoop& loop_;
  std::shared_ptr<LabelOutlet::State> state_;
  bool told_ = false;
  base::Status last_;
};

}  // namespace tranche::labels
