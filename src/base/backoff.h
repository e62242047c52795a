// Ever longer pauses between the attempts at something that fails.
//
// It only counts: the caller waits, by a timer or otherwise.
//
// Threading: a plain value; one thread at a time.
// Errors: none.
#pragma once

#include <cstdint>
#include <functional>

#include "base/event_loop.h"

namespace tranche::base {

class Backoff {
 public:
  // Numbers from 0 to 1, 1 excluded.
  using Random = std::function<double()>;

  struct Options {
    Duration first{};    // the first pause, more than zero
    Duration longest{};  // no pause before jitter is longer
    double factor = 2;   // by which each pause is longer than the one before
    // Each pause is multiplied by a random number between these two, so that many nodes that failed
    // together do not come back together.
    double jitter_low = 1;
    double jitter_high = 1;
  };

  // Without `random` there is no jitter, and the options may ask for none.
  explicit Backoff(Options options, Random random = nullptr);

  // How long to wait after the failure that has just happened.
  Duration Next();
  // The attempt succeeded: the next pause is the first one again.
  void Reset() { pause_ = options_.first; }

 private:
  Options options_;
  Random random_;
  Duration pause_;  // the next one, without jitter
};

// A source of random numbers for jitter. The same seed gives the same numbers.
Backoff::Random SeededRandom(std::uint32_t seed);

}  // namespace tranche::base
