#include "config/memory_amount.h"

#include <fmt/format.h>

#include <variant>

#include "config/units.h"

namespace tranche::config {
namespace {

constexpr std::uint64_t kThousand = 1000;
constexpr std::uint64_t kMebibyte = 1ULL << 20U;
constexpr std::uint64_t kGibibyte = 1ULL << 30U;

}  // namespace

base::Result<MemoryAmount> ParseMemoryAmount(std::string_view text) {
  if (text.ends_with('%')) {
    const auto percent = ParsePercent(text);
    if (!percent.ok()) return percent.status();
    return MemoryAmount(*percent);
  }
  const auto bytes = ParseQuantity(text);
  if (!bytes.ok()) return bytes.status();
  const bool bare = text.find_first_not_of("+0123456789.") == std::string_view::npos;
  if (bare && *bytes > 0 && *bytes < kMebibyte) {
    return base::Status(
        base::Code::kInvalidArgument,
        fmt::format("{0} without a unit means {0} bytes; write {0}Mi or {0}Gi", text));
  }
  return MemoryAmount(Bytes{*bytes});
}

std::uint64_t BytesOf(const MemoryAmount& amount, std::uint64_t device_bytes) {
  if (const auto* bytes = std::get_if<Bytes>(&amount)) return bytes->bytes;
  const auto part = static_cast<std::uint64_t>(std::get<Milli>(amount).thousandths);
  // In two steps, so that no device is too large for the product.
  return device_bytes / kThousand * part + device_bytes % kThousand * part / kThousand;
}

std::string AmountText(const MemoryAmount& amount) {
  if (const auto* bytes = std::get_if<Bytes>(&amount)) return BytesText(bytes->bytes);
  const int thousandths = std::get<Milli>(amount).thousandths;
  if (thousandths % 10 == 0) return fmt::format("{}%", thousandths / 10);
  return fmt::format("{}.{}%", thousandths / 10, thousandths % 10);
}

std::string BytesText(std::uint64_t bytes) {
  if (bytes > 0 && bytes % kGibibyte == 0) return fmt::format("{}Gi", bytes / kGibibyte);
  if (bytes % kMebibyte == 0) return fmt::format("{}Mi", bytes / kMebibyte);
  return fmt::format("{:.1f}Mi", static_cast<double>(bytes) / static_cast<double>(kMebibyte));
}

}  // namespace tranche::config
