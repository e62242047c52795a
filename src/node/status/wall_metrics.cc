#include "node/status/wall_metrics.h"

#include <algorithm>
#include <functional>
#include <string>
#include <utility>

#include "base/log.h"

namespace tranche::node::status {
namespace {

using daemon::MetricKind;
using daemon::MetricText;
using walls::Wall;

using Values = std::vector<std::string>;

// The labels of one pod on one device.
Values LabelsOf(const Wall& wall, const std::vector<ShownDevice>& devices) {
  const auto device = std::ranges::find(devices, wall.device, &ShownDevice::uuid);
  return {wall.device, device == devices.end() ? "" : device->index,
          base::Printable(wall.pod.pod_namespace), base::Printable(wall.pod.pod)};
}

double Bytes(std::uint64_t bytes) { return static_cast<double>(bytes); }

}  // namespace

std::vector<MetricText> WallMetricTexts() {
  constexpr MetricKind kGauge = MetricKind::kGauge;
  constexpr MetricKind kCounter = MetricKind::kCounter;
  const std::vector<std::string> pod{"gpu", "index", "namespace", "pod"};
  return {
      {"pod_gpu_wall_limit_bytes", kGauge, pod,
       "GPU memory that all programs of the pod may have together, contexts included."},
      {"pod_gpu_wall_used_bytes", kGauge, pod,
       "Of that, what they have reserved, by the pod's own counters."},
      {"pod_gpu_wall_context_bytes", kGauge, pod,
       "Of that, what the driver has taken for contexts."},
      {"pod_gpu_wall_refusals_total", kCounter, pod, "Allocations refused at the wall."},
      {"pod_gpu_walled",
       kGauge,
       {"gpu", "index", "namespace", "pod", "reason"},
       "Whether every program of the pod on the GPU keeps to the wall; if not, why, in one of the "
       "words of docs/walls.md. Absent before the first one."},
      {"pod_gpu_ledger_mismatch", kGauge, pod,
       "Whether the driver shows more memory of the pod than the pod's own counters say."},
      {"pod_gpu_wall_passed_through_total", kCounter, pod,
       "Calls that the pod's programs of now made past the wall, because of trouble of the shim's "
       "own."},
      {"walls_standing", kGauge, {}, "Whether the walls that the config asks for stand."},
      {"walls_shim_published",
       kGauge,
       {},
       "Whether the library that keeps to walls is published, so that new pods get it."},
      {"walls_programs", kGauge, {}, "Programs that are attached."},
      {"walls_callers_total",
       kCounter,
       {"outcome"},
       "Programs that asked for their pod's wall, by what became of them."},
  };
}

void AddWallMetrics(daemon::MetricFamilies& out, const std::vector<ShownDevice>& devices,
                    const WallsState& state) {
  if (!state.asked_for) return;
  std::vector<Values> labels;
  for (const Wall& wall : state.walls) labels.push_back(LabelsOf(wall, devices));
  const auto each = [&](const char* name, const std::function<double(const Wall&)>& value) {
    out.Open(name);
    for (std::size_t i = 0; i < labels.size(); ++i) out.Add(labels[i], value(state.walls[i]));
  };
  each("pod_gpu_wall_limit_bytes", [](const Wall& wall) { return Bytes(wall.limit_bytes); });
  each("pod_gpu_wall_used_bytes", [](const Wall& wall) { return Bytes(wall.used_bytes); });
  each("pod_gpu_wall_context_bytes", [](const Wall& wall) { return Bytes(wall.context_bytes); });
  each("pod_gpu_wall_refusals_total", [](const Wall& wall) { return Bytes(wall.refusals); });
  each("pod_gpu_wall_passed_through_total",
       [](const Wall& wall) { return Bytes(wall.passed_through); });
  each("pod_gpu_ledger_mismatch", [](const Wall& wall) { return wall.mismatch ? 1.0 : 0.0; });
  out.Open("pod_gpu_walled");
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const Wall& wall = state.walls[i];
    if (!wall.walled) continue;
    Values values = labels[i];
    values.push_back(wall.reason.word);
    out.Add(values, *wall.walled ? 1 : 0);
  }
  out.Open("walls_standing");
  out.Add({}, state.trouble.empty() ? 1 : 0);
  out.Open("walls_shim_published");
  out.Add({}, state.shim.published ? 1 : 0);
  out.Open("walls_programs");
  out.Add({}, static_cast<double>(state.programs));
  out.Open("walls_callers_total");
  const walls::DoorCounts& door = state.door;
  for (const auto& [outcome, count] : std::initializer_list<std::pair<const char*, std::uint64_t>>{
           {"accepted", door.accepted},
           {"in_no_pod", door.strangers},
           {"malformed", door.malformed},
           {"slow", door.slow},
           {"too_many", door.too_many},
           {"unknown_version", door.unknown_versions},
           {"unsent", door.unsent}}) {
    out.Add({outcome}, static_cast<double>(count));
  }
}

}  // namespace tranche::node::status
