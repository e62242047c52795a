// TokenBucket bounds how often something may happen: `burst` times at once, and `per_second` times
// a second in the long run.
//
// Threading: a plain value; one thread at a time.
// Errors: none.
#pragma once

#include <algorithm>
#include <chrono>

#include "base/event_loop.h"

namespace tranche::base {

class TokenBucket {
 public:
  TokenBucket(double burst, double per_second)
      : burst_(burst), per_second_(per_second), tokens_(burst) {}

  // Whether it may happen once more, now.
  bool Take(TimePoint now) {
    const std::chrono::duration<double> passed = now - filled_;
    filled_ = now;
    tokens_ = std::min(burst_, tokens_ + std::max(0.0, passed.count()) * per_second_);
    // The rounding of a timer must not cost another round.
    if (tokens_ < 1 - 1e-6) return false;
    tokens_ -= 1;
    return true;
  }

  // After a Take that said no: how long until one may say yes.
  [[nodiscard]] Duration Wait() const {
    const std::chrono::duration<double> wait((1 - tokens_) / per_second_);
    return std::max(Duration::zero(), std::chrono::ceil<Duration>(wait));
  }

 private:
  double burst_;
  double per_second_;
  double tokens_;
  TimePoint filled_{};
};

}  // namespace tranche::base
