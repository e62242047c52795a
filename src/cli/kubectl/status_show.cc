// The tables of `kubectl tranche status`: one line for each resource of a node, then what is wrong.
#include <fmt/format.h>

#include <cmath>
#include <map>
#include <optional>

#include "base/json_read.h"
#include "base/log.h"
#include "cli/common/table.h"
#include "cli/kubectl/status.h"

namespace tranche::cli::kubectl {

namespace {

using base::Json;
using Cells = std::vector<cli::common::Cell>;

constexpr char kUnknown[] = "?";

std::string Count(const Json& json, std::string_view key) {
  const auto count = base::IntAt(json, key);
  return count ? std::to_string(*count) : kUnknown;
}

bool IsGpu(const Json& device) {
  return base::TextAt(device, "index").find(':') == std::string::npos;
}

bool IsWell(const Json& device) {
  return base::BoolAt(device, "healthy") && !base::BoolAt(device, "lost") &&
         base::TextAt(device, "error").empty();
}

// "dev", "dev (last good; label: dve)", "? (label: dev)", "-" for none.
cli::common::Cell Profile(const Json& node) {
  const Json& profile = base::ValueAt(node, "profile");
  const std::string label = base::PrintableAt(profile, "label");
  const std::string in_force = base::PrintableAt(profile, "inForce");
  const bool follows_file = in_force.empty() && !base::TextAt(profile, "source").empty();
  const bool asked = base::ValueAt(profile, "inForce").is_string();
  if (!asked || follows_file) return {label.empty() ? "-" : label, cli::common::Tint::kNone};
  std::string text = in_force.empty() ? "-" : in_force;
  std::string more = base::BoolAt(profile, "lastGood") ? "last good" : "";
  if (!label.empty() && label != in_force) {
    more += fmt::format("{}label: {}", more.empty() ? "" : "; ", label);
  }
  if (more.empty()) return {text, cli::common::Tint::kNone};
  return {fmt::format("{} ({})", text, more), cli::common::Tint::kWarn};
}

std::string Models(const Json& node) {
  if (!base::ValueAt(node, "gpus").is_array()) return kUnknown;
  std::map<std::string, int> models;
  int mig = 0;
  for (const Json& device : base::ItemsAt(node, "gpus")) {
    if (IsGpu(device)) {
      ++models[base::PrintableAt(device, "name")];
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

cli::common::Cell Health(const Json& node) {
  if (!base::ValueAt(node, "gpus").is_array()) return {kUnknown, cli::common::Tint::kNone};
  const Json::Array& devices = base::ItemsAt(node, "gpus");
  std::size_t bad = 0;
  for (const Json& device : devices) bad += IsWell(device) ? 0 : 1;
  if (devices.empty()) return {"-", cli::common::Tint::kNone};
  if (bad == 0) return {"healthy", cli::common::Tint::kGood};
  return {fmt::format("{} of {} unhealthy", bad, devices.size()), cli::common::Tint::kBad};
}

std::string Version(const Json& node) {
  const std::string version = base::PrintableAt(node, {"agent", "version"});
  return version.empty() ? kUnknown : version;
}

std::string Nodes(const Json& status, Width width, cli::common::Color color) {
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
  for (const Json& node : base::ItemsAt(status, "nodes")) {
    Json::Array resources = base::ItemsAt(node, "resources");
    if (resources.empty()) resources.emplace_back();
    const std::size_t warnings = base::ItemsAt(node, "warnings").size();
    for (std::size_t i = 0; i < resources.size(); ++i) {
      const Json& resource = resources[i];
      const bool first = i == 0;
      const bool none = resource.is_null();
      Cells cells{{first ? base::PrintableAt(node, "name") : "", cli::common::Tint::kBold},
                  first ? Profile(node) : cli::common::Cell{""},
                  {none ? "-" : base::PrintableAt(resource, "name")},
                  {none ? "-" : Count(resource, "capacity")},
                  {none ? "-" : Count(resource, "allocatable")},
                  {none ? "-" : Count(resource, "inUse")},
                  {first ? Models(node) : ""},
                  first ? Health(node) : cli::common::Cell{""},
                  {first ? std::to_string(warnings) : "",
                   warnings > 0 ? cli::common::Tint::kWarn : cli::common::Tint::kNone}};
      if (wide && first) {
        const Json& agent = base::ValueAt(node, "agent");
        const std::string driver = base::PrintableAt(node, {"driver", "version"});
        cells.push_back({agent.is_object() ? base::PrintableAt(agent, "namespace") + "/" +
                                                 base::PrintableAt(agent, "pod")
                                           : "-"});
        cells.push_back({Version(node)});
        cells.push_back({driver.empty() ? kUnknown : driver});
      }
      rows.push_back(std::move(cells));
    }
  }
  return cli::common::Table(rows, color);
}

std::string Memory(const Json& device) {
  const auto bytes = base::IntAt(device, "memoryBytes");
  if (!bytes || *bytes <= 0) return "";
  return fmt::format("{:.1f} GiB", static_cast<double>(*bytes) / (1024.0 * 1024.0 * 1024.0));
}

std::string Reason(const Json& device) {
  if (std::string error = base::PrintableAt(device, "error"); !error.empty()) return error;
  return IsWell(device) ? "" : base::PrintableAt(device, "reason");
}

std::string Gpus(const Json& status, cli::common::Color color) {
  std::vector<Cells> rows{
      {{"NODE"}, {"GPU"}, {"MODEL"}, {"MEMORY"}, {"HEALTH"}, {"UUID"}, {"REASON"}}};
  for (const Json& node : base::ItemsAt(status, "nodes")) {
    for (const Json& device : base::ItemsAt(node, "gpus")) {
      const bool well = IsWell(device);
      rows.push_back({{base::PrintableAt(node, "name"), cli::common::Tint::kBold},
                      {base::PrintableAt(device, "index")},
                      {base::PrintableAt(device, "name")},
                      {Memory(device)},
                      {well ? "healthy" : "unhealthy",
                       well ? cli::common::Tint::kGood : cli::common::Tint::kBad},
                      {base::PrintableAt(device, "uuid")},
                      {Reason(device)}});
    }
  }
  return rows.size() == 1 ? "" : "\n" + cli::common::Table(rows, color);
}

std::string Lines(const Json& status, const std::string& key, std::string_view title,
                  cli::common::Tint tint, cli::common::Color color) {
  std::string out;
  for (const std::string& line : base::TextsAt(status, key)) {
    out += fmt::format("  {}\n", base::Printable(line, 400));
  }
  for (const Json& node : base::ItemsAt(status, "nodes")) {
    for (const std::string& line : base::TextsAt(node, key)) {
      out += fmt::format("  {}: {}\n", base::PrintableAt(node, "name"), base::Printable(line, 400));
    }
  }
  return out.empty() ? out : fmt::format("\n{}\n{}", cli::common::Tinted(title, tint, color), out);
}

}  // namespace

std::string ShowClusterStatus(const Json& status, Width width, cli::common::Color color) {
  std::string out;
  if (base::ItemsAt(status, "nodes").empty()) {
    out = "No node has GPUs to share: none advertises any, none runs the plugin.\n";
  } else {
    out = Nodes(status, width, color);
    if (width == Width::kWide) out += Gpus(status, color);
  }
  out += Lines(status, "warnings", "Degraded:", cli::common::Tint::kWarn, color);
  out += Lines(status, "notes", "Notes:", cli::common::Tint::kBold, color);
  return out;
}

}  // namespace tranche::cli::kubectl
