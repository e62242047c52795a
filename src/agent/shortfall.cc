#include "agent/shortfall.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <utility>

#include "base/text.h"
#include "config/load.h"

namespace tranche::agent {

namespace {

using base::Status;
using daemon::EventType;

constexpr std::size_t kMostNamed = 4;

// "MIG-1, MIG-2 and 5 more"
std::string Names(const std::vector<std::string>& uuids) {
  const std::size_t named = std::min(uuids.size(), kMostNamed);
  std::string text =
      base::Join({uuids.begin(), uuids.begin() + static_cast<std::ptrdiff_t>(named)}, ", ");
  if (named < uuids.size()) text += " and " + std::to_string(uuids.size() - named) + " more";
  return text;
}

}  // namespace

Shortfall::Shortfall(base::EventLoop& loop, Owner owner)
    : loop_(loop), owner_(std::move(owner)), rarely_(std::chrono::minutes(5)) {}

void Shortfall::SetPlan(const plan::Plan& plan, const std::string& source) {
  warnings_.clear();
  for (const plan::PlanWarning& warning : plan.warnings) {
    warnings_.push_back(config::FormatDiagnostic(source, {.severity = config::Severity::kWarning,
                                                          .message = warning.message,
                                                          .line = warning.line}));
    if (rarely_(warnings_.back(), loop_.Now())) base::LogWarning(warnings_.back());
  }
}

bool Shortfall::SetUnfit(const plan::Plan& plan, plan::Unfit unfit) {
  if (unfit == unfit_) return false;
  const plan::Unfit before = std::exchange(unfit_, std::move(unfit));
  RaiseNew(plan, before);
  return true;
}

// One event for each reason, because a GPU that is cut anew takes many devices with it.
void Shortfall::RaiseNew(const plan::Plan& plan, const plan::Unfit& before) const {
  std::map<std::string, std::vector<std::string>> by_reason;
  for (const auto& [uuid, why] : unfit_) {
    const auto known = before.find(uuid);
    const bool told = known != before.end() && known->second == why;
    if (!told && owner_.healthy(uuid)) by_reason[why].push_back(uuid);
  }
  for (const auto& [why, uuids] : by_reason) {
    owner_.event(EventType::kWarning, "DeviceUnhealthy", Names(uuids) + ": " + why);
  }
  std::vector<std::string> usable;
  for (const auto& [uuid, why] : before) {
    const bool advertised = plan.devices.contains(uuid);
    if (advertised && !unfit_.contains(uuid) && owner_.healthy(uuid)) usable.push_back(uuid);
  }
  if (usable.empty()) return;
  owner_.event(EventType::kNormal, "DeviceRecovered",
               Names(usable) + ": can be used as advertised again");
}

Status Shortfall::Check(const std::vector<std::string>& uuids) const {
  for (const std::string& uuid : uuids) {
    const auto why = unfit_.find(uuid);
    if (why == unfit_.end()) continue;
    return {base::Code::kUnknown,
            "device " + uuid + " cannot be given to a container: " + why->second};
  }
  return Status::Ok();
}

}  // namespace tranche::agent
