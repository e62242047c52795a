#include "base/time.h"

#include <fmt/format.h>

#include "base/status.h"

namespace tranche::base {

std::string Rfc3339(std::time_t time) {
  std::tm parts{};
  TRANCHE_CHECK(gmtime_r(&time, &parts) != nullptr);
  const int year = parts.tm_year + 1900;
  TRANCHE_CHECK(year >= 0 && year <= 9999);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", year, parts.tm_mon + 1, parts.tm_mday,
                     parts.tm_hour, parts.tm_min, parts.tm_sec);
}

std::string Rfc3339Now() { return Rfc3339(std::time(nullptr)); }

}  // namespace tranche::base
