#include "base/backoff.h"

#include <algorithm>
#include <chrono>
#include <random>
#include <utility>

#include "base/status.h"

namespace tranche::base {

namespace {

using Real = std::chrono::duration<double, Duration::period>;

Duration Rounded(Real time) { return std::chrono::duration_cast<Duration>(time); }

}  // namespace

Backoff::Backoff(Options options, Random random)
    : options_(options), random_(std::move(random)), pause_(options.first) {
  TRANCHE_CHECK(options_.first > Duration::zero() && options_.longest >= options_.first);
  TRANCHE_CHECK(options_.factor >= 1);
  TRANCHE_CHECK(random_ || (options_.jitter_low == 1 && options_.jitter_high == 1));
}

Duration Backoff::Next() {
  const Duration pause = pause_;
  pause_ = Rounded(std::min(Real(pause) * options_.factor, Real(options_.longest)));
  if (!random_) return pause;
  const double span = options_.jitter_high - options_.jitter_low;
  return Rounded(Real(pause) * (options_.jitter_low + span * random_()));
}

Backoff::Random SeededRandom(std::uint32_t seed) {
  return [engine = std::minstd_rand(seed)]() mutable {
    return std::uniform_real_distribution<double>()(engine);
  };
}

}  // namespace tranche::base
