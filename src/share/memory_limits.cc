#include "share/memory_limits.h"

#include <algorithm>

namespace tranche::share {
namespace {

// So many times `one`, and at most `most`.
std::uint64_t Times(std::uint64_t one, int times, std::uint64_t most) {
  const auto factor = static_cast<std::uint64_t>(std::max(times, 1));
  // Compared by a quotient: a product might wrap around.
  return one > most / factor ? most : one * factor;
}

std::uint64_t Left(const MemoryShare& share, std::uint64_t granted_bytes) {
  const std::uint64_t usable = UsableMemory(share);
  return usable - std::min(usable, granted_bytes);
}

}  // namespace

std::uint64_t UsableMemory(const MemoryShare& share) {
  return share.device_bytes - std::min(share.device_bytes, share.reserve_bytes);
}

std::uint64_t WantedMemory(const MemoryShare& share) {
  const std::uint64_t usable = UsableMemory(share);
  const auto replicas = static_cast<std::uint64_t>(std::max(share.replicas, 1));
  return Times(share.limit_bytes.value_or(usable / replicas), share.held, usable);
}

std::uint64_t MostMemory(const MemoryShare& share) {
  const std::uint64_t wanted = WantedMemory(share);
  if (!share.max_bytes) return wanted;
  return std::max(wanted, Times(*share.max_bytes, share.held, UsableMemory(share)));
}

std::uint64_t GrantedMemory(const MemoryShare& share, std::uint64_t granted_bytes) {
  return std::min(WantedMemory(share), Left(share, granted_bytes));
}

MemoryAnswer AnswerMemoryAsk(const MemoryShare& share, const MemoryAsk& ask) {
  const std::uint64_t most = std::max(MostMemory(share), ask.fixed_bytes);
  const std::uint64_t may_have = std::min(ask.asked_bytes, most);
  MemoryAnswer answer{.limit_bytes = may_have, .above_most = ask.asked_bytes > most};
  if (may_have <= ask.limit_bytes) return answer;
  const std::uint64_t room = std::min(may_have, Left(share, ask.others_bytes));
  answer.limit_bytes = std::max(ask.limit_bytes, room);
  answer.no_room = answer.limit_bytes < may_have;
  return answer;
}

}  // namespace tranche::share
