#include "cli/top/figures.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace tranche::cli::top {

namespace {

constexpr double kMiB = 1 << 20;
constexpr double kGiB = 1 << 30;
// One sample of the driver's is a whole percent, so less than half of one is not told from none.
constexpr double kHardlyBusy = 0.05;

}  // namespace

std::string Percent(const std::optional<double>& percent) {
  return percent ? fmt::format("{:.1f} %", std::min(*percent, 999.9)) : kNotKnown;
}

std::string Bytes(const std::optional<double>& bytes) {
  if (!bytes) return kNotKnown;
  if (*bytes == 0) return "0";
  if (*bytes < kMiB) return "<1 MiB";
  if (*bytes < kGiB) return fmt::format("{:.0f} MiB", *bytes / kMiB);
  return fmt::format("{:.1f} GiB", *bytes / kGiB);
}

std::string BytesOf(const std::optional<double>& part, const std::optional<double>& whole) {
  if (!whole) return Bytes(part);
  const bool large = *whole >= kGiB;
  const double unit = large ? kGiB : kMiB;
  const int digits = large ? 1 : 0;
  return fmt::format("{}/{:.{}f} {}", part ? fmt::format("{:.{}f}", *part / unit, digits) : "-",
                     *whole / unit, digits, large ? "GiB" : "MiB");
}

std::string Whole(const std::optional<double>& count) {
  return count ? fmt::format("{:.0f}", *count) : kNotKnown;
}

std::string Span(double seconds) {
  const auto whole = static_cast<long long>(std::clamp(seconds, 0.0, 1e12));
  constexpr long long kMinute = 60;
  constexpr long long kHour = 60 * kMinute;
  constexpr long long kDay = 24 * kHour;
  if (whole < 2 * kMinute) return fmt::format("{} s", whole);
  if (whole < 2 * kHour) return fmt::format("{} min", whole / kMinute);
  if (whole < 2 * kDay) return fmt::format("{} h", whole / kHour);
  return fmt::format("{} d", whole / kDay);
}

std::string Seconds(const std::optional<double>& value) {
  return value ? fmt::format("{:.1f} s", *value) : kNotKnown;
}

bool IsBusy(const PodUse& pod) { return pod.busy_percent && *pod.busy_percent >= kHardlyBusy; }

std::string Idle(const PodUse& pod, double now) {
  if (IsBusy(pod)) return "";
  return pod.last_active && *pod.last_active > 0 ? Span(now - *pod.last_active) : kNotKnown;
}

std::string Replicas(const DeviceUse& device) {
  if (!device.replicas_advertised && !device.replicas_held) return "";
  return fmt::format("{} of {} held", Whole(device.replicas_held),
                     Whole(device.replicas_advertised));
}

std::string DeviceTitle(const DeviceUse& device) {
  return fmt::format("GPU {}{}{}", device.Name(), device.mig_profile.empty() ? "" : " ",
                     device.mig_profile);
}

std::string BarOf(const std::optional<double>& part, const std::optional<double>& whole,
                  std::size_t columns) {
  const double share = part && whole && *whole > 0 ? std::clamp(*part / *whole, 0.0, 1.0) : 0;
  auto full = static_cast<std::size_t>(std::lround(share * static_cast<double>(columns)));
  if (share > 0 && full == 0 && columns > 0) full = 1;  // a little is not nothing
  std::string bar;
  for (std::size_t i = 0; i < columns; ++i) bar += i < full ? "█" : "░";
  return bar;
}

}  // namespace tranche::cli::top
