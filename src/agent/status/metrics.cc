#include "agent/status/metrics.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "daemon/degraded_reasons.h"

namespace tranche::agent::status {

namespace {

using daemon::MetricKind;
using daemon::MetricText;
using Families = daemon::MetricFamilies;

// Far above any node (16 GPUs of 7 MIG instances); what is beyond is left out.
constexpr std::size_t kMaxSeries = 1024;

constexpr std::string_view kPrefix = "tranche_plugin_";

// What the reasons of being degraded begin with.
constexpr std::array<std::string_view, 7> kParts{"config",     "driver",   "gpu",  "node",
                                                 "kubernetes", "resource", "walls"};

double Flag(bool value) { return value ? 1 : 0; }

void AddAgent(const AgentState& state, Families& out) {
  out.Open("build_info");
  out.Add({state.version}, 1);
  out.Only("ready", Flag(state.Ready()));
  const std::vector<std::string> degraded = state.Degraded();
  out.Only("degraded", Flag(!degraded.empty()));
  daemon::AddDegradedReasons(out, "degraded_reasons", degraded, kParts);
  out.Only("holders_known", Flag(state.holders_known));
}

void AddConfig(const profile::ConfigState& config, Families& out) {
  out.Only("config_usable", Flag(config.usable));
  out.Only("config_from_last_good", Flag(config.from_last_good));
  out.Only("config_applied_total", static_cast<double>(config.applied));
  out.Only("config_rejected_total", static_cast<double>(config.rejected));
  out.Open("config_info");
  if (config.usable) out.Add({config.profile}, 1);
}

void AddDriver(const gpu::DriverState& driver, Families& out) {
  out.Only("driver_ready", Flag(driver.ready));
  out.Only("driver_call_stuck_seconds", driver.stuck_call.empty() ? 0 : driver.stuck_seconds);
  out.Open("driver_info");
  if (driver.ready) {
    out.Add({driver.version, driver.cuda_version}, 1);
  }
}

void AddGpus(const std::vector<gpu::GpuState>& gpus, Families& out) {
  const auto labels = [](const gpu::GpuState& gpu) {
    return std::vector<std::string>{gpu.uuid, gpu.index, gpu.name};
  };
  out.Open("gpu_healthy");
  for (const gpu::GpuState& gpu : gpus) {
    out.Add(labels(gpu), Flag(gpu.healthy && !gpu.lost && gpu.error.empty()));
  }
  out.Open("gpu_lost");
  for (const gpu::GpuState& gpu : gpus) out.Add(labels(gpu), Flag(gpu.lost));
  out.Open("gpu_left_out");
  for (const gpu::GpuState& gpu : gpus) out.Add(labels(gpu), Flag(!gpu.error.empty()));
  out.Open("gpu_partly_known");
  for (const gpu::GpuState& gpu : gpus) out.Add(labels(gpu), Flag(!gpu.warnings.empty()));
  out.Open("gpu_memory_bytes");
  for (const gpu::GpuState& gpu : gpus) out.Add(labels(gpu), static_cast<double>(gpu.memory_bytes));
}

void AddMissingParts(const std::vector<std::string>& parts, Families& out) {
  out.Open("node_part_missing");
  for (const std::string& part : parts) out.Add({part}, 1);
}

void AddDevices(const std::vector<agent::serve::ResourceState>& resources, Families& out) {
  out.Open("devices");
  for (const agent::serve::ResourceState& resource : resources) {
    out.Add({resource.name, "healthy"}, resource.healthy);
    out.Add({resource.name, "unhealthy"}, std::max(0, resource.devices - resource.healthy));
  }
  out.Open("devices_held");
  for (const agent::serve::ResourceState& resource : resources) {
    if (resource.held) out.Add({resource.name}, *resource.held);
  }
  out.Open("resource_serving");
  for (const agent::serve::ResourceState& resource : resources) {
    out.Add({resource.name}, Flag(resource.phase == "serving"));
  }
}

void AddCalls(const std::vector<agent::serve::ResourceState>& resources, Families& out) {
  const auto counter = [&](const char* name, std::uint64_t agent::serve::ResourceState::*field) {
    out.Open(name);
    for (const agent::serve::ResourceState& resource : resources) {
      out.Add({resource.name}, static_cast<double>(resource.*field));
    }
  };
  counter("registrations_total", &agent::serve::ResourceState::registrations);
  counter("allocations_total", &agent::serve::ResourceState::allocations);
  counter("refusals_total", &agent::serve::ResourceState::refusals);
}

}  // namespace

const std::vector<MetricText>& MetricTexts() {
  static const std::vector<MetricText> all = [] {
    constexpr MetricKind kGauge = MetricKind::kGauge;
    constexpr MetricKind kCounter = MetricKind::kCounter;
    std::vector<MetricText> texts{
        {"build_info", kGauge, {"version"}, "Always 1; the agent's version."},
        {"ready", kGauge, {}, "Whether /readyz answers 200."},
        {"degraded", kGauge, {}, "Whether anything is degraded; /readyz has the reasons."},
        {"degraded_reasons",
         kGauge,
         {"part"},
         "How many reasons there are, by what they are about."},
        {"holders_known", kGauge, {}, "Whether the ids that pods hold can be read."},
        {"config_usable", kGauge, {}, "Whether some config is in force."},
        {"config_from_last_good",
         kGauge,
         {},
         "Whether the stored last good config is in force instead of the wanted one."},
        {"config_applied_total", kCounter, {}, "Configs that came into force."},
        {"config_rejected_total", kCounter, {}, "Configs that could not be used."},
        {"config_info", kGauge, {"profile"}, "Always 1; the profile in force."},
        {"driver_ready", kGauge, {}, "Whether the NVIDIA driver answers."},
        {"driver_call_stuck_seconds",
         kGauge,
         {},
         "Age of a driver call that has not returned; 0 when there is none."},
        {"driver_info", kGauge, {"version", "cuda_version"}, "Always 1; versions of the driver."},
        {"gpu_healthy",
         kGauge,
         {"gpu", "index", "model"},
         "Whether the GPU or MIG device is advertised as healthy."},
        {"gpu_lost", kGauge, {"gpu", "index", "model"}, "Whether the GPU has gone away."},
        {"gpu_left_out",
         kGauge,
         {"gpu", "index", "model"},
         "Whether the driver lists the device, but fails to tell what is needed to advertise it."},
        {"gpu_partly_known",
         kGauge,
         {"gpu", "index", "model"},
         "Whether the driver fails to tell something about the device."},
        {"gpu_memory_bytes", kGauge, {"gpu", "index", "model"}, "Memory of the GPU or MIG device."},
        {"node_part_missing",
         kGauge,
         {"part"},
         "Always 1; something of the node that containers need and that is missing."},
        {"devices",
         kGauge,
         {"resource", "health"},
         "Devices advertised to the kubelet, by health."},
        {"devices_held", kGauge, {"resource"}, "Devices that pods hold, where that can be read."},
        {"resource_serving",
         kGauge,
         {"resource"},
         "Whether the kubelet has the resource's device list."},
        {"registrations_total", kCounter, {"resource"}, "Registrations with the kubelet."},
        {"allocations_total", kCounter, {"resource"}, "Containers that were given devices."},
        {"refusals_total", kCounter, {"resource"}, "Allocations that were refused."},
    };
    for (MetricText& text : texts) text.name.insert(0, kPrefix);
    return texts;
  }();
  return all;
}

std::string MetricsText(const AgentState& state) {
  Families out(MetricTexts(), std::string(kPrefix), kMaxSeries);
  AddAgent(state, out);
  AddConfig(state.config, out);
  AddDriver(state.driver, out);
  AddGpus(state.gpus, out);
  AddMissingParts(state.missing_parts, out);
  AddDevices(state.resources, out);
  AddCalls(state.resources, out);
  return std::move(out).Text();
}

}  // namespace tranche::agent::status
