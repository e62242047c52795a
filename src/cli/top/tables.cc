#include "cli/top/tables.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "cli/common/table.h"
#include "cli/top/figures.h"

namespace tranche::cli::top {

namespace {

using common::Cell;
using common::Tint;
using Cells = std::vector<Cell>;

Cell Text(const std::string& text, Tint tint = Tint::kNone) {
  return {text.empty() ? kNotKnown : text, tint};
}

Cell Health(const DeviceUse& device) {
  if (device.health.empty()) return {kNotKnown};
  return {device.health, device.health == "Healthy" ? Tint::kGood : Tint::kBad};
}

std::string Power(const DeviceUse& device) {
  if (!device.power_watts) return kNotKnown;
  if (!device.power_limit_watts) return fmt::format("{:.0f} W", *device.power_watts);
  return fmt::format("{:.0f}/{:.0f} W", *device.power_watts, *device.power_limit_watts);
}

std::string Temperature(const DeviceUse& device) {
  return device.temperature_celsius ? fmt::format("{:.0f} °C", *device.temperature_celsius)
                                    : kNotKnown;
}

// Why it is ill, or has no time.
std::string Reason(const DeviceUse& device) {
  if (!device.health_reason.empty()) return device.health_reason;
  return device.unmeasured.empty() ? "" : "no time: " + device.unmeasured;
}

// Where there is none, why not in a word; a driver's own words are the reason's.
std::string Busy(const DeviceUse& device) {
  if (device.busy_percent || device.unmeasured.empty()) return Percent(device.busy_percent);
  const bool known = device.unmeasured == "mig" || device.unmeasured == "not supported";
  return fmt::format("{} ({})", kNotKnown, known ? device.unmeasured : "failed");
}

std::string Energy(const PodUse& pod) {
  return pod.energy_joules ? fmt::format("{:.0f} J", *pod.energy_joules) : kNotKnown;
}

std::string Model(const DeviceUse& device) {
  return device.mig_profile.empty() ? device.model : device.model + " " + device.mig_profile;
}

}  // namespace

Cell WallCell(const PodUse& pod) {
  if (!pod.wall) return {kNotKnown};
  return {pod.wall->Word(), pod.wall->walled == false ? Tint::kBad : Tint::kNone};
}

std::vector<PodRow> PodRows(std::span<const NodeUse> nodes) {
  std::vector<PodRow> rows;
  for (const NodeUse& node : nodes) {
    for (const DeviceUse& device : node.devices) {
      for (const PodUse& pod : device.pods) {
        rows.push_back({.node = &node, .device = &device, .pod = &pod});
      }
    }
  }
  return rows;
}

void SortRows(std::vector<PodRow>& rows, Sort sort) {
  std::stable_sort(rows.begin(), rows.end(), [sort](const PodRow& a, const PodRow& b) {
    return Before(*a.pod, *b.pod, sort);
  });
}

std::string DevicesTable(std::span<const NodeUse> nodes, const TableView& view) {
  Cells headings{{"GPU"},   {"MODEL"}, {"HEALTH"},   {"BUSY"}, {"MEMORY"},
                 {"POWER"}, {"TEMP"},  {"REPLICAS"}, {"PODS"}};
  if (view.nodes) headings.insert(headings.begin(), {"NODE"});
  if (view.wide) {
    headings.insert(headings.end(), {{"CONTENDED"}, {"RESOURCE"}, {"UUID"}, {"REASON"}});
  }
  std::vector<Cells> rows{std::move(headings)};
  for (const NodeUse& node : nodes) {
    for (const DeviceUse& device : node.devices) {
      Cells cells{Text(device.Name(), Tint::kBold),
                  Text(Model(device)),
                  Health(device),
                  {Busy(device)},
                  {BytesOf(device.memory_used_bytes, device.memory_bytes)},
                  {Power(device)},
                  {Temperature(device)},
                  Text(Replicas(device)),
                  {std::to_string(device.pods.size())}};
      if (view.nodes) cells.insert(cells.begin(), Text(node.node, Tint::kBold));
      if (view.wide) {
        cells.insert(cells.end(), {{Percent(device.contended_percent)},
                                   Text(device.resource),
                                   Text(device.uuid),
                                   Text(Reason(device))});
      }
      rows.push_back(std::move(cells));
    }
  }
  return rows.size() == 1 ? "" : common::Table(rows, view.color);
}

std::string PodsTable(const std::vector<PodRow>& pods, const TableView& view) {
  Cells headings{{"GPU"},    {"NAMESPACE"}, {"POD"},   {"CONTAINER"}, {"BUSY"},
                 {"MEMORY"}, {"LIMIT"},     {"PROCS"}, {"IDLE"},      {"FLAGS"}};
  const bool walls =
      std::ranges::any_of(pods, [](const PodRow& row) { return row.pod->wall.has_value(); });
  if (walls) headings.insert(headings.end() - 1, {"WALL"});
  if (view.nodes) headings.insert(headings.begin(), {"NODE"});
  if (view.wide) {
    headings.insert(headings.end(), {{"REPLICAS"}, {"GPU TIME"}, {"ENERGY"}, {"UID"}});
    if (walls) headings.insert(headings.end(), {{"RESERVED"}, {"CONTEXTS"}, {"REFUSED"}});
  }
  std::vector<Cells> rows{std::move(headings)};
  for (const PodRow& row : pods) {
    const PodUse& pod = *row.pod;
    const std::string idle = Idle(pod, view.now);
    Cells cells{Text(row.device->Name()),
                Text(pod.pod_namespace),
                Text(pod.pod, Tint::kBold),
                Text(pod.container),
                {Percent(pod.busy_percent)},
                {Bytes(pod.memory_bytes), pod.OverLimit() ? Tint::kBad : Tint::kNone},
                {Bytes(pod.Limit())},
                {Whole(pod.processes)},
                {idle.empty() ? "busy" : idle},
                Text(pod.Flags(), pod.Flags().empty() ? Tint::kNone : Tint::kWarn)};
    if (walls) cells.insert(cells.end() - 1, WallCell(pod));
    if (view.nodes) cells.insert(cells.begin(), Text(row.node->node, Tint::kBold));
    if (view.wide) {
      cells.insert(
          cells.end(),
          {{Whole(pod.replicas)}, {Seconds(pod.gpu_seconds)}, {Energy(pod)}, Text(pod.uid)});
      if (walls) {
        const WallUse wall = pod.wall.value_or(WallUse{});
        cells.insert(
            cells.end(),
            {{Bytes(wall.used_bytes)}, {Bytes(wall.context_bytes)}, {Whole(wall.refusals)}});
      }
    }
    rows.push_back(std::move(cells));
  }
  return rows.size() == 1 ? "" : common::Table(rows, view.color);
}

}  // namespace tranche::cli::top
