#include "agent/status/fields.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "agent/status/metrics.h"
#include "agent/status/report.h"
#include "daemon/metric_families.h"
#include "daemon/testing/status_differences.h"

namespace tranche::agent::status {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Something in every list, and in everything that may be absent.
AgentState FullState() {
  AgentState state;
  state.config.usable = true;
  state.config.warnings = {"w"};
  state.config.not_in_force = {"tranche.time"};
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

std::vector<std::string> Differences(const base::Json& json, bool all) {
  return daemon::testing::StatusDifferences(json, StatusFields(), all);
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
