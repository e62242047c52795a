#include "shim/nvml/start_ticks.h"

namespace tranche::shim::nvml {
namespace {

constexpr int kFieldAfterName = 3;
constexpr int kStartField = 22;
constexpr std::size_t kMostDigits = 19;  // which fit whatever they are

}  // namespace

bool ReadStartTicks(const char* text, std::size_t length, std::uint64_t* ticks) {
  std::size_t at = length;
  while (at > 0 && text[at - 1] != ')') --at;
  if (at == 0) return false;
  for (int field = kFieldAfterName;; ++field) {
    while (at < length && text[at] == ' ') ++at;
    if (field == kStartField) break;
    while (at < length && text[at] != ' ') ++at;
    if (at == length) return false;
  }
  std::uint64_t number = 0;
  std::size_t digits = 0;
  for (; at < length && text[at] >= '0' && text[at] <= '9'; ++at) {
    if (++digits > kMostDigits) return false;
    number = number * 10 + static_cast<std::uint64_t>(text[at] - '0');
  }
  if (digits == 0) return false;
  *ticks = number;
  return true;
}

}  // namespace tranche::shim::nvml
