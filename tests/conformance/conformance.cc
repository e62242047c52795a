// Holds our reading of config files against vectors that were recorded from upstream's own code.
//
// tranche_conformance FILE…: one JSON object a line, with `case`, `input`, `accept`, then `result`
// (the whole normalised config) and `upstream_warnings`, or `upstream_error`. Exits 1 when any case
// fails, 2 when a file cannot be read.
#include <fmt/format.h>

#include <string>
#include <string_view>

#include "base/file.h"
#include "base/json.h"
#include "base/json_read.h"
#include "config/load.h"

namespace {

using tranche::base::Json;
using tranche::base::TextAt;

struct Tally {
  int passed = 0;
  int failed = 0;
};

// The part of an error that upstream itself fixes. Texts of the YAML and JSON libraries it is built
// with differ between their versions: of those only the stage and the kind count.
std::string_view ErrorClass(std::string_view message) {
  constexpr std::string_view kTypeError = "while decoding JSON: json: cannot unmarshal ";
  for (const std::string_view stage :
       {std::string_view("error converting YAML to JSON: "), kTypeError,
        std::string_view("while decoding JSON: time: ")}) {
    const std::size_t at = message.find(stage);
    if (at == std::string_view::npos) continue;
    if (stage == kTypeError) return message.substr(0, message.find(" into ", at));
    return message.substr(0, at + stage.size());
  }
  return message;
}

// "" or why the case fails.
std::string CheckAccepted(const Json& vector, const tranche::config::Normalised& ours) {
  const Json* result = vector.Find("result");
  if (result == nullptr || result->is_null()) return "an accepted case needs a result";
  if (!(*result == ours.config)) {
    return fmt::format("result differs\n    want {}\n    have {}", result->Dump(),
                       ours.config.Dump());
  }
  Json warnings = Json::MakeArray();
  for (const std::string& warning : ours.upstream_warnings) warnings.Append(warning);
  const Json* wanted = vector.Find("upstream_warnings");
  const Json none = Json::MakeArray();
  if (!((wanted == nullptr ? none : *wanted) == warnings)) {
    return fmt::format("warnings differ\n    want {}\n    have {}",
                       (wanted == nullptr ? none : *wanted).Dump(), warnings.Dump());
  }
  return "";
}

std::string CheckRejected(const Json& vector, const std::string& ours) {
  const std::string wanted = TextAt(vector, "upstream_error");
  if (wanted.empty()) return "a rejected case needs an upstream_error";
  if (ErrorClass(wanted) == ErrorClass(ours)) return "";
  return fmt::format("error differs\n    want {}\n    have {}", wanted, ours);
}

std::string Check(const Json& vector) {
  const Json* input = vector.Find("input");
  const Json* accept = vector.Find("accept");
  if (input == nullptr || !input->is_string() || accept == nullptr || !accept->is_bool()) {
    return "not a vector: input and accept are needed";
  }
  const auto ours = tranche::config::Normalise(input->as_string());
  if (ours.ok() != accept->as_bool()) {
    return ours.ok() ? "accepted here, rejected by upstream: " + TextAt(vector, "upstream_error")
                     : "rejected here, accepted by upstream: " + ours.status().message();
  }
  return ours.ok() ? CheckAccepted(vector, *ours) : CheckRejected(vector, ours.status().message());
}

void RunFile(std::string_view text, Tally& tally) {
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    const auto vector = Json::Parse(line);
    const std::string failure = vector.ok() ? Check(*vector) : vector.status().message();
    const std::string name = vector.ok() ? TextAt(*vector, "case") : "?";
    ++(failure.empty() ? tally.passed : tally.failed);
    fmt::print("{} {}{}{}\n", failure.empty() ? "ok  " : "FAIL", name, failure.empty() ? "" : ": ",
               failure);
  }
}

}  // namespace

int main(int argc, char** argv) {
  constexpr std::size_t kMaxFile = 256U << 20U;
  if (argc < 2) {
    fmt::print(stderr, "usage: tranche_conformance FILE...\n");
    return 2;
  }
  Tally tally;
  for (int i = 1; i < argc; ++i) {
    const auto text = tranche::base::ReadFile(argv[i], kMaxFile);
    if (!text.ok()) {
      fmt::print(stderr, "{}\n", text.status().message());
      return 2;
    }
    RunFile(*text, tally);
  }
  fmt::print("{} passed, {} failed\n", tally.passed, tally.failed);
  return tally.failed == 0 && tally.passed > 0 ? 0 : 1;
}
