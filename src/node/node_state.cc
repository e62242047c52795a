// Node::State and Node::StatusJson: what the program knows, for reports.
#include <fmt/format.h>

#include <utility>

#include "base/log.h"
#include "node/node.h"

namespace tranche::node {
namespace {

using base::Json;
using sight::Account;

template <class T>
Json OrNull(const std::optional<T>& value) {
  return value ? Json(*value) : Json();
}

Json PodJson(const sight::Holder& holder, const sight::PodUse& use, bool timed) {
  return Json::MakeObject({{"namespace", base::Printable(holder.pod_namespace)},
                           {"pod", base::Printable(holder.pod)},
                           {"container", base::Printable(holder.container)},
                           {"uid", base::Printable(holder.pod_uid)},
                           {"memoryBytes", use.memory_bytes},
                           {"processes", use.processes},
                           {"granted", use.granted},
                           {"replicas", use.replicas},
                           {"gpuSeconds", timed ? Json(use.gpu_seconds) : Json()},
                           {"busyPercent", OrNull(use.busy_percent)},
                           {"lastActive", timed ? Json(use.last_active) : Json()}});
}

Json DeviceJson(const std::string& uuid, const Account& account) {
  const bool timed = account.unmeasured.empty();
  Json pods = Json::MakeArray();
  for (const auto& [holder, use] : account.pods) pods.Append(PodJson(holder, use, timed));
  return Json::MakeObject(
      {{"uuid", uuid},
       {"memoryBytes", account.memory ? Json(account.memory->total) : Json()},
       {"memoryUsedBytes", account.memory ? Json(account.memory->used) : Json()},
       {"busySeconds", timed ? Json(account.busy_seconds) : Json()},
       {"contendedSeconds", timed ? Json(account.contended_seconds) : Json()},
       {"unmeasured", base::Printable(account.unmeasured)},
       {"hostProcesses", account.host_processes},
       {"unknownProcesses", account.unknown_processes},
       {"pods", std::move(pods)}});
}

Json SourceJson(const base::Status& status) {
  return Json::MakeObject(
      {{"known", status.ok()}, {"error", status.ok() ? "" : base::Printable(status.message())}});
}

}  // namespace

bool Node::Fresh() const {
  return known_.usage_at.has_value() && loop_.Now() - *known_.usage_at < kFresh;
}

std::vector<std::string> Node::Degraded() const {
  std::vector<std::string> reasons;
  const gpu::DriverState driver = gpus_.Driver();
  if (!driver.ready || !driver.error.empty()) {
    reasons.push_back("driver: " + (driver.error.empty() ? "not ready" : driver.error));
  } else if (!known_.usage.ok()) {
    reasons.push_back("driver: " + known_.usage.message());
  }
  if (!driver.stuck_call.empty()) {
    reasons.push_back(fmt::format("driver: {} has not returned for {:.0f} s", driver.stuck_call,
                                  driver.stuck_seconds));
  }
  for (const gpu::GpuState& gpu : gpus_.Gpus()) {
    const std::string& name = gpu.uuid.empty() ? gpu.index : gpu.uuid;
    if (!gpu.error.empty()) {
      reasons.push_back(fmt::format("gpu {}: {}", name, gpu.error));
    } else if (gpu.lost) {
      reasons.push_back(fmt::format("gpu {}: lost", name));
    }
  }
  for (const auto& [uuid, account] : sight_.accounts()) {
    const std::string& why = account.unmeasured;
    if (!why.empty() && why != "mig") {
      reasons.push_back(fmt::format("gpu {}: time of processes: {}", uuid, why));
    }
  }
  // What was told to do without lacks nothing.
  if (!known_.pods.ok() && !options_.node_name.empty()) {
    reasons.push_back("pods: UIDs stand for names: " + known_.pods.message());
  }
  if (!known_.grants.ok() && !options_.pod_resources_socket.empty()) {
    reasons.push_back("grants: not known who was given which GPU: " + known_.grants.message());
  }
  for (std::string& reason : reasons) reason = base::Printable(reason);
  return reasons;
}

NodeState Node::State() const {
  const bool dcgm_names = options_.dcgm_names == DcgmNames::kOn ||
                          (options_.dcgm_names == DcgmNames::kAuto && !known_.exporter);
  return {.version = options_.version,
          .hostname = options_.hostname,
          .ready = gpus_.known(),
          .degraded = Degraded(),
          .driver = gpus_.Driver(),
          .pods_known = known_.pods.ok(),
          .grants_known = known_.grants.ok(),
          .fresh = Fresh(),
          .dcgm_names = dcgm_names,
          .xids = xids_};
}

std::string Node::MetricsText() const { return NodeMetricsText(State(), gpus_.listed(), sight_); }

Json Node::StatusJson() const {
  const NodeState state = State();
  Json devices = Json::MakeArray();
  for (const auto& [uuid, account] : sight_.accounts()) devices.Append(DeviceJson(uuid, account));
  Json events = Json::MakeArray();
  for (const daemon::Event& event : events_.events()) {
    events.Append(Json::MakeObject({{"type", std::string(daemon::TypeName(event.type))},
                                    {"reason", event.reason},
                                    {"message", event.message},
                                    {"time", event.wall_time},
                                    {"count", event.count}}));
  }
  return Json::MakeObject({{"apiVersion", "tranche.dev/v1"},
                           {"kind", "NodeStatus"},
                           {"version", state.version},
                           {"nodeName", options_.node_name},
                           {"ready", state.ready},
                           {"degraded", Json::MakeTexts(state.degraded)},
                           {"walls", "not installed"},
                           {"pods", SourceJson(known_.pods)},
                           {"grants", SourceJson(known_.grants)},
                           {"dcgmNames", state.dcgm_names},
                           {"fresh", state.fresh},
                           {"devices", std::move(devices)},
                           {"events", std::move(events)}});
}

}  // namespace tranche::node
