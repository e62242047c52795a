#include "agent/status/fields.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>

#include "agent/status/metrics.h"
#include "agent/status/report.h"
#include "daemon/metric_families.h"

namespace tranche::agent::status {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Something in every list, and in everything that may be absent.
AgentState FullState() {
  AgentState state;
  state.config.usable = true;
  state.config.warnings = {"w"};
  state.config.not_in_force = {"tranche.memory"};
  state.driver.ready = true;
  state.driver.warnings = {"w"};
  state.gpus.push_back(
      {.uuid = "GPU-1", .lost = true, .healthy_in_seconds = 1.5, .warnings = {"w"}});
  state.resources.push_back({.name = "nvidia.com/gpu", .held = 1});
  state.kubernetes.used = true;
  state.kubernetes.label_value = "v";
  state.missing_parts = {"nvidia-uvm"};
  state.warnings = {"w"};
  state.events.push_back({});
  return state;
}

std::string TypeOf(const base::Json& json) {
  if (json.is_null()) return "null";
  if (json.is_bool()) return "bool";
  if (json.is_string()) return "text";
  if (json.is_array()) return "list";
  return json.is_object() ? "object" : "number";
}

void Collect(const base::Json& json, const std::string& path,
             std::map<std::string, std::string>& types) {
  if (!path.empty()) types[path] = TypeOf(json);
  if (json.is_object()) {
    for (const auto& [key, value] : json.as_object()) {
      Collect(value, path.empty() ? key : path + "." + key, types);
    }
  } else if (json.is_array()) {
    for (const base::Json& item : json.as_array()) Collect(item, path + "[]", types);
  }
}

// What of `json` is not as the table says, or the other way round where it is to have all fields.
std::vector<std::string> Differences(const base::Json& json, bool all) {
  std::map<std::string, std::string> types;
  Collect(json, "", types);
  std::vector<std::string> out;
  for (const StatusField& field : StatusFields()) {
    const auto found = types.find(std::string(field.path));
    if (found == types.end()) {
      if (all) out.push_back("not in status.json: " + std::string(field.path));
      continue;
    }
    const bool or_null = field.type.ends_with(" or null");
    const std::string_view type =
        or_null ? field.type.substr(0, field.type.size() - 8) : field.type;
    if (found->second != type && !(or_null && found->second == "null")) {
      out.push_back(found->first + " is " + found->second);
    }
    types.erase(found);
  }
  for (const auto& [path, type] : types) out.push_back("not in the table: " + path);
  return out;
}

TEST(StatusFieldsTest, TheTableHasEveryFieldAndNoOther) {
  EXPECT_THAT(Differences(StatusJson(FullState()), /*all=*/true), IsEmpty());
  EXPECT_THAT(Differences(StatusJson(AgentState()), /*all=*/false), IsEmpty());
}

TEST(StatusFieldsTest, AFieldTooManyTooFewOrOfAnotherTypeIsFound) {
  base::Json json = StatusJson(FullState());
  json.Set("predecessor", 1);
  json.Set("extra", "x");
  EXPECT_THAT(Differences(json, true),
              ElementsAre("predecessor is number", "not in the table: extra"));
  base::Json empty = StatusJson(AgentState());
  EXPECT_FALSE(Differences(empty, true).empty());
}

TEST(MetricTextsTest, EveryMetricOfTheTableIsSaidOfAFullState) {
  const std::string text = MetricsText(FullState());
  for (const daemon::MetricText& metric : MetricTexts()) {
    EXPECT_NE(text.find("# TYPE " + metric.name + " "), std::string::npos) << metric.name;
    EXPECT_FALSE(metric.help.empty());
  }
}

}  // namespace
}  // namespace tranche::agent::status
