#include "config/load.h"

#include <fmt/format.h>

#include <algorithm>

#include "config/decode.h"
#include "config/finalize.h"
#include "config/overrides.h"
#include "config/to_json.h"
#include "config/tranche_options.h"
#include "config/yaml_tree.h"

namespace tranche::config {
namespace {

constexpr std::string_view kFinalizing =
    "unable to finalize config: unable to parse config file: error parsing config file: ";
constexpr std::string_view kLoading = "unable to load config: ";
constexpr std::size_t kMaxMessage = 4096;

// Values from a file stand in messages: no control bytes, no endless lines.
std::string Printable(std::string message) {
  for (char& c : message) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7F) c = '?';
  }
  if (message.size() > kMaxMessage) {
    message.resize(kMaxMessage);
    message += "...";
  }
  return message;
}

std::optional<Failure> ReadText(std::string_view text, int first_line, Tree& tree,
                                Decoded& decoded) {
  auto failure = ParseYaml(text, tree, first_line);
  if (failure) {
    failure->message = "unmarshal error: " + failure->message;
  } else {
    failure = DecodeConfig(*tree.root, decoded);
  }
  if (failure) failure->message = std::string(kFinalizing) + failure->message;
  decoded.diagnostics.insert(decoded.diagnostics.end(), tree.diagnostics.begin(),
                             tree.diagnostics.end());
  return failure;
}

// A misspelt key is often why something is missing: say both.
std::string Hint(const std::vector<Diagnostic>& diagnostics) {
  const auto unknown = std::find_if(diagnostics.begin(), diagnostics.end(),
                                    [](const Diagnostic& one) { return one.unknown_key; });
  if (unknown == diagnostics.end()) return "";
  return fmt::format("; line {}: {}", unknown->line, unknown->message);
}

// What is left out counts as what is worst in it.
void CutWarnings(std::vector<Diagnostic>& warnings) {
  if (warnings.size() <= kMaxWarnings) return;
  const auto rest = warnings.begin() + static_cast<std::ptrdiff_t>(kMaxWarnings);
  Diagnostic more{.message = fmt::format("{} more warnings are left out", warnings.end() - rest)};
  more.unknown_key =
      std::any_of(rest, warnings.end(), [](const Diagnostic& one) { return one.unknown_key; });
  warnings.erase(rest, warnings.end());
  warnings.push_back(std::move(more));
}

base::Status AsStatus(const Failure& failure, const std::string& source) {
  std::string message = Printable(failure.message);
  if (failure.mark.line > 0) message += fmt::format(" ({}:{})", source, failure.mark.line);
  return {failure.code, std::move(message)};
}

base::Status AsStatus(Failure failure, const std::string& source, const Decoded& decoded) {
  failure.message.insert(0, kLoading);
  const base::Status status = AsStatus(failure, source);
  return {status.code(), status.message() + Printable(Hint(decoded.diagnostics))};
}

}  // namespace

std::string FormatDiagnostic(const std::string& source, const Diagnostic& diagnostic) {
  std::string place = source;
  if (diagnostic.line > 0) place += fmt::format(":{}", diagnostic.line);
  if (diagnostic.line > 0 && diagnostic.column > 0) place += fmt::format(":{}", diagnostic.column);
  const bool error = diagnostic.severity == Severity::kError;
  return fmt::format("{}: {}: {}", place, error ? "error" : "warning",
                     Printable(diagnostic.message));
}

base::Result<Loaded> LoadConfig(std::string_view text, const std::string& source,
                                const std::vector<Override>& environment,
                                const std::vector<Override>& command_line, int first_line) {
  Tree tree;
  Decoded decoded;
  if (const auto failure = ReadText(text, first_line, tree, decoded)) {
    return AsStatus(*failure, source, decoded);
  }
  for (const auto* overrides : {&environment, &command_line}) {
    for (const Override& given : *overrides) TRANCHE_TRY(ApplyOverride(given, decoded.model));
  }
  Loaded out;
  if (const auto failure = Finalize(decoded.model, out.config)) return AsStatus(*failure, source);
  out.warnings = std::move(decoded.diagnostics);
  if (decoded.model.tranche != nullptr) {
    auto failure = DecodeTranche(*decoded.model.tranche, out.config.time_slicing,
                                 out.config.tranche, out.warnings);
    if (failure) {
      failure->message = std::string(kFinalizing) + failure->message;
      decoded.diagnostics = std::move(out.warnings);
      return AsStatus(*failure, source, decoded);
    }
  }
  out.warnings.insert(out.warnings.end(), decoded.not_honoured.begin(), decoded.not_honoured.end());
  WarnOfSharing(decoded.model, out.warnings);
  std::stable_sort(out.warnings.begin(), out.warnings.end(),
                   [](const Diagnostic& a, const Diagnostic& b) { return a.line < b.line; });
  CutWarnings(out.warnings);
  return out;
}

base::Result<Normalised> Normalise(std::string_view text) {
  Tree tree;
  Decoded decoded;
  if (const auto failure = ReadText(text, 1, tree, decoded)) {
    return base::Status(failure->code, failure->message);
  }
  Normalised out;
  out.config = NormalisedJson(decoded.model);
  for (const Diagnostic& one : decoded.not_honoured) out.upstream_warnings.push_back(one.message);
  return out;
}

}  // namespace tranche::config
