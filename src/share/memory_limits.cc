#include "share/memory_limits.h"

#include <algorithm>

namespace tranche::share {
namespace {

std::uint64_t Usable(const MemoryShare& share) {
  return share.device_bytes - std::min(share.device_bytes, share.reserve_bytes);
}

}  // namespace

std::uint64_t WantedMemory(const MemoryShare& share) {
  const auto replicas = static_cast<std::uint64_t>(std::max(share.replicas, 1));
  const auto held = static_cast<std::uint64_t>(std::max(share.held, 1));
  const std::uint64_t one = share.limit_bytes.value_or(Usable(share) / replicas);
  // Compared by a quotient: a product might wrap around.
  if (one > Usable(share) / held) return Usable(share);
  return one * held;
}

std::uint64_t GrantedMemory(const MemoryShare& share, std::uint64_t granted_bytes) {
  const std::uint64_t left = Usable(share) - std::min(Usable(share), granted_bytes);
  return std::min(WantedMemory(share), left);
}

}  // namespace tranche::share
