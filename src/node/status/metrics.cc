#include "node/status/metrics.h"

#include <array>
#include <functional>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "daemon/degraded_reasons.h"
#include "node/status/dcgm_metrics.h"
#include "node/status/devices.h"
#include "node/status/wall_metrics.h"

namespace tranche::node::status {
namespace {

using daemon::MetricKind;
using daemon::MetricText;
using Families = daemon::MetricFamilies;
using sight::Account;
using sight::Holder;
using sight::PodUse;

// Sixteen GPUs with as many pods as an account has.
constexpr std::size_t kMaxSeries = 16 * sight::kMaxPods;
constexpr char kPrefix[] = "tranche_";
// Where time comes from; the shim will be another source.
constexpr char kSource[] = "nvml";

// What the reasons of being degraded begin with.
constexpr std::array<std::string_view, 6> kParts{"config", "driver", "gpu",
                                                 "grants", "pods",   "walls"};

const std::vector<std::string>& PodLabels() {
  static const std::vector<std::string> labels{"gpu", "index", "namespace", "pod", "container"};
  return labels;
}
const std::vector<std::string>& TimedLabels() {
  static const std::vector<std::string> labels = [] {
    std::vector<std::string> timed = PodLabels();
    timed.emplace_back("source");
    return timed;
  }();
  return labels;
}

// About how long a page becomes.
constexpr std::size_t kPodMetrics = 12;
constexpr std::size_t kNameAndValue = 48;
constexpr std::size_t kOtherBytes = 32 << 10;

double Flag(bool value) { return value ? 1 : 0; }

using Shown = ShownDevice;
// One pod on a device, or the device's rest, with the labels that all of its metrics have: they are
// written once for each page, since a page has thousands of series.
struct PodSeries {
  const Shown* shown = nullptr;
  const PodUse* use = nullptr;
  bool rest = false;
  std::string labels;
  std::string timed;  // with the source of time
};

std::vector<PodSeries> PodSeriesOf(const std::vector<Shown>& all) {
  std::vector<PodSeries> series;
  std::unordered_set<std::string> seen;
  const auto add = [&](const Shown& shown, const Holder& holder, const PodUse& use) {
    const bool rest = &use == &shown.account->rest;
    std::vector<std::string> values{shown.uuid, shown.index, holder.pod_namespace, holder.pod,
                                    holder.container};
    std::string labels = Families::Labels(PodLabels(), values);
    // Two that read alike make a scraper refuse the whole page: the first one stands.
    if (!seen.insert(labels).second) return;
    values.emplace_back(kSource);
    std::string timed = Families::Labels(TimedLabels(), values);
    series.push_back({&shown, &use, rest, std::move(labels), std::move(timed)});
  };
  for (const Shown& shown : all) {
    if (shown.cut) continue;
    for (const auto& [holder, use] : shown.account->pods) add(shown, holder, use);
    add(shown, {}, shown.account->rest);
  }
  return series;
}

enum class Labels { kPlain, kTimed };  // kTimed: with the source of time
// Whether what belongs to no pod has a series, too.
enum class Rest { kShown, kLeftOut };

// One series for each pod.
template <class Value>
void AddPods(Families& out, const char* name, const std::vector<PodSeries>& all, Labels labels,
             Rest rest, const Value& value) {
  out.Open(name);
  for (const PodSeries& one : all) {
    if (one.rest && rest == Rest::kLeftOut) continue;
    const std::optional<double> number = value(*one.shown, *one.use);
    if (number) out.AddLabelled(labels == Labels::kTimed ? one.timed : one.labels, *number);
  }
}

void AddPodMetrics(Families& out, const std::vector<Shown>& devices, const NodeState& state) {
  const std::vector<PodSeries> all = PodSeriesOf(devices);
  std::size_t bytes = 0;
  for (const PodSeries& one : all) bytes += kPodMetrics * (one.timed.size() + kNameAndValue);
  out.Expect(bytes + kOtherBytes);
  const auto measured = [](const Shown& shown) { return shown.account->unmeasured.empty(); };
  const auto counted = [](const Shown& shown) { return shown.account->Counted(); };
  AddPods(out, "pod_gpu_seconds_total", all, Labels::kTimed, Rest::kShown,
          [&](const Shown& shown, const PodUse& use) -> std::optional<double> {
            if (!counted(shown)) return std::nullopt;
            return use.gpu_seconds;
          });
  AddPods(out, "pod_gpu_energy_joules_total", all, Labels::kTimed, Rest::kShown,
          [&](const Shown& shown, const PodUse& use) -> std::optional<double> {
            if (!counted(shown) || !shown.account->energy_known) return std::nullopt;
            return use.energy_joules;
          });
  AddPods(out, "pod_gpu_last_active_timestamp_seconds", all, Labels::kTimed, Rest::kLeftOut,
          [&](const Shown& shown, const PodUse& use) -> std::optional<double> {
            if (!counted(shown)) return std::nullopt;
            return use.last_active;
          });
  if (state.grants.ok()) {
    AddPods(out, "pod_gpu_granted", all, Labels::kPlain, Rest::kLeftOut,
            [](const Shown& /*shown*/, const PodUse& use) { return Flag(use.granted); });
    AddPods(out, "pod_gpu_replicas", all, Labels::kPlain, Rest::kLeftOut,
            [](const Shown& /*shown*/, const PodUse& use) -> std::optional<double> {
              if (use.replicas == 0) return std::nullopt;
              return use.replicas;
            });
  }
  AddPods(out, "pod_gpu_memory_limit_bytes", all, Labels::kPlain, Rest::kLeftOut,
          [](const Shown& /*shown*/, const PodUse& use) -> std::optional<double> {
            if (!use.memory_limit) return std::nullopt;
            return static_cast<double>(*use.memory_limit);
          });
  AddPods(out, "pod_gpu_memory_would_refuse_total", all, Labels::kPlain, Rest::kLeftOut,
          [](const Shown& /*shown*/, const PodUse& use) -> std::optional<double> {
            if (!use.memory_limit && use.would_refuse == 0) return std::nullopt;
            return static_cast<double>(use.would_refuse);
          });
  if (!state.fresh) return;
  AddPods(out, "pod_gpu_busy_percent", all, Labels::kTimed, Rest::kLeftOut,
          [&](const Shown& shown, const PodUse& use) -> std::optional<double> {
            if (!measured(shown)) return std::nullopt;
            return use.busy.percent();
          });
  AddPods(out, "pod_gpu_memory_used_bytes", all, Labels::kPlain, Rest::kShown,
          [](const Shown& shown, const PodUse& use) -> std::optional<double> {
            if (!shown.account->memory) return std::nullopt;
            return static_cast<double>(use.memory_bytes);
          });
  AddPods(out, "pod_gpu_memory_used_ratio", all, Labels::kPlain, Rest::kLeftOut,
          [](const Shown& shown, const PodUse& use) -> std::optional<double> {
            if (!shown.account->memory || shown.account->memory->total == 0) return std::nullopt;
            return static_cast<double>(use.memory_bytes) /
                   static_cast<double>(shown.account->memory->total);
          });
  AddPods(out, "pod_gpu_processes", all, Labels::kPlain, Rest::kShown,
          [](const Shown& /*shown*/, const PodUse& use) { return use.processes; });
}

// What the containers on a device may hold together, as a part of it.
std::optional<double> MemoryPromised(const Account& account) {
  std::optional<double> promised;
  for (const auto& [holder, use] : account.pods) {
    if (!use.memory_limit) continue;
    promised = promised.value_or(0) + static_cast<double>(*use.memory_limit);
  }
  if (!promised || !account.memory || account.memory->total == 0) return std::nullopt;
  return *promised / static_cast<double>(account.memory->total);
}

void AddDeviceMetrics(Families& out, const std::vector<Shown>& all, const NodeState& state) {
  const auto each = [&](const char* name,
                        const std::function<std::optional<double>(const Account&)>& value) {
    out.Open(name);
    for (const Shown& shown : all) {
      if (const auto number = value(*shown.account)) out.Add({shown.uuid, shown.index}, *number);
    }
  };
  const auto counted = [](double value) {
    return [value](const Account& account) -> std::optional<double> {
      if (!account.Counted()) return std::nullopt;
      return value;
    };
  };
  each("gpu_busy_seconds_total",
       [&](const Account& account) { return counted(account.busy_seconds)(account); });
  each("gpu_contended_seconds_total",
       [&](const Account& account) { return counted(account.contended_seconds)(account); });
  each("gpu_energy_joules_total", [](const Account& account) -> std::optional<double> {
    if (!account.energy_known) return std::nullopt;
    return account.energy_joules;
  });
  out.Open("gpu_unmeasured");
  for (const Shown& shown : all) {
    const std::string& why = shown.account->unmeasured;
    if (why.empty()) continue;
    // The driver's own words are in the status: here they would be labels without end.
    const bool known = why == "mig" || why == "not supported";
    out.Add({shown.uuid, shown.index, known ? why : "failed"}, 1);
  }
  out.Open("gpu_lost");
  for (const gpu::GpuState& gpu : state.gpus) {
    if (!gpu.uuid.empty()) out.Add({gpu.uuid, gpu.index}, Flag(gpu.lost));
  }
  each("gpu_pods", [](const Account& account) -> std::optional<double> {
    return static_cast<double>(account.pods.size());
  });
  each("gpu_pods_left_out_total", [](const Account& account) -> std::optional<double> {
    return static_cast<double>(account.pods_left_out);
  });
  if (state.grants.ok()) {
    each("gpu_replicas_held", [](const Account& account) -> std::optional<double> {
      int held = 0;
      for (const auto& [holder, use] : account.pods) held += use.replicas;
      return held;
    });
  }
  const auto shares = [&](const char* name, int identity::Shares::*field) {
    out.Open(name);
    for (const Shown& shown : all) {
      const auto known = state.shares.find(shown.uuid);
      if (known != state.shares.end()) out.Add({shown.uuid, shown.index}, known->second.*field);
    }
  };
  shares("gpu_replicas_advertised", &identity::Shares::advertised);
  shares("gpu_replicas_free", &identity::Shares::free);
  each("gpu_memory_oversubscription_ratio", MemoryPromised);
  if (!state.fresh) return;
  each("gpu_memory_bytes", [](const Account& account) -> std::optional<double> {
    if (!account.memory) return std::nullopt;
    return static_cast<double>(account.memory->total);
  });
  each("gpu_memory_used_bytes", [](const Account& account) -> std::optional<double> {
    if (!account.memory) return std::nullopt;
    return static_cast<double>(account.memory->used);
  });
  out.Open("gpu_processes_outside_pods");
  for (const Shown& shown : all) {
    if (shown.cut) continue;
    out.Add({shown.uuid, shown.index, "host"}, shown.account->host_processes);
    out.Add({shown.uuid, shown.index, "unknown"}, shown.account->unknown_processes);
  }
}

void AddProgram(Families& out, const NodeState& state) {
  out.Open("node_build_info");
  out.Add({state.version}, 1);
  out.Only("node_ready", Flag(state.ready));
  out.Only("node_degraded", Flag(!state.degraded.empty()));
  out.Only("node_pods_known", Flag(state.pods.ok()));
  out.Only("node_grants_known", Flag(state.grants.ok()));
  out.Only("node_dcgm_names", Flag(state.dcgm_names));
  out.Only("node_driver_ready", Flag(state.driver.ready));
  out.Only("node_driver_call_stuck_seconds",
           state.driver.stuck_call.empty() ? 0 : state.driver.stuck_seconds);
  daemon::AddDegradedReasons(out, "node_degraded_reasons", state.degraded, kParts);
  // Of a GPU of which nothing was heard lately it is not known.
  out.Open("gpu_healthy");
  for (const gpu::GpuState& gpu : state.gpus) {
    const bool well = gpu.healthy && !gpu.lost && gpu.error.empty();
    if (!well || state.fresh) out.Add({gpu.uuid, gpu.index}, Flag(well));
  }
  if (!state.config) return;
  out.Only("node_config_usable", Flag(state.config->usable));
  out.Only("node_config_applied_total", static_cast<double>(state.config->generation));
  out.Only("node_config_rejected_total", static_cast<double>(state.config->rejected));
  out.Open("node_config_info");
  if (state.config->usable) out.Add({state.config->profile}, 1);
}

std::vector<MetricText> Texts() {
  constexpr MetricKind kGauge = MetricKind::kGauge;
  constexpr MetricKind kCounter = MetricKind::kCounter;
  const std::vector<std::string> gpu{"gpu", "index"};
  const std::vector<std::string>& pod = PodLabels();
  const std::vector<std::string>& timed = TimedLabels();
  const std::string rest =
      " The series without a pod is the rest of the device, so that all together are the device.";
  return {
      {"pod_gpu_seconds_total", kCounter, timed,
       "Seconds in which the pod computed on the GPU, by the driver's samples." + rest},
      {"pod_gpu_energy_joules_total", kCounter, timed,
       "Energy of the GPU by the pod's share of its time; idle time is the rest's." + rest},
      {"pod_gpu_last_active_timestamp_seconds", kGauge, timed,
       "When the pod last computed on the GPU; before it ever did: when it was first seen."},
      {"pod_gpu_granted", kGauge, pod,
       "Whether the kubelet has given the pod the GPU that it uses, where the kubelet can be "
       "asked."},
      {"pod_gpu_replicas", kGauge, pod, "How many shares of the GPU the container was given."},
      {"pod_gpu_busy_percent", kGauge, timed,
       "For how much of the last 10 s the pod computed on the GPU. Does not add up over pods."},
      {"pod_gpu_memory_used_bytes", kGauge, pod,
       "Memory of the GPU that the pod's processes hold." + rest},
      {"pod_gpu_memory_used_ratio", kGauge, pod, "The same as a part of the GPU's memory."},
      {"pod_gpu_memory_limit_bytes", kGauge, pod,
       "Memory that the sharing config would let the container hold, by its shares; where it sets "
       "no limit, or none is read, there is none. A wall may have another."},
      {"pod_gpu_memory_would_refuse_total", kCounter, pod,
       "Times that the container went over that limit: an allocation that would have been "
       "refused."},
      {"pod_gpu_processes", kGauge, pod, "Processes with something on the GPU." + rest},
      {"gpu_busy_seconds_total", kCounter, gpu, "Seconds in which something computed on the GPU."},
      {"gpu_contended_seconds_total", kCounter, gpu,
       "Busy seconds of the windows (a second each, as a rule) in which more than one pod "
       "computed."},
      {"gpu_energy_joules_total", kCounter, gpu, "Energy of the GPU since this program began."},
      {"gpu_unmeasured",
       kGauge,
       {"gpu", "index", "reason"},
       "Always 1; why time, and what is made of it, is not told: mig (the driver samples no "
       "processes there), not supported, or failed (the status has the error)."},
      {"gpu_lost", kGauge, gpu, "Whether the GPU has gone away."},
      {"gpu_pods", kGauge, gpu, "Containers that use the GPU or were given it."},
      {"gpu_pods_left_out_total", kCounter, gpu,
       "Times that a container had no series, because the GPU has too many; it is in the rest."},
      {"gpu_replicas_held", kGauge, gpu, "Shares of the GPU that containers were given."},
      {"gpu_replicas_advertised", kGauge, gpu,
       "Shares of the GPU that the kubelet can give, held or not; of an unhealthy GPU it is 0."},
      {"gpu_replicas_free", kGauge, gpu, "Those of them that nobody holds."},
      {"gpu_memory_oversubscription_ratio", kGauge, gpu,
       "What the containers on the GPU may hold by their limits, as a part of its memory: above 1 "
       "they cannot all do it."},
      {"gpu_healthy", kGauge, gpu,
       "Whether the GPU or MIG device is well; absent where nothing was heard of it lately."},
      {"gpu_memory_bytes", kGauge, gpu, "Memory of the GPU or MIG device."},
      {"gpu_memory_used_bytes", kGauge, gpu, "Memory that is used of it."},
      {"gpu_processes_outside_pods",
       kGauge,
       {"gpu", "index", "of"},
       "Processes that belong to no pod: the host's, or unknown ones, which ended before they "
       "could be looked at."},
      {"node_build_info", kGauge, {"version"}, "Always 1; the program's version."},
      {"node_ready", kGauge, {}, "Whether /readyz answers 200."},
      {"node_degraded", kGauge, {}, "Whether anything is degraded; /readyz has the reasons."},
      {"node_degraded_reasons",
       kGauge,
       {"part"},
       "How many reasons there are, by what they are about."},
      {"node_config_usable",
       kGauge,
       {},
       "Whether a sharing config is in force, where one is read."},
      {"node_config_applied_total", kCounter, {}, "Configs that came into force."},
      {"node_config_rejected_total", kCounter, {}, "Configs that could not be used."},
      {"node_config_info", kGauge, {"profile"}, "Always 1; the profile in force."},
      {"node_pods_known", kGauge, {}, "Whether the API server tells the names of pods."},
      {"node_grants_known", kGauge, {}, "Whether the kubelet tells who was given which GPU."},
      {"node_dcgm_names", kGauge, {}, "Whether the names of dcgm-exporter are used as well."},
      {"node_driver_ready", kGauge, {}, "Whether the NVIDIA driver answers."},
      {"node_driver_call_stuck_seconds",
       kGauge,
       {},
       "Age of a driver call that has not returned; 0 when there is none."},
  };
}

}  // namespace

const std::vector<MetricText>& NodeMetricTexts() {
  static const std::vector<MetricText> all = [] {
    std::vector<MetricText> texts = Texts();
    for (MetricText& text : WallMetricTexts()) texts.push_back(std::move(text));
    for (MetricText& text : texts) text.name.insert(0, kPrefix);
    return texts;
  }();
  return all;
}

std::string NodeMetricsText(const NodeState& state, const gpu::Inventory& inventory,
                            const sight::Sight& sight) {
  Families out(NodeMetricTexts(), kPrefix, kMaxSeries);
  const std::vector<Shown> all = ShownDevices(inventory, sight);
  AddPodMetrics(out, all, state);
  AddWallMetrics(out, all, state.walls);
  AddDeviceMetrics(out, all, state);
  AddProgram(out, state);
  std::string text = std::move(out).Text();
  if (state.dcgm_names && state.fresh) text += DcgmMetricsText(state, inventory, sight);
  return text;
}

}  // namespace tranche::node::status
