#include "node/status/waiting.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <tuple>
#include <utility>

#include "node/status/health_word.h"

namespace tranche::node::status {
namespace {

// What the driver's samples tell from nothing.
constexpr double kBusyPercent = 1;

class Finder {
 public:
  explicit Finder(WhoWaits& out) : out_(out) {}

  // Each pod once for each thing on each device, however many containers it has.
  void Add(Waiting waiting) {
    const bool is_new =
        told_.emplace(waiting.device, waiting.pod_namespace, waiting.pod, waiting.what).second;
    if (!is_new) return;
    if (out_.pods.size() < WhoWaits::kMost) {
      out_.pods.push_back(std::move(waiting));
    } else {
      ++out_.left_out;
    }
  }

 private:
  WhoWaits& out_;
  std::set<std::tuple<std::string, std::string, std::string, std::string>> told_;
};

Waiting Of(const sight::Holder& holder, const std::string& device, const std::string& index) {
  return {.pod_namespace = holder.pod_namespace,
          .pod = holder.pod,
          .device = device,
          .index = index,
          .what = "",
          .why = ""};
}

bool Computes(const sight::PodUse& use) { return use.busy.percent().value_or(0) >= kBusyPercent; }

void FindContended(const ShownDevice& device, Finder& out) {
  const sight::Account& account = *device.account;
  const double contended = account.contended.percent().value_or(0);
  if (!account.unmeasured.empty() || contended < WhoWaits::kContendedPercent) return;
  std::set<std::pair<std::string, std::string>> busy;
  for (const auto& [holder, use] : account.pods) {
    if (Computes(use)) busy.emplace(holder.pod_namespace, holder.pod);
  }
  if (busy.size() < 2) return;
  for (const auto& [holder, use] : account.pods) {
    if (!Computes(use)) continue;
    Waiting waiting = Of(holder, device.uuid, device.index);
    waiting.what = "time";
    waiting.why = fmt::format("{} pods computed at once for {:.0f} % of the last 10 s", busy.size(),
                              contended);
    out.Add(std::move(waiting));
  }
}

void FindUnwell(const ShownDevice& device, const NodeState& state, Finder& out) {
  const auto [health, reason] = HealthOf(state, device.uuid);
  if (health != "Unhealthy" && health != "Lost") return;
  for (const auto& [holder, use] : device.account->pods) {
    if (!use.granted && use.processes == 0) continue;
    Waiting waiting = Of(holder, device.uuid, device.index);
    waiting.what = "device";
    waiting.why = "the GPU is " + std::string(health == "Lost" ? "lost" : "unhealthy") +
                  (reason.empty() ? "" : ": " + reason);
    out.Add(std::move(waiting));
  }
}

}  // namespace

WhoWaits FindWaiting(const NodeState& state, const std::vector<ShownDevice>& devices) {
  WhoWaits found;
  Finder out(found);
  for (const ShownDevice& device : devices) FindUnwell(device, state, out);
  for (const walls::Wall& wall : state.walls.walls) {
    if (!wall.refused_lately) continue;
    const auto device = std::ranges::find(devices, wall.device, &ShownDevice::uuid);
    out.Add({.pod_namespace = wall.pod.pod_namespace,
             .pod = wall.pod.pod,
             .device = wall.device,
             .index = device == devices.end() ? "" : device->index,
             .what = "memory",
             .why = "it was refused memory at its wall within the last minute"});
  }
  if (!state.fresh) return found;
  for (const ShownDevice& device : devices) FindContended(device, out);
  return found;
}

}  // namespace tranche::node::status
