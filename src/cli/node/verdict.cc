#include "cli/node/verdict.h"

#include <fmt/format.h>

#include <algorithm>
#include <ostream>

#include "base/document/api_version.h"
#include "base/json.h"
#include "base/text.h"

namespace tranche::cli::node {
namespace {

using base::Json;
using config::Diagnostic;
using config::Severity;

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

// The line of the file with a caret below the column, as compilers show it.
void PrintCaret(const manifest::Lines& lines, const Diagnostic& one, std::ostream& out) {
  constexpr std::size_t kWidest = 160;
  std::string line(lines.At(one.line));
  const auto column = static_cast<std::size_t>(one.column);
  if (one.line <= 0 || one.column <= 0 || column > std::min(line.size() + 1, kWidest)) return;
  if (line.size() > kWidest) line.resize(kWidest);
  for (char& c : line) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7F) c = ' ';
  }
  out << "    " << line << "\n    " << std::string(column - 1, ' ') << "^\n";
}

void PrintVerdict(const ValidateOptions& options, const Report& report, const Verdict& verdict,
                  std::ostream& out) {
  std::string_view text;
  if (options.carets) text = report.texts.at(verdict.source);
  const manifest::Lines lines(text);
  for (const Diagnostic& one : verdict.findings) {
    out << config::FormatDiagnostic(verdict.source, one) << "\n";
    if (options.carets) PrintCaret(lines, one, out);
  }
  std::string name = verdict.source;
  if (!verdict.carrier.empty()) name += " " + verdict.carrier;
  if (!verdict.name.empty()) name += fmt::format(" profile '{}'", verdict.name);
  out << fmt::format("{}: {}\n", name, verdict.valid() ? "valid" : "invalid");
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

std::string PlaceOf(const Note& note) {
  return note.line > 0 ? fmt::format("{}:{}", note.source, note.line) : note.source;
}

Json FindingsJson(const Verdict& verdict, Severity severity) {
  Json out = Json::MakeArray();
  for (const Diagnostic& one : verdict.findings) {
    if (one.severity != severity) continue;
    Json finding = Json::MakeObject({{"message", one.message}});
    if (!one.instead.empty()) finding.Set("instead", one.instead);
    if (one.line > 0) finding.Set("line", one.line);
    if (one.column > 0) finding.Set("column", one.column);
    out.Append(std::move(finding));
  }
  return out;
}

Json VerdictJson(const Verdict& verdict) {
  Json out = Json::MakeObject({{"file", verdict.source},
                               {"object", verdict.carrier},
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

Json NotesJson(const std::vector<Note>& notes) {
  Json out = Json::MakeArray();
  for (const Note& one : notes) {
    Json note = Json::MakeObject({{"file", one.source}, {"message", one.text}});
    if (one.line > 0) note.Set("line", one.line);
    out.Append(std::move(note));
  }
  return out;
}

}  // namespace

bool Verdict::valid() const {
  return std::none_of(findings.begin(), findings.end(),
                      [](const auto& one) { return one.severity == Severity::kError; });
}

int Report::ExitCode() const {
  const bool invalid = std::any_of(verdicts.begin(), verdicts.end(),
                                   [](const Verdict& one) { return !one.valid(); });
  if (invalid || unreadable) return kValidateInvalid;
  return refused.empty() ? kValidateWell : kValidateNoConfig;
}

void PrintText(const ValidateOptions& options, const base::Result<gpu::Inventory>& inventory,
               const Report& report, std::ostream& out) {
  if (inventory.ok()) {
    out << fmt::format("On {} ({} GPUs):\n", NodeName(options), inventory->gpus.size());
  } else if (!report.verdicts.empty()) {
    out << fmt::format("No GPUs to be asked here ({}); {} says what a config would advertise.\n",
                       inventory.status().message(), options.node_hint);
  }
  for (const Verdict& verdict : report.verdicts) PrintVerdict(options, report, verdict, out);
  for (const Note& one : report.refused) out << PlaceOf(one) << ": " << one.text << "\n";
  for (const Note& one : report.passed)
    out << PlaceOf(one) << ": passed over: " << one.text << "\n";
  for (const Note& one : report.notes) out << PlaceOf(one) << ": note: " << one.text << "\n";
  if (WantsEnvironmentNote(report)) out << "note: " << kEnvironmentNote << "\n";
}

void PrintJson(const ValidateOptions& options, const base::Result<gpu::Inventory>& inventory,
               const Report& report, std::ostream& out) {
  Json profiles = Json::MakeArray();
  for (const Verdict& verdict : report.verdicts) profiles.Append(VerdictJson(verdict));
  Json node = Json::MakeObject({{"name", NodeName(options)}});
  if (inventory.ok()) {
    node.Set("gpus", inventory->gpus.size());
  } else {
    node.Set("error", inventory.status().message());
  }
  Json notes = Json::MakeArray();
  for (const Note& one : report.notes) notes.Append(PlaceOf(one) + ": " + one.text);
  if (WantsEnvironmentNote(report)) notes.Append(kEnvironmentNote);
  out << Json::MakeObject({{"apiVersion", base::document::kApiVersion},
                           {"kind", "Validation"},
                           {"valid", report.ExitCode() == kValidateWell},
                           {"node", std::move(node)},
                           {"profiles", std::move(profiles)},
                           {"refused", NotesJson(report.refused)},
                           {"passedOver", NotesJson(report.passed)},
                           {"notes", std::move(notes)}})
             .Dump(2)
      << "\n";
}

}  // namespace tranche::cli::node
