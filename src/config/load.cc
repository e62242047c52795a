#include "config/load.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "config/decode.h"
#include "config/file_model.h"
#include "config/finalize.h"
#include "config/mistakes.h"
#include "config/schema.h"
#include "config/to_json.h"
#include "config/tranche_options.h"
#include "config/yaml/explain.h"
#include "config/yaml/tree.h"

namespace tranche::config {
namespace {

using yaml::ExplainYaml;
using yaml::Failure;
using yaml::Node;
using yaml::ParseYaml;
using yaml::Tree;

// The stages of upstream's reading, as it names them before an error in a file.
constexpr std::string_view kStages =
    "unable to finalize config: unable to parse config file: error parsing config file: ";
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

std::string Place(const std::string& source, const Diagnostic& diagnostic) {
  std::string place = source;
  if (diagnostic.line > 0) place += fmt::format(":{}", diagnostic.line);
  if (diagnostic.line > 0 && diagnostic.column > 0) place += fmt::format(":{}", diagnostic.column);
  return place;
}

std::string Words(const Diagnostic& diagnostic) {
  const std::string& instead = diagnostic.instead;
  return Printable(diagnostic.message + (instead.empty() ? "" : "; " + instead));
}

bool IsError(const Diagnostic& one) { return one.severity == Severity::kError; }
bool CannotBeMeant(const Diagnostic& one) { return one.severity == Severity::kCannotBeMeant; }

Diagnostic AsDiagnostic(const Failure& failure) {
  return {.severity = Severity::kError,
          .message = failure.message,
          .line = failure.mark.line,
          .column = failure.mark.column};
}

// The value of `tranche`, matched as upstream matches the keys beside it: of several the last in
// order counts.
const Node* OurKey(const Node& root) {
  const Node::Entry* found = nullptr;
  for (const Node::Entry& entry : root.entries) {
    if (!SameWithoutCase(entry.key, "tranche")) continue;
    if (found == nullptr || found->key < entry.key) found = &entry;
  }
  return found == nullptr || found->value->is_null() ? nullptr : found->value;
}

// The findings beyond kMaxFindings become one that says how many there were. It is one of what
// cannot be meant if one of them was; and where all errors are among them, it is the first of
// those.
void Cut(std::vector<Diagnostic>& findings) {
  if (findings.size() <= kMaxFindings) return;
  const auto rest = findings.begin() + static_cast<std::ptrdiff_t>(kMaxFindings);
  Diagnostic more{.message = fmt::format("{} more findings are left out", findings.end() - rest)};
  if (std::any_of(rest, findings.end(), CannotBeMeant)) more.severity = Severity::kCannotBeMeant;
  const auto error = std::find_if(rest, findings.end(), IsError);
  if (error != findings.end() && std::none_of(findings.begin(), rest, IsError)) {
    more = std::move(*error);
  }
  findings.erase(rest, findings.end());
  findings.push_back(std::move(more));
}

// One text with flags and environment, looked through to its end.
class Check {
 public:
  Check(std::string_view text, const std::vector<Override>& environment,
        const std::vector<Override>& command_line, Reader reader)
      : text_(text), overrides_{&environment, &command_line}, reader_(reader) {}

  Checked Run() && {
    if (const auto failure = ParseYaml(text_, tree_)) {
      out_.code = failure->code;
      out_.findings.push_back(ExplainYaml(text_, *failure));
      return std::move(out_);
    }
    out_.findings = FindMistakes(*tree_.root);
    Append(tree_.diagnostics);
    Decode();
    std::stable_sort(out_.findings.begin(), out_.findings.end(),
                     [](const Diagnostic& a, const Diagnostic& b) {
                       return std::pair(a.line, a.column) < std::pair(b.line, b.column);
                     });
    Cut(out_.findings);
    return std::move(out_);
  }

 private:
  void Append(const std::vector<Diagnostic>& more) {
    out_.findings.insert(out_.findings.end(), more.begin(), more.end());
  }

  // The decoder is the judge. What it takes for a mistake is told in the words of FindMistakes, or
  // in its own where those found none.
  void Refuse(const Failure& failure) {
    out_.config.reset();
    out_.code = failure.code;
    if (std::none_of(out_.findings.begin(), out_.findings.end(), IsError)) {
      out_.findings.push_back(AsDiagnostic(failure));
    }
  }

  void Decode() {
    Decoded decoded;
    auto failure = DecodeConfig(*tree_.root, decoded);
    Config config;
    if (!failure) failure = ApplyOverrides(decoded.model);
    if (!failure) failure = Finalize(decoded.model, reader_, config);
    const bool usable = !failure;
    if (usable) {
      // An override may have replaced what was wrong.
      for (Diagnostic& one : out_.findings) {
        if (IsError(one)) one.severity = Severity::kCannotBeMeant;
      }
    }
    std::vector<Diagnostic> ours;
    if (const Node* node = OurKey(*tree_.root); node != nullptr) {
      DecodeTranche(*node, usable ? &config.time_slicing : nullptr, config.tranche, ours);
    }
    Append(ours);
    if (!usable) return Refuse(*failure);
    if (std::any_of(ours.begin(), ours.end(), IsError)) return;
    Append(decoded.not_honoured);
    WarnOfSharing(decoded.model, out_.findings);
    out_.config = std::move(config);
  }

  std::optional<Failure> ApplyOverrides(FileModel& model) {
    for (const auto* overrides : overrides_) {
      for (const Override& given : *overrides) {
        const base::Status applied = ApplyOverride(given, model);
        if (!applied.ok()) return Failure{applied.code(), applied.message(), {}};
      }
    }
    return std::nullopt;
  }

  std::string_view text_;
  std::array<const std::vector<Override>*, 2> overrides_;
  Reader reader_;
  Tree tree_;
  Checked out_;
};

}  // namespace

std::string FormatDiagnostic(const std::string& source, const Diagnostic& diagnostic) {
  return fmt::format("{}: {}: {}", Place(source, diagnostic),
                     IsError(diagnostic) ? "error" : "warning", Words(diagnostic));
}

Checked CheckConfig(std::string_view text, const std::vector<Override>& environment,
                    const std::vector<Override>& command_line, Reader reader) {
  return Check(text, environment, command_line, reader).Run();
}

base::Result<Loaded> LoadConfig(std::string_view text, const std::string& source,
                                const std::vector<Override>& environment,
                                const std::vector<Override>& command_line, Reader reader) {
  Checked checked = CheckConfig(text, environment, command_line, reader);
  if (checked.config) return Loaded{*std::move(checked.config), std::move(checked.findings)};
  const auto& findings = checked.findings;
  const auto first = std::find_if(findings.begin(), findings.end(), IsError);
  TRANCHE_CHECK(first != findings.end());
  // What a flag or a variable says has no place in the file.
  std::string message = first->line > 0 ? Place(source, *first) + ": " : "";
  message += Words(*first);
  const auto more = std::count_if(findings.begin(), findings.end(), IsError) - 1;
  if (more > 0) message += fmt::format(" (and {} more)", more);
  return base::Status(checked.code, std::move(message));
}

base::Result<Normalised> Normalise(std::string_view text) {
  Tree tree;
  Decoded decoded;
  auto failure = ParseYaml(text, tree);
  if (failure) {
    failure->message.insert(0, "unmarshal error: ");
  } else {
    failure = DecodeConfig(*tree.root, decoded);
  }
  if (failure) return base::Status(failure->code, std::string(kStages) + failure->message);
  Normalised out;
  out.config = NormalisedJson(decoded.model);
  for (const Diagnostic& one : decoded.not_honoured) out.upstream_warnings.push_back(one.message);
  return out;
}

}  // namespace tranche::config
