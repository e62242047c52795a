#include "sim/workloads/draws.h"

#include <cmath>

#include "sim/workloads/old_glibc.h"

namespace tranche::sim::workloads {

std::int64_t Draws::Lognormal(std::int64_t mean, double variation) {
  if (variation <= 0 || mean <= 0) return mean;
  const double sigma = std::sqrt(std::log(1 + variation * variation));
  const double mu = std::log(static_cast<double>(mean)) - sigma * sigma / 2;
  return static_cast<std::int64_t>(std::lognormal_distribution<double>(mu, sigma)(engine_));
}

std::int64_t Draws::Exponential(std::int64_t mean) {
  if (mean <= 0) return 0;
  return static_cast<std::int64_t>(
      std::exponential_distribution<double>(1 / static_cast<double>(mean))(engine_));
}

}  // namespace tranche::sim::workloads
