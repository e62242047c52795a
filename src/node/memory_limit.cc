#include "node/memory_limit.h"

#include <algorithm>
#include <variant>

namespace tranche::node {
namespace {

constexpr std::uint64_t kThousand = 1000;

std::uint64_t BytesOf(const config::MemoryAmount& amount, std::uint64_t device_bytes) {
  if (const auto* bytes = std::get_if<config::Bytes>(&amount)) return bytes->bytes;
  const auto part = static_cast<std::uint64_t>(std::get<config::Milli>(amount).thousandths);
  // In two steps, so that no device is too large for the product.
  return device_bytes / kThousand * part + device_bytes % kThousand * part / kThousand;
}

}  // namespace

std::optional<std::uint64_t> ShareLimit(const config::MemoryOptions& options,
                                        std::uint64_t device_bytes, int replicas) {
  if (options.mode == config::EnforceMode::kOff || replicas < 1) return std::nullopt;
  if (options.limit) return std::min(BytesOf(*options.limit, device_bytes), device_bytes);
  const std::uint64_t reserve = BytesOf(options.reserve, device_bytes);
  return (device_bytes - std::min(reserve, device_bytes)) / static_cast<std::uint64_t>(replicas);
}

}  // namespace tranche::node
