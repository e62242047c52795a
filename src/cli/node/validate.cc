#include "cli/node/validate.h"

#include <fmt/format.h>

#include <algorithm>
#include <istream>
#include <iterator>
#include <map>
#include <optional>
#include <ostream>

#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "cli/node/manifest.h"
#include "config/load.h"
#include "plan/plan.h"

namespace tranche::cli::node {
namespace {

using base::Json;
using config::Diagnostic;
using config::Severity;

constexpr char kApiVersion[] = "tranche.dev/v1";
// A manifest cannot be larger than Kubernetes' own limit by far.
constexpr std::size_t kMaxFile = config::kMaxConfigBytes;

// What one profile would do.
struct Verdict {
  std::string source;
  std::string name;
  int line = 0;
  std::vector<Diagnostic> findings;
  std::string error;  // the config cannot be used; the place is in the text
  std::optional<plan::Plan> plan;
  bool env_strategy = false;  // containers are told their devices by environment alone

  [[nodiscard]] bool valid() const {
    return error.empty() && std::none_of(findings.begin(), findings.end(), [](const auto& one) {
             return one.severity == Severity::kError;
           });
  }
};

class Judge {
 public:
  Judge(bool lenient, const base::Result<gpu::Inventory>& inventory)
      : lenient_(lenient), inventory_(inventory) {}

  [[nodiscard]] Verdict Of(const std::string& source, const FoundProfile& profile) const {
    Verdict out;
    out.source = source;
    out.name = profile.name;
    out.line = profile.line;
    const auto loaded = config::LoadConfig(profile.text, source, {}, {}, profile.first_line);
    if (!loaded.ok()) {
      out.error = loaded.status().message();
      return out;
    }
    for (Diagnostic one : loaded->warnings) {
      if (one.column > 0) one.column += profile.indent;
      if (one.unknown_key && !lenient_) one.severity = Severity::kError;
      out.findings.push_back(std::move(one));
    }
    const auto& plugin = loaded->config.flags.plugin;
    out.env_strategy = plugin.Uses(config::DeviceListStrategy::kEnvvar);
    if (!inventory_.ok()) return out;
    auto plan = plan::BuildPlan(loaded->config, *inventory_);
    if (!plan.ok()) {
      out.error = plan.status().message();
      return out;
    }
    for (const plan::PlanWarning& one : plan->warnings) {
      out.findings.push_back({Severity::kWarning, one.message, one.line, 0, false});
    }
    out.plan = *std::move(plan);
    return out;
  }

 private:
  bool lenient_;
  const base::Result<gpu::Inventory>& inventory_;
};

struct Report {
  std::vector<Verdict> verdicts;
  std::vector<std::pair<std::string, std::string>> refused;  // file, why there is no config in it
  bool unreadable = false;                                   // a file is no YAML

  [[nodiscard]] int ExitCode() const {
    const bool invalid = std::any_of(verdicts.begin(), verdicts.end(),
                                     [](const Verdict& one) { return !one.valid(); });
    if (invalid || unreadable) return kValidateInvalid;
    return refused.empty() ? kValidateWell : kValidateNoConfig;
  }
};

base::Result<std::string> Read(const std::string& file, std::istream& in) {
  if (file != "-") return base::ReadFile(file, kMaxFile);
  std::string text;
  std::vector<char> chunk(64U << 10U);
  while (in.good() && text.size() <= kMaxFile) {
    in.read(chunk.data(), std::ssize(chunk));
    text.append(chunk.data(), static_cast<std::size_t>(in.gcount()));
  }
  if (text.size() > kMaxFile) {
    return base::Status(base::Code::kOutOfRange, "standard input is larger than 1 MiB");
  }
  return text;
}

Report Examine(const ValidateOptions& options, const Judge& judge, std::istream& in) {
  Report report;
  for (const std::string& file : options.files) {
    const std::string source = file == "-" ? "<stdin>" : file;
    const auto text = Read(file, in);
    if (!text.ok()) {
      report.refused.emplace_back(source, text.status().message());
      continue;
    }
    const auto profiles = FindProfiles(*text, source);
    if (!profiles.ok()) {
      report.unreadable = true;
      report.refused.emplace_back(source, profiles.status().message());
    } else if (profiles->empty()) {
      report.refused.emplace_back(source, "not a sharing config");
    } else {
      for (const FoundProfile& one : *profiles) report.verdicts.push_back(judge.Of(source, one));
    }
  }
  return report;
}

// Replicas to the number of devices that have so many; 1 is not shared.
std::map<int, int> ByReplicas(const share::AdvertisedResource& resource) {
  std::map<int, int> out;
  for (const share::AdvertisedDevice& device : resource.devices) ++out[device.replicas];
  return out;
}

std::string Spread(const share::AdvertisedResource& resource) {
  std::vector<std::string> parts;
  for (const auto& [replicas, devices] : ByReplicas(resource)) {
    const std::string what = fmt::format("{} {}", devices, devices == 1 ? "device" : "devices");
    parts.push_back(replicas == 1 ? what + ", not shared" : fmt::format("{} × {}", what, replicas));
  }
  return base::Join(parts, "; ");
}

void PrintVerdict(const Verdict& verdict, std::ostream& out) {
  const std::string name = verdict.name.empty() ? "" : fmt::format(" profile '{}'", verdict.name);
  out << fmt::format("{}{}: {}\n", verdict.source, name, verdict.valid() ? "valid" : "invalid");
  if (!verdict.error.empty()) out << "  error: " << verdict.error << "\n";
  for (const Diagnostic& one : verdict.findings) {
    out << "  " << config::FormatDiagnostic(verdict.source, one) << "\n";
  }
  if (!verdict.plan) return;
  if (verdict.plan->resources.empty()) out << "  advertises nothing: no devices\n";
  for (const plan::PlannedResource& resource : verdict.plan->resources) {
    out << fmt::format("  {}: {} ({})\n", resource.advertised.name,
                       share::CountIds(resource.advertised), Spread(resource.advertised));
  }
}

constexpr std::string_view kEnvironmentNote =
    "with the device list strategy envvar a container that sets NVIDIA_VISIBLE_DEVICES=all itself "
    "sees every GPU; DEVICE_LIST_STRATEGY=cdi-cri (or cdi-annotations) closes that";

bool WantsEnvironmentNote(const Report& report) {
  return std::any_of(report.verdicts.begin(), report.verdicts.end(), [](const Verdict& one) {
    if (!one.valid() || !one.env_strategy || !one.plan) return false;
    const auto& resources = one.plan->resources;
    return std::any_of(resources.begin(), resources.end(),
                       [](const auto& resource) { return resource.advertised.shared; });
  });
}

std::string NodeName(const ValidateOptions& options) {
  return options.node.empty() ? "this node" : options.node_kind + " " + options.node;
}

void PrintText(const ValidateOptions& options, const base::Result<gpu::Inventory>& inventory,
               const Report& report, std::ostream& out) {
  if (inventory.ok()) {
    out << fmt::format("On {} ({} GPUs):\n", NodeName(options), inventory->gpus.size());
  } else if (!report.verdicts.empty()) {
    out << fmt::format("No GPUs to be asked here ({}); {} says what a config would advertise.\n",
                       inventory.status().message(), options.node_hint);
  }
  for (const Verdict& verdict : report.verdicts) PrintVerdict(verdict, out);
  for (const auto& [source, why] : report.refused) out << source << ": " << why << "\n";
  if (WantsEnvironmentNote(report)) out << "note: " << kEnvironmentNote << "\n";
}

Json FindingsJson(const Verdict& verdict, Severity severity) {
  Json out = Json::MakeArray();
  if (severity == Severity::kError && !verdict.error.empty()) {
    out.Append(Json::MakeObject({{"message", verdict.error}}));
  }
  for (const Diagnostic& one : verdict.findings) {
    if (one.severity != severity) continue;
    Json finding = Json::MakeObject({{"message", one.message}});
    if (one.line > 0) finding.Set("line", one.line);
    if (one.column > 0) finding.Set("column", one.column);
    out.Append(std::move(finding));
  }
  return out;
}

Json VerdictJson(const Verdict& verdict) {
  Json out = Json::MakeObject({{"file", verdict.source},
                               {"profile", verdict.name},
                               {"line", verdict.line},
                               {"valid", verdict.valid()},
                               {"errors", FindingsJson(verdict, Severity::kError)},
                               {"warnings", FindingsJson(verdict, Severity::kWarning)}});
  if (!verdict.plan) return out;
  Json resources = Json::MakeArray();
  for (const plan::PlannedResource& resource : verdict.plan->resources) {
    Json groups = Json::MakeArray();
    for (const auto& [replicas, devices] : ByReplicas(resource.advertised)) {
      groups.Append(Json::MakeObject({{"devices", devices}, {"replicas", replicas}}));
    }
    resources.Append(Json::MakeObject({{"name", resource.advertised.name},
                                       {"count", share::CountIds(resource.advertised)},
                                       {"shared", resource.advertised.shared},
                                       {"devices", std::move(groups)}}));
  }
  out.Set("resources", std::move(resources));
  return out;
}

void PrintJson(const ValidateOptions& options, const base::Result<gpu::Inventory>& inventory,
               const Report& report, std::ostream& out) {
  Json profiles = Json::MakeArray();
  for (const Verdict& verdict : report.verdicts) profiles.Append(VerdictJson(verdict));
  Json refused = Json::MakeArray();
  for (const auto& [source, why] : report.refused) {
    refused.Append(Json::MakeObject({{"file", source}, {"message", why}}));
  }
  Json node = Json::MakeObject({{"name", NodeName(options)}});
  if (inventory.ok()) {
    node.Set("gpus", inventory->gpus.size());
  } else {
    node.Set("error", inventory.status().message());
  }
  Json notes = Json::MakeArray();
  if (WantsEnvironmentNote(report)) notes.Append(kEnvironmentNote);
  out << Json::MakeObject({{"apiVersion", kApiVersion},
                           {"kind", "Validation"},
                           {"valid", report.ExitCode() == kValidateWell},
                           {"node", std::move(node)},
                           {"profiles", std::move(profiles)},
                           {"refused", std::move(refused)},
                           {"notes", std::move(notes)}})
             .Dump(2)
      << "\n";
}

}  // namespace

int RunValidate(const ValidateOptions& options, const InventoryReader& read_inventory,
                std::istream& in, std::ostream& out, std::ostream& errors) {
  const auto inventory = read_inventory(options.node);
  if (!inventory.ok() && !options.node.empty()) {
    errors << "tranche validate: --node " << options.node << ": " << inventory.status().message()
           << "\n";
    return kValidateNoConfig;
  }
  const Report report = Examine(options, Judge(options.lenient, inventory), in);
  if (options.json) {
    PrintJson(options, inventory, report, out);
  } else {
    PrintText(options, inventory, report, out);
  }
  return report.ExitCode();
}

}  // namespace tranche::cli::node
