// The tables of `kubectl tranche status`: one line for each resource of a node, then what is wrong.
#include <fmt/format.h>

#include <cmath>
#include <map>
#include <optional>

#include "cli/json_read.h"
#include "cli/kubectl_status.h"
#include "cli/table.h"

namespace tranche::cli {

namespace {

using base::Json;
using Cells = std::vector<Cell>;

constexpr char kUnknown[] = "?";

std::string Count(const Json& json, std::string_view key) {
  const auto count = json::Int(json, key);
  return count ? std::to_string(*count) : kUnknown;
}

bool IsGpu(const Json& device) {
  return json::Text(device, "index").find(':') == std::string::npos;
}

bool IsWell(const Json& device) {
  return json::Flag(device, "healthy") && !json::Flag(device, "lost") &&
         json::Text(device, "error").empty();
}

// "dev", "dev (last good; label: dve)", "? (label: dev)", "-" for none.
Cell Profile(const Json& node) {
  const Json& profile = json::Member(node, "profile");
  const std::string label = json::Shown(profile, "label");
  const std::string in_force = json::Shown(profile, "inForce");
  const bool follows_file = in_force.empty() && !json::Text(profile, "source").empty();
  const bool asked = json::Member(profile, "inForce").is_string();
  if (!asked || follows_file) return {label.empty() ? "-" : label, Tint::kNone};
  std::string text = in_force.empty() ? "-" : in_force;
  std::string more = json::Flag(profile, "lastGood") ? "last good" : "";
  if (!label.empty() && label != in_force) {
    more += fmt::format("{}label: {}", more.empty() ? "" : "; ", label);
  }
  if (more.empty()) return {text, Tint::kNone};
  return {fmt::format("{} ({})", text, more), Tint::kWarn};
}

std::string Models(const Json& node) {
  if (!json::Member(node, "gpus").is_array()) return kUnknown;
  std::map<std::string, int> models;
  int mig = 0;
  for (const Json& device : json::Items(node, "gpus")) {
    if (IsGpu(device)) {
      ++models[json::Shown(device, "name")];
    } else {
      ++mig;
    }
  }
  std::string text;
  for (const auto& [model, count] : models) {
    text +=
        fmt::format("{}{} × {}", text.empty() ? "" : ", ", count, model.empty() ? kUnknown : model);
  }
  if (mig > 0) text += fmt::format(" ({} MIG)", mig);
  return text.empty() ? "none" : text;
}

Cell Health(const Json& node) {
  if (!json::Member(node, "gpus").is_array()) return {kUnknown, Tint::kNone};
  const Json::Array& devices = json::Items(node, "gpus");
  std::size_t bad = 0;
  for (const Json& device : devices) bad += IsWell(device) ? 0 : 1;
  if (devices.empty()) return {"-", Tint::kNone};
  if (bad == 0) return {"healthy", Tint::kGood};
  return {fmt::format("{} of {} unhealthy", bad, devices.size()), Tint::kBad};
}

std::string Version(const Json& node) {
  const std::string version = json::Shown(json::Member(node, "agent"), "version");
  return version.empty() ? kUnknown : version;
}

std::string Nodes(const Json& status, Width width, bool color) {
  const bool wide = width == Width::kWide;
  std::vector<Cells> rows{{{"NODE"},
                           {"PROFILE"},
                           {"RESOURCE"},
                           {"ADVERTISED"},
                           {"ALLOCATABLE"},
                           {"IN USE"},
                           {"GPUS"},
                           {"HEALTH"},
                           {"WARNINGS"}}};
  if (wide) rows.front().insert(rows.front().end(), {{"PLUGIN"}, {"VERSION"}, {"DRIVER"}});
  for (const Json& node : json::Items(status, "nodes")) {
    Json::Array resources = json::Items(node, "resources");
    if (resources.empty()) resources.emplace_back();
    const std::size_t warnings = json::Items(node, "warnings").size();
    for (std::size_t i = 0; i < resources.size(); ++i) {
      const Json& resource = resources[i];
      const bool first = i == 0;
      const bool none = resource.is_null();
      Cells cells{
          {first ? json::Shown(node, "name") : "", Tint::kBold},
          first ? Profile(node) : Cell{""},
          {none ? "-" : json::Shown(resource, "name")},
          {none ? "-" : Count(resource, "capacity")},
          {none ? "-" : Count(resource, "allocatable")},
          {none ? "-" : Count(resource, "inUse")},
          {first ? Models(node) : ""},
          first ? Health(node) : Cell{""},
          {first ? std::to_string(warnings) : "", warnings > 0 ? Tint::kWarn : Tint::kNone}};
      if (wide && first) {
        const Json& agent = json::Member(node, "agent");
        const std::string driver = json::Shown(json::Member(node, "driver"), "version");
        cells.push_back({agent.is_object()
                             ? json::Shown(agent, "namespace") + "/" + json::Shown(agent, "pod")
                             : "-"});
        cells.push_back({Version(node)});
        cells.push_back({driver.empty() ? kUnknown : driver});
      }
      rows.push_back(std::move(cells));
    }
  }
  return Table(rows, color);
}

std::string Memory(const Json& device) {
  const auto bytes = json::Int(device, "memoryBytes");
  if (!bytes || *bytes <= 0) return "";
  return fmt::format("{:.1f} GiB", static_cast<double>(*bytes) / (1024.0 * 1024.0 * 1024.0));
}

std::string Reason(const Json& device) {
  if (std::string error = json::Shown(device, "error"); !error.empty()) return error;
  return IsWell(device) ? "" : json::Shown(device, "reason");
}

std::string Gpus(const Json& status, bool color) {
  std::vector<Cells> rows{
      {{"NODE"}, {"GPU"}, {"MODEL"}, {"MEMORY"}, {"HEALTH"}, {"UUID"}, {"REASON"}}};
  for (const Json& node : json::Items(status, "nodes")) {
    for (const Json& device : json::Items(node, "gpus")) {
      const bool well = IsWell(device);
      rows.push_back({{json::Shown(node, "name"), Tint::kBold},
                      {json::Shown(device, "index")},
                      {json::Shown(device, "name")},
                      {Memory(device)},
                      {well ? "healthy" : "unhealthy", well ? Tint::kGood : Tint::kBad},
                      {json::Shown(device, "uuid")},
                      {Reason(device)}});
    }
  }
  return rows.size() == 1 ? "" : "\n" + Table(rows, color);
}

std::string Lines(const Json& status, const std::string& key, std::string_view title, Tint tint,
                  bool color) {
  std::string out;
  for (const std::string& line : json::Lines(status, key)) {
    out += fmt::format("  {}\n", base::Printable(line, 400));
  }
  for (const Json& node : json::Items(status, "nodes")) {
    for (const std::string& line : json::Lines(node, key)) {
      out += fmt::format("  {}: {}\n", json::Shown(node, "name"), base::Printable(line, 400));
    }
  }
  return out.empty() ? out : fmt::format("\n{}\n{}", Tinted(title, tint, color), out);
}

}  // namespace

std::string ShowClusterStatus(const Json& status, Width width, bool color) {
  std::string out;
  if (json::Items(status, "nodes").empty()) {
    out = "No node has GPUs to share: none advertises any, none runs the plugin.\n";
  } else {
    out = Nodes(status, width, color);
    if (width == Width::kWide) out += Gpus(status, color);
  }
  out += Lines(status, "warnings", "Not as asked for:", Tint::kWarn, color);
  out += Lines(status, "notes", "Notes:", Tint::kBold, color);
  return out;
}

}  // namespace tranche::cli
