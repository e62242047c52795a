#include "cli/programs/unused_values.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/json.h"
#include "base/json_read.h"
#include "base/log.h"
#include "base/text.h"
#include "config/resource_name.h"

namespace tranche::cli::programs {

namespace {
constexpr std::size_t kMaxKeys = 100;
constexpr std::size_t kMaxKey = 100;
}  // namespace

common::FlagSpec UnusedValuesFlag() {
  return common::Flag("unused-values")
      .Env("TRANCHE_UNUSED_VALUES")
      .Help(
          "set by the Helm chart, as JSON: the values that it was given and does not honour, "
          "which are warned of");
}

std::vector<std::string> UnusedValueWarnings(std::string_view text) {
  if (text.empty()) return {};
  const auto json = base::Json::Parse(text);
  if (!json.ok()) {
    return {"values: what the chart says of values without effect cannot be read: " +
            base::Printable(json.status().message(), kMaxKey)};
  }
  const std::vector<std::string> known = base::TextsAt(*json, "known");
  std::vector<std::string> warnings;
  std::vector<std::string> others;
  std::vector<std::string> unused = base::TextsAt(*json, "unused");
  if (unused.size() > kMaxKeys) unused.resize(kMaxKeys);
  for (const std::string& key : unused) {
    const std::string shown = base::Printable(key, kMaxKey);
    const std::string near = config::NearestName(key, known);
    if (near.empty() || near == key) {
      others.push_back(shown);
    } else {
      warnings.push_back(fmt::format("values: {} has no effect (did you mean {}?)", shown,
                                     base::Printable(near, kMaxKey)));
    }
  }
  if (!others.empty()) {
    warnings.push_back(
        fmt::format("values: {} without effect in this chart", fmt::join(others, ", ")));
  }
  return warnings;
}

std::vector<std::string> WarnOfUnusedValues(std::string_view text) {
  std::vector<std::string> warnings = UnusedValueWarnings(text);
  for (const std::string& warning : warnings) base::LogWarning(warning);
  return warnings;
}

}  // namespace tranche::cli::programs
