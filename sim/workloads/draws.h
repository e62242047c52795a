// Draws gives the numbers that a workload draws at random; the same seed gives the same ones.
//
// Threading: one thread.
// Errors: none.
#pragma once

#include <cstdint>
#include <random>

namespace tranche::sim::workloads {

class Draws {
 public:
  explicit Draws(std::uint64_t seed) : engine_(seed) {}

  // Lognormal with this mean; `variation` is the standard deviation over the mean.
  std::int64_t Lognormal(std::int64_t mean, double variation);
  std::int64_t Exponential(std::int64_t mean);
  std::uint64_t Any() { return engine_(); }

 private:
  std::mt19937_64 engine_;
};

}  // namespace tranche::sim::workloads
