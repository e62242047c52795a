#include "agent/status/metrics.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <set>
#include <sstream>
#include <utility>

#include "base/log.h"

namespace tranche::agent::status {

namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<ClientMetric::Label>;

constexpr std::size_t kMaxLabelBytes = 128;
// Far above any node (16 GPUs of 7 MIG instances); what is beyond is left out.
constexpr std::size_t kMaxSeries = 1024;

class Families {
 public:
  void Open(const std::string& name, const std::string& help, MetricType type) {
    families_.push_back(
        {.name = "tranche_plugin_" + name, .help = help, .type = type, .metric = {}});
    seen_.clear();
  }
  void Gauge(const std::string& name, const std::string& help, double value) {
    Open(name, help, MetricType::Gauge);
    Add({}, value);
  }
  void Counter(const std::string& name, const std::string& help, std::uint64_t value) {
    Open(name, help, MetricType::Counter);
    Add({}, static_cast<double>(value));
  }

  // Into the family opened last. The same labels twice (a GPU that the driver reports twice) would
  // make a scraper refuse the whole page: the first one stands.
  void Add(Labels labels, double value) {
    MetricFamily& family = families_.back();
    for (ClientMetric::Label& label : labels) {
      label.value = base::Printable(label.value, kMaxLabelBytes);
    }
    if (family.metric.size() >= kMaxSeries || !seen_.insert(labels).second) return;
    ClientMetric metric;
    metric.label = std::move(labels);
    metric.gauge.value = value;
    metric.counter.value = value;
    family.metric.push_back(std::move(metric));
  }

  [[nodiscard]] std::string Text() && {
    std::erase_if(families_, [](const MetricFamily& family) { return family.metric.empty(); });
    std::ostringstream out;
    prometheus::TextSerializer().Serialize(out, families_);
    return out.str();
  }

 private:
  std::vector<MetricFamily> families_;
  std::set<Labels> seen_;
};

double Flag(bool value) { return value ? 1 : 0; }

void AddAgent(const AgentState& state, Families& out) {
  out.Open("build_info", "Always 1; the agent's version.", MetricType::Gauge);
  out.Add({{"version", state.version}}, 1);
  out.Gauge("ready", "Whether /readyz answers 200.", Flag(state.Ready()));
  out.Gauge("degraded", "Whether anything is not as asked for; /readyz has the reasons.",
            Flag(!state.Degraded().empty()));
  out.Gauge("holders_known", "Whether the ids that pods hold can be read.",
            Flag(state.holders_known));
}

void AddConfig(const profile::ConfigState& config, Families& out) {
  out.Gauge("config_usable", "Whether some config is in force.", Flag(config.usable));
  out.Gauge("config_from_last_good",
            "Whether the stored last good config is in force instead of the wanted one.",
            Flag(config.from_last_good));
  out.Counter("config_applied_total", "Configs that came into force.", config.applied);
  out.Counter("config_rejected_total", "Configs that could not be used.", config.rejected);
  out.Open("config_info", "Always 1; the profile in force.", MetricType::Gauge);
  if (config.usable) out.Add({{"profile", config.profile}}, 1);
}

void AddDriver(const gpu::DriverState& driver, Families& out) {
  out.Gauge("driver_ready", "Whether the NVIDIA driver answers.", Flag(driver.ready));
  out.Gauge("driver_call_stuck_seconds",
            "Age of a driver call that has not returned; 0 when there is none.",
            driver.stuck_call.empty() ? 0 : driver.stuck_seconds);
  out.Open("driver_info", "Always 1; versions of the driver.", MetricType::Gauge);
  if (driver.ready) {
    out.Add({{"version", driver.version}, {"cuda_version", driver.cuda_version}}, 1);
  }
}

void AddGpus(const std::vector<gpu::GpuState>& gpus, Families& out) {
  const auto labels = [](const gpu::GpuState& gpu) {
    return Labels{{"gpu", gpu.uuid}, {"index", gpu.index}, {"model", gpu.name}};
  };
  out.Open("gpu_healthy", "Whether the GPU or MIG device is advertised as healthy.",
           MetricType::Gauge);
  for (const gpu::GpuState& gpu : gpus) {
    out.Add(labels(gpu), Flag(gpu.healthy && !gpu.lost && gpu.error.empty()));
  }
  out.Open("gpu_lost", "Whether the GPU has gone away.", MetricType::Gauge);
  for (const gpu::GpuState& gpu : gpus) out.Add(labels(gpu), Flag(gpu.lost));
  out.Open("gpu_memory_bytes", "Memory of the GPU or MIG device.", MetricType::Gauge);
  for (const gpu::GpuState& gpu : gpus) out.Add(labels(gpu), static_cast<double>(gpu.memory_bytes));
}

void AddDevices(const std::vector<agent::serve::ResourceState>& resources, Families& out) {
  out.Open("devices", "Devices advertised to the kubelet, by health.", MetricType::Gauge);
  for (const agent::serve::ResourceState& resource : resources) {
    out.Add({{"resource", resource.name}, {"health", "healthy"}}, resource.healthy);
    out.Add({{"resource", resource.name}, {"health", "unhealthy"}},
            std::max(0, resource.devices - resource.healthy));
  }
  out.Open("devices_held", "Devices that pods hold, where that can be read.", MetricType::Gauge);
  for (const agent::serve::ResourceState& resource : resources) {
    if (resource.held) out.Add({{"resource", resource.name}}, *resource.held);
  }
  out.Open("resource_serving", "Whether the kubelet has the resource's device list.",
           MetricType::Gauge);
  for (const agent::serve::ResourceState& resource : resources) {
    out.Add({{"resource", resource.name}}, Flag(resource.phase == "serving"));
  }
}

void AddCalls(const std::vector<agent::serve::ResourceState>& resources, Families& out) {
  const auto counter = [&](const char* name, const char* help,
                           std::uint64_t agent::serve::ResourceState::*field) {
    out.Open(name, help, MetricType::Counter);
    for (const agent::serve::ResourceState& resource : resources) {
      out.Add({{"resource", resource.name}}, static_cast<double>(resource.*field));
    }
  };
  counter("registrations_total", "Registrations with the kubelet.",
          &agent::serve::ResourceState::registrations);
  counter("allocations_total", "Containers that were given devices.",
          &agent::serve::ResourceState::allocations);
  counter("refusals_total", "Allocations that were refused.",
          &agent::serve::ResourceState::refusals);
}

}  // namespace

std::string MetricsText(const AgentState& state) {
  Families out;
  AddAgent(state, out);
  AddConfig(state.config, out);
  AddDriver(state.driver, out);
  AddGpus(state.gpus, out);
  AddDevices(state.resources, out);
  AddCalls(state.resources, out);
  return std::move(out).Text();
}

}  // namespace tranche::agent::status
