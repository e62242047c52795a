#include "cli/sim/node_show.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "cli/common/table.h"
#include "sim/node/mig.h"
#include "sim/node/processes.h"

namespace tranche::cli::sim {
namespace {

using base::Json;

std::uint64_t Used(const tranche::sim::GpuState& gpu) {
  std::uint64_t used = gpu.memory_used;
  for (unsigned i = 0; i < gpu.process_count; ++i) used += gpu.processes[i].memory_bytes;
  return used;
}

unsigned Busy(const tranche::sim::GpuState& gpu) {
  unsigned percent = tranche::sim::BusyByHand(gpu).gpu;
  for (unsigned i = 0; i < gpu.process_count; ++i) {
    if (gpu.processes[i].by_driver != 0) percent += gpu.processes[i].sm_percent;
  }
  return std::min(percent, 100U);
}

Json MigJson(const tranche::sim::GpuState& gpu) {
  Json devices = Json::MakeArray();
  for (unsigned i = 0; i < gpu.gpu_instance_count; ++i) {
    const tranche::sim::GpuInstanceState& instance = gpu.gpu_instances[i];
    const tranche::sim::MigProfileState& profile = gpu.mig_profiles[instance.profile_index];
    for (unsigned j = 0; j < instance.compute_instance_count; ++j) {
      const tranche::sim::ComputeInstanceState& compute = instance.compute_instances[j];
      Json device = Json::MakeObject();
      device.Set("uuid", compute.uuid);
      device.Set("profile", tranche::sim::MigDeviceName(profile, compute));
      device.Set("gpuInstance", instance.id);
      device.Set("computeInstance", compute.id);
      device.Set("memoryMiB", profile.memory_mib);
      devices.Append(std::move(device));
    }
  }
  return devices;
}

Json ProcessesJson(const tranche::sim::GpuState& gpu) {
  static constexpr const char* kKinds[] = {"compute", "graphics", "mps"};
  Json processes = Json::MakeArray();
  for (unsigned i = 0; i < gpu.process_count; ++i) {
    const tranche::sim::ProcessState& process = gpu.processes[i];
    Json entry = Json::MakeObject();
    entry.Set("pid", process.pid);
    entry.Set("kind", kKinds[static_cast<unsigned>(process.kind) % 3]);
    entry.Set("memoryMiB", process.memory_bytes >> 20);
    entry.Set("byDriver", process.by_driver != 0);
    processes.Append(std::move(entry));
  }
  return processes;
}

Json GpuJson(const tranche::sim::GpuState& gpu, unsigned index) {
  Json json = Json::MakeObject();
  json.Set("index", index);
  json.Set("uuid", gpu.uuid);
  json.Set("model", gpu.model);
  json.Set("name", gpu.name);
  json.Set("minor", gpu.minor);
  json.Set("busId", tranche::sim::SysBusId(gpu));
  json.Set("numaNode", gpu.numa_node);
  json.Set("computeCapability", fmt::format("{}.{}", gpu.compute_major, gpu.compute_minor));
  json.Set("memoryMiB", gpu.memory_total >> 20);
  json.Set("memoryUsedMiB", Used(gpu) >> 20);
  json.Set("utilization", Busy(gpu));
  json.Set("temperature", gpu.temperature);
  json.Set("nvlinks", gpu.nvlink_count);
  json.Set("lost", gpu.lost != 0);
  json.Set("listed", 1 + gpu.duplicated);
  json.Set("migCapable", gpu.mig_capable != 0);
  json.Set("mig", gpu.mig_enabled != 0);
  json.Set("migDevices", MigJson(gpu));
  json.Set("processes", ProcessesJson(gpu));
  return json;
}

Json FaultsJson(const tranche::sim::NodeHeader& header) {
  Json faults = Json::MakeArray();
  for (unsigned i = 0; i < header.fault_count; ++i) {
    const tranche::sim::FaultState& fault = header.faults[i];
    if (fault.until_ns != 0 && fault.until_ns <= tranche::sim::MonotonicNs()) continue;
    Json entry = Json::MakeObject();
    entry.Set("call", fault.call);
    entry.Set("what", fault.hang != 0 ? "hangs" : "fails");
    if (fault.hang == 0) entry.Set("code", fault.code);
    if (fault.count != 0) entry.Set("callsOfEachProcess", fault.count);
    faults.Append(std::move(entry));
  }
  return faults;
}

std::string MigText(const tranche::sim::GpuState& gpu) {
  if (gpu.mig_enabled == 0) return gpu.mig_capable != 0 ? "off" : "-";
  std::string text;
  const Json devices = MigJson(gpu);
  for (const Json& device : devices.as_array()) {
    text += (text.empty() ? "" : ",") + device.Find("profile")->as_string();
  }
  return text.empty() ? "on, uncut" : text;
}

}  // namespace

Json SimNodeJson(const tranche::sim::NodeSnapshot& node) {
  Json json = Json::MakeObject();
  json.Set("profile", node.header.profile);
  json.Set("driverVersion", node.header.driver_version);
  json.Set("driverLoaded", node.header.driver_loaded != 0);
  json.Set("cudaVersion", fmt::format("{}.{}", node.header.cuda_version / 1000,
                                      node.header.cuda_version % 1000 / 10));
  json.Set("driverPid", node.header.driver_pid);
  json.Set("driverDied", node.header.driver_died != 0);
  Json gpus = Json::MakeArray();
  unsigned index = 0;
  for (const unsigned slot : tranche::sim::Node::Order(node)) {
    gpus.Append(GpuJson(node.gpus[slot], index++));
  }
  json.Set("gpus", std::move(gpus));
  json.Set("faults", FaultsJson(node.header));
  json.Set("events", node.header.last_event);
  return json;
}

std::string SimNodeText(const tranche::sim::NodeSnapshot& node, cli::common::Color color) {
  std::string text = fmt::format("simulated node {}, driver {}{}\n", node.header.profile,
                                 node.header.driver_version,
                                 node.header.driver_loaded != 0 ? "" : " (not loaded)");
  if (node.header.driver_pid != 0) {
    text += fmt::format("its driver is process {}\n", node.header.driver_pid);
  } else if (node.header.driver_died != 0) {
    text += "its driver died: programs on it have lost their GPUs (tranche sim driver)\n";
  }
  std::vector<std::vector<cli::common::Cell>> rows = {
      {{"GPU"}, {"NAME"}, {"UUID"}, {"BUS"}, {"MEMORY"}, {"UTIL"}, {"MIG"}, {"STATE"}}};
  unsigned index = 0;
  for (const unsigned slot : tranche::sim::Node::Order(node)) {
    const tranche::sim::GpuState& gpu = node.gpus[slot];
    const bool lost = gpu.lost != 0;
    rows.push_back({{std::to_string(index++)},
                    {gpu.name},
                    {gpu.uuid},
                    {tranche::sim::SysBusId(gpu)},
                    {fmt::format("{} of {} MiB", Used(gpu) >> 20, gpu.memory_total >> 20)},
                    {fmt::format("{} %", Busy(gpu))},
                    {MigText(gpu)},
                    {lost                  ? "lost"
                     : gpu.duplicated != 0 ? fmt::format("listed {} times", 1 + gpu.duplicated)
                                           : std::string("present"),
                     lost ? cli::common::Tint::kBad : cli::common::Tint::kGood}});
  }
  text += rows.size() == 1 ? "no GPU\n" : cli::common::Table(rows, color);
  const Json faults = FaultsJson(node.header);
  for (const Json& fault : faults.as_array()) {
    text +=
        fmt::format("{} {}\n", fault.Find("call")->as_string(), fault.Find("what")->as_string());
  }
  return text;
}

}  // namespace tranche::cli::sim
