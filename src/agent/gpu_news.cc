#include "agent/gpu_news.h"

#include <fmt/format.h>

#include <utility>

namespace tranche::agent {

using daemon::EventType;

std::string NameOf(const gpu::GpuState& gpu) {
  return gpu.uuid.empty() ? "GPU " + gpu.index : fmt::format("GPU {} ({})", gpu.index, gpu.uuid);
}

void GpuNews::RaiseNew(const gpu::DriverState& driver, const std::vector<gpu::GpuState>& gpus) {
  Told left_out;
  Told incomplete;
  Told unusable;
  Told stuck;
  for (const gpu::GpuState& gpu : gpus) {
    if (!gpu.error.empty()) left_out[NameOf(gpu)] = "is not advertised: " + gpu.error;
    if (!gpu.warnings.empty()) {
      incomplete[NameOf(gpu)] =
          fmt::format("is told of only in part: {}", fmt::join(gpu.warnings, ". "));
    }
  }
  if (!driver.warnings.empty()) {
    incomplete["the driver"] = fmt::format("fails in part: {}", fmt::join(driver.warnings, ". "));
  }
  if (driver.ready && !driver.error.empty())
    unusable["the driver"] = "answers, but " + driver.error;
  // The text stays the same while the call takes ever longer.
  if (driver.stuck_seconds >= kStuckIsNewsSeconds) {
    stuck["the driver"] = fmt::format("does not return from {}", driver.stuck_call);
  }
  Compare(left_out_, std::move(left_out), "GpuLeftOut", "is no longer left out");
  Compare(incomplete_, std::move(incomplete), "GpuPartlyKnown", "");
  Compare(unusable_, std::move(unusable), "NoUsableGpu", "has a GPU that can be used");
  Compare(stuck_, std::move(stuck), "DriverStuck", "returns again");
}

void GpuNews::Compare(Told& told, Told now, daemon::Reason reason, const std::string& over) {
  for (const auto& [whom, what] : now) {
    const auto before = told.find(whom);
    if (before != told.end() && before->second == what) continue;
    raise_(EventType::kWarning, reason, std::string(whom).append(" ").append(what));
  }
  for (const auto& [whom, what] : told) {
    if (over.empty() || now.contains(whom)) continue;
    raise_(EventType::kNormal, reason, std::string(whom).append(" ").append(over));
  }
  told = std::move(now);
}

}  // namespace tranche::agent
