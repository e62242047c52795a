#include "cli/common/duration.h"

#include <fmt/format.h>

#include "config/units.h"

namespace tranche::cli::common {

std::function<std::string(std::string&)> DurationBetween(std::chrono::nanoseconds least,
                                                         std::chrono::nanoseconds most) {
  return [least, most](std::string& text) -> std::string {
    const auto duration = config::ParseGoDuration(text);
    if (duration.ok() && *duration >= least && *duration <= most) {
      text = std::to_string(duration->count());
      return "";
    }
    return fmt::format(
        "\"{}\" is not a duration of {} to {}: a number and its unit, which is ns, us, ms, s, m or "
        "h",
        text, config::GoDurationText(least), config::GoDurationText(most));
  };
}

}  // namespace tranche::cli::common
