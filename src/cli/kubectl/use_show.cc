// The tables and documents of `kubectl tranche top` and `kubectl tranche pods`.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <span>
#include <tuple>
#include <utility>

#include "base/document/api_version.h"
#include "base/json_read.h"
#include "base/log.h"
#include "base/text.h"
#include "cli/common/table.h"
#include "cli/kubectl/use.h"
#include "cli/top/figures.h"
#include "cli/top/tables.h"

namespace tranche::cli::kubectl {

namespace {

using base::Json;
using common::Tint;
using top::PodRow;

constexpr char kNoPod[] = "No pod uses a GPU";

std::vector<top::NodeUse> Nodes(const ClusterUse& use) {
  std::vector<top::NodeUse> nodes;
  for (const ClusterUse::Node& node : use.nodes) nodes.push_back(node.use);
  return nodes;
}

bool IsShown(const std::string& pod_namespace, const UseOptions& options) {
  return options.pod_namespace.empty() || pod_namespace == options.pod_namespace;
}

// Of the nodes, which the rows point into.
std::vector<PodRow> Rows(const std::vector<top::NodeUse>& nodes, const UseOptions& options) {
  std::vector<PodRow> rows = top::PodRows(nodes);
  std::erase_if(rows, [&](const PodRow& row) { return !IsShown(row.pod->pod_namespace, options); });
  return rows;
}

std::string NoPod(const UseOptions& options) {
  return options.pod_namespace.empty()
             ? std::string(kNoPod) + ".\n"
             : fmt::format("{} in namespace {}.\n", kNoPod, base::Printable(options.pod_namespace));
}

// One for each device, so that the devices of all nodes can be sorted together.
std::vector<top::NodeUse> ByDevice(const std::vector<top::NodeUse>& nodes, top::Sort sort) {
  std::vector<top::NodeUse> single;
  for (const top::NodeUse& node : nodes) {
    for (const top::DeviceUse& device : node.devices) {
      single.push_back({.node = node.node, .ready = node.ready, .devices = {device}});
    }
  }
  if (sort != top::Sort::kBusy && sort != top::Sort::kMemory) return single;
  const auto key = [sort](const top::NodeUse& node) {
    const top::DeviceUse& device = node.devices.front();
    return (sort == top::Sort::kBusy ? device.busy_percent : device.memory_used_bytes).value_or(-1);
  };
  std::stable_sort(single.begin(), single.end(),
                   [&](const auto& a, const auto& b) { return key(a) > key(b); });
  return single;
}

std::string Degraded(const std::vector<top::NodeUse>& nodes, common::Color color) {
  std::string out;
  for (const top::NodeUse& node : nodes) {
    for (const std::string& reason : node.degraded) {
      out += fmt::format("  {}: {}\n", node.node, reason);
    }
    if (!node.fresh) out += fmt::format("  {}: the driver does not answer\n", node.node);
  }
  if (out.empty()) return out;
  return "\n" + common::Tinted("Degraded:", Tint::kWarn, color) + "\n" + out;
}

// The other pods on that device, each once.
std::vector<std::string> SharedWith(const PodRow& row) {
  std::set<std::string> others;
  for (const top::PodUse& pod : row.device->pods) others.insert(pod.FullName());
  others.erase(row.pod->FullName());
  return {others.begin(), others.end()};
}

std::string Some(const std::vector<std::string>& names, bool all) {
  constexpr std::size_t kFew = 2;
  if (names.empty()) return "-";
  if (all || names.size() <= kFew) return base::Join(names, ", ");
  return fmt::format("{}, {} and {} more", names[0], names[1], names.size() - kFew);
}

Json Texts(const std::vector<std::string>& lines) {
  std::vector<std::string> printable;
  printable.reserve(lines.size());
  for (const std::string& line : lines) printable.push_back(base::Printable(line));
  return Json::MakeTexts(printable);
}

// What NodeStatus says of the walls of pods, by device, namespace and pod.
using Walls = std::map<std::tuple<std::string, std::string, std::string>, const Json*>;

Walls WallsOf(const Json& status) {
  Walls walls;
  for (const Json& wall : base::ItemsAt(status, "memoryWalls")) {
    walls.try_emplace(
        {base::TextAt(wall, "device"), base::TextAt(wall, "namespace"), base::TextAt(wall, "pod")},
        &wall);
  }
  return walls;
}

// The items of a list that are of a pod that is shown.
Json OfShown(const Json& json, const char* list, const UseOptions& options) {
  Json items = Json::MakeArray();
  for (const Json& item : base::ItemsAt(json, list)) {
    if (IsShown(base::TextAt(item, "namespace"), options)) items.Append(item);
  }
  return items;
}

// The node's own document, without the pods that are not shown.
Json Shown(Json status, const UseOptions& options) {
  if (options.pod_namespace.empty()) return status;
  Json devices = Json::MakeArray();
  for (Json device : base::ItemsAt(status, "devices")) {
    if (device.is_object()) device.Set("pods", OfShown(device, "pods", options));
    devices.Append(std::move(device));
  }
  status.Set("devices", std::move(devices));
  for (const char* list : {"memoryWalls", "waiting"}) {
    if (status.Find(list) != nullptr) status.Set(list, OfShown(status, list, options));
  }
  return status;
}

}  // namespace

std::string ShowTop(const ClusterUse& use, const UseOptions& options, const UseView& view) {
  const std::vector<top::NodeUse> nodes = Nodes(use);
  const top::TableView table{
      .nodes = true, .wide = view.wide, .color = view.color, .now = view.now};
  std::string out = top::DevicesTable(ByDevice(nodes, options.sort), table);
  if (out.empty()) out = "No node has GPUs.\n";
  std::vector<PodRow> rows = Rows(nodes, options);
  top::SortRows(rows, options.sort);
  const std::string pods = top::PodsTable(rows, table);
  return out + "\n" + (pods.empty() ? NoPod(options) : pods) + Degraded(nodes, view.color);
}

std::string ShowPods(const ClusterUse& use, const UseOptions& options, const UseView& view) {
  std::vector<top::NodeUse> nodes = Nodes(use);
  for (top::NodeUse& node : nodes) top::SortPods(node, options.sort);
  std::vector<std::vector<common::Cell>> lines{{{"NODE"},
                                                {"GPU"},
                                                {"NAMESPACE"},
                                                {"POD"},
                                                {"CONTAINER"},
                                                {"REPLICAS"},
                                                {"BUSY"},
                                                {"MEMORY"},
                                                {"SHARED WITH"},
                                                {"FLAGS"}}};
  const bool walls = std::ranges::any_of(nodes, &top::NodeUse::HasWalls);
  if (walls) lines.front().insert(lines.front().end() - 2, {"WALL"});
  if (view.wide) lines.front().insert(lines.front().end(), {{"MODEL"}, {"RESOURCE"}, {"UUID"}});
  const auto text = [](const std::string& value) {
    return common::Cell{value.empty() ? top::kNotKnown : value};
  };
  for (const PodRow& row : Rows(nodes, options)) {
    const top::PodUse& pod = *row.pod;
    const top::DeviceUse& device = *row.device;
    lines.push_back({{row.node->node, Tint::kBold},
                     {device.Name()},
                     text(pod.pod_namespace),
                     {pod.pod, Tint::kBold},
                     text(pod.container),
                     {top::Whole(pod.replicas)},
                     {top::Percent(pod.busy_percent)},
                     {top::BytesOf(pod.memory_bytes, pod.Limit())},
                     {Some(SharedWith(row), view.wide)},
                     {pod.Flags().empty() ? "-" : pod.Flags(), Tint::kWarn}});
    auto& cells = lines.back();
    if (walls) cells.insert(cells.end() - 2, top::WallCell(pod));
    if (view.wide) {
      cells.insert(cells.end(), {text(device.model), text(device.resource), text(device.uuid)});
    }
  }
  return (lines.size() == 1 ? NoPod(options) : common::Table(lines, view.color)) +
         Degraded(nodes, view.color);
}

std::string ShowNames(const ClusterUse& use, const UseOptions& options) {
  const std::vector<top::NodeUse> nodes = Nodes(use);
  std::vector<PodRow> rows = Rows(nodes, options);
  top::SortRows(rows, options.sort);
  std::set<std::string> told;
  std::string out;
  for (const PodRow& row : rows) {
    if (!told.insert(row.pod->FullName()).second) continue;
    out += "pod/" + row.pod->pod + "\n";
  }
  return out;
}

Json TopDocument(const ClusterUse& use, const UseOptions& options) {
  Json nodes = Json::MakeArray();
  for (const ClusterUse::Node& node : use.nodes) {
    nodes.Append(Json::MakeObject({{"name", node.program.node},
                                   {"namespace", node.program.space},
                                   {"pod", node.program.name},
                                   {"status", Shown(node.status, options)}}));
  }
  return Json::MakeObject({{"apiVersion", base::document::kApiVersion},
                           {"kind", "ClusterUse"},
                           {"nodes", std::move(nodes)},
                           {"warnings", Texts(use.warnings)}});
}

Json PodsDocument(const ClusterUse& use, const UseOptions& options) {
  Json items = Json::MakeArray();
  for (const ClusterUse::Node& node : use.nodes) {
    const Walls walls = WallsOf(node.status);
    // Both lists are of the same document, and in its order.
    for (std::size_t d = 0; d < node.use.devices.size(); ++d) {
      const top::DeviceUse& device = node.use.devices[d];
      const Json& told = base::ItemsAt(node.status, "devices")[d];
      for (std::size_t p = 0; p < device.pods.size(); ++p) {
        if (!IsShown(device.pods[p].pod_namespace, options)) continue;
        Json item = base::ItemsAt(told, "pods")[p];
        if (!item.is_object()) continue;
        item.Set("node", node.use.node);
        item.Set("device", device.Name());
        item.Set("uuid", device.uuid);
        const auto wall =
            walls.find({device.uuid, base::TextAt(item, "namespace"), base::TextAt(item, "pod")});
        item.Set("wall", wall == walls.end() ? Json() : *wall->second);
        item.Set("sharedWith", Json::MakeTexts(SharedWith({&node.use, &device, &device.pods[p]})));
        items.Append(std::move(item));
      }
    }
  }
  return Json::MakeObject({{"apiVersion", base::document::kApiVersion},
                           {"kind", "GpuPodList"},
                           {"items", std::move(items)},
                           {"warnings", Texts(use.warnings)}});
}

}  // namespace tranche::cli::kubectl
