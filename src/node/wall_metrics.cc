#include "node/wall_metrics.h"

#include <functional>
#include <string>
#include <utility>

#include "base/log.h"

namespace tranche::node {
namespace {

using daemon::MetricKind;
using daemon::MetricText;
using walls::Wall;

void AddOfPods(daemon::MetricFamilies& out, const char* name, const WallsState& state,
               const std::function<double(const Wall&)>& value) {
  out.Open(name);
  for (const Wall& wall : state.walls) {
    out.Add({wall.device, base::Printable(wall.pod.pod_namespace), base::Printable(wall.pod.pod)},
            value(wall));
  }
}

}  // namespace

std::vector<MetricText> WallMetricTexts() {
  constexpr MetricKind kGauge = MetricKind::kGauge;
  constexpr MetricKind kCounter = MetricKind::kCounter;
  const std::vector<std::string> pod{"gpu", "namespace", "pod"};
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
       {"gpu", "namespace", "pod", "reason"},
       "Whether every program of the pod on the GPU keeps to the wall; if not, why."},
      {"pod_gpu_ledger_mismatch", kGauge, pod,
       "Whether the driver shows more memory of the pod than the pod's own counters say."},
      {"walls_standing", kGauge, {}, "Whether the walls that the config asks for stand."},
      {"walls_shim_published",
       kGauge,
       {},
       "Whether the library that keeps to walls is published, so that new pods get it."},
      {"walls_programs", kGauge, {}, "Programs that are attached."},
      {"walls_callers_total",
       kCounter,
       {"outcome"},
       "Programs that came to the door, by what became of them."},
  };
}

void AddWallMetrics(daemon::MetricFamilies& out, const WallsState& state) {
  if (!state.asked_for) return;
  AddOfPods(out, "pod_gpu_wall_limit_bytes", state,
            [](const Wall& wall) { return static_cast<double>(wall.limit_bytes); });
  AddOfPods(out, "pod_gpu_wall_used_bytes", state,
            [](const Wall& wall) { return static_cast<double>(wall.used_bytes); });
  AddOfPods(out, "pod_gpu_wall_context_bytes", state,
            [](const Wall& wall) { return static_cast<double>(wall.context_bytes); });
  AddOfPods(out, "pod_gpu_wall_refusals_total", state,
            [](const Wall& wall) { return static_cast<double>(wall.refusals); });
  AddOfPods(out, "pod_gpu_ledger_mismatch", state,
            [](const Wall& wall) { return wall.mismatch ? 1.0 : 0.0; });
  out.Open("pod_gpu_walled");
  for (const Wall& wall : state.walls) {
    out.Add({wall.device, base::Printable(wall.pod.pod_namespace), base::Printable(wall.pod.pod),
             wall.reason},
            wall.walled ? 1 : 0);
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
           {"unknown_version", door.unknown_versions}}) {
    out.Add({outcome}, static_cast<double>(count));
  }
}

}  // namespace tranche::node
