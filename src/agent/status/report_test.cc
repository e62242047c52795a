#include "agent/status/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "agent/status/metrics.h"

namespace tranche::agent::status {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

AgentState State() {
  AgentState state;
  state.version = "0.1.0";
  state.config = {
      .profile = "dev", .source = "/c/dev", .usable = true, .applied = 2, .rejected = 1};
  state.driver = {.ready = true, .version = "570.172.08", .cuda_version = "12.8"};
  state.gpus.push_back({.uuid = "GPU-1", .index = "0", .name = "A100", .memory_bytes = 1024});
  state.resources.push_back({.name = "nvidia.com/gpu",
                             .endpoint = "nvidia-gpu.sock",
                             .phase = "serving",
                             .devices = 8,
                             .healthy = 4,
                             .registrations = 3,
                             .allocations = 5,
                             .refusals = 6});
  return state;
}

std::string Keys(const base::Json& json) {
  std::string keys;
  for (const auto& [key, value] : json.as_object()) keys += key + " ";
  return keys;
}

// The order is what people diff and what a later reader relies on.
TEST(ReportTest, StatusHasEveryKeyInAFixedOrder) {
  const base::Json json = StatusJson(State());
  EXPECT_EQ(Keys(json),
            "apiVersion kind version started nodeName ready degraded config driver gpus "
            "missingParts resources walls holders kubernetes predecessor warnings events ");
  EXPECT_EQ(Keys(*json.Find("config")),
            "usable profile source fromLastGood wantedProfile wantedSource error awaiting warnings "
            "notInForce applied rejected ");
  EXPECT_EQ(Keys(json.Find("gpus")->as_array()[0]),
            "uuid index name memoryBytes healthy lost reason healthyInSeconds error warnings ");
  EXPECT_EQ(Keys(json.Find("resources")->as_array()[0]),
            "name original endpoint phase shared devices healthy held registrations allocations "
            "refusals error ");
  EXPECT_EQ(Keys(*json.Find("driver")),
            "ready version cudaVersion error stuckCall stuckSeconds warnings ");
  EXPECT_EQ(Keys(*json.Find("holders")), "known error ");
}

TEST(ReportTest, StatusCarriesTheValues) {
  AgentState state = State();
  state.events.push_back({.type = daemon::EventType::kWarning,
                          .reason = "R",
                          .message = "m\x1b\"",
                          .wall_time = "t",
                          .count = 2});
  const base::Json json = StatusJson(state);
  EXPECT_EQ(json.Find("apiVersion")->as_string(), "tranche.dev/v1");
  EXPECT_EQ(json.Find("kind")->as_string(), "AgentStatus");
  EXPECT_TRUE(json.Find("ready")->as_bool());
  const base::Json& resource = json.Find("resources")->as_array()[0];
  EXPECT_TRUE(resource.Find("held")->is_null());
  EXPECT_EQ(resource.Find("refusals")->as_int(), 6);
  EXPECT_EQ(json.Find("events")->as_array()[0].Dump(),
            R"({"type":"Warning","reason":"R","message":"m\\x1b\"","time":"t","count":2})");
  EXPECT_EQ(json.Find("walls")->as_string(), "not asked for");
  state.walls = {.asked = true, .why_not = "nothing publishes it"};
  EXPECT_EQ(StatusJson(state).Find("walls")->as_string(), "not installed: nothing publishes it");
  state.walls.why_not = "";
  EXPECT_EQ(StatusJson(state).Find("walls")->as_string(), "installed");
  state.resources[0].held = 0;
  EXPECT_EQ(StatusJson(state).Find("resources")->as_array()[0].Find("held")->as_int(), 0);
}

TEST(ReportTest, ReadyzIs200WhileDegradedAnd503OnlyWhenNotReady) {
  AgentState state = State();
  EXPECT_EQ(Readyz(state).status, 200);
  EXPECT_EQ(Readyz(state).body,
            "{\"apiVersion\":\"tranche.dev/v1\",\"ready\":true,\"reasons\":[]}\n");
  EXPECT_EQ(Readyz(state).content_type, "application/json");
  state.gpus[0].lost = true;
  EXPECT_EQ(Readyz(state).status, 200);
  EXPECT_THAT(Readyz(state).body, HasSubstr(R"("ready":true,"reasons":["gpu GPU-1: lost"])"));
  state.config.usable = false;
  state.config.error = "bad";
  EXPECT_EQ(Readyz(state).status, 503);
  EXPECT_THAT(Readyz(state).body, HasSubstr(R"("ready":false,"reasons":["config: bad")"));
  EXPECT_EQ(Livez(state).status, 200);
  EXPECT_THAT(Livez(state).body, HasSubstr(R"("live":true,"ready":false)"));
}

// A kubelet's, a driver's, a config's words, in each place where they may stand.
TEST(ReportTest, NoTextReachesAReaderAsItCame) {
  const std::string hostile = "\x1b[2J\n\x07" + std::string(100'000, 'x');
  AgentState state = State();
  state.node_name = state.holders_error = state.predecessor = hostile;
  state.config.profile = state.config.error = state.config.awaiting = hostile;
  state.config.warnings = state.warnings = {hostile};
  state.driver.error = state.driver.version = hostile;
  state.gpus[0].name = state.gpus[0].reason = state.gpus[0].error = hostile;
  state.resources[0].name = state.resources[0].error = hostile;
  state.kubernetes = {.used = true, .api = hostile, .label_value = hostile};
  state.events.push_back({.reason = "R", .message = hostile});
  for (const std::string& text : {StatusJson(state).Dump(2), Readyz(state).body, Livez(state).body,
                                  StatusAnswer(state).body}) {
    EXPECT_THAT(text, HasSubstr("\\\\x1b[2J"));
    EXPECT_THAT(text, Not(HasSubstr("\\u001b")));
    EXPECT_THAT(text, Not(HasSubstr("\x1b")));
    EXPECT_LT(text.size(), 300'000U);
  }
}

TEST(ReportTest, MetricsAreSaidOfEverything) {
  AgentState state = State();
  state.driver.stuck_call = "nvmlInit";
  state.driver.stuck_seconds = 2.5;
  const std::string text = MetricsText(state);
  for (const char* line : {
           "tranche_plugin_build_info{version=\"0.1.0\"} 1\n",
           "tranche_plugin_ready 1\n",
           "tranche_plugin_degraded 1\n",
           "tranche_plugin_config_usable 1\n",
           "tranche_plugin_config_info{profile=\"dev\"} 1\n",
           "# TYPE tranche_plugin_config_applied_total counter\n",
           "tranche_plugin_config_applied_total 2\n",
           "tranche_plugin_config_rejected_total 1\n",
           "tranche_plugin_driver_call_stuck_seconds 2.5\n",
           "tranche_plugin_gpu_healthy{gpu=\"GPU-1\",index=\"0\",model=\"A100\"} 1\n",
           "# TYPE tranche_plugin_devices gauge\n",
           "tranche_plugin_devices{resource=\"nvidia.com/gpu\",health=\"healthy\"} 4\n",
           "tranche_plugin_devices{resource=\"nvidia.com/gpu\",health=\"unhealthy\"} 4\n",
           "tranche_plugin_registrations_total{resource=\"nvidia.com/gpu\"} 3\n",
           "tranche_plugin_allocations_total{resource=\"nvidia.com/gpu\"} 5\n",
           "tranche_plugin_refusals_total{resource=\"nvidia.com/gpu\"} 6\n",
       }) {
    EXPECT_THAT(text, HasSubstr(line));
  }
  EXPECT_THAT(text, Not(HasSubstr("devices_held")));
}

TEST(ReportTest, HostileLabelsAreEscapedAndBounded) {
  AgentState state = State();
  state.gpus[0].name = "a\"} 1\nforged_metric 1\n\xff" + std::string(10'000, 'x');
  const std::string body = MetricsText(state);
  EXPECT_THAT(body, Not(HasSubstr("\nforged_metric")));
  EXPECT_THAT(body, HasSubstr("model=\"a\\\"}"));
  EXPECT_LT(body.size(), 8000U);
}

TEST(ReportTest, AGpuReportedTwiceMakesOneSeriesAndManyAreBounded) {
  AgentState state = State();
  state.gpus.push_back(state.gpus[0]);
  const auto series = [](const std::string& body) {
    int count = 0;
    for (std::size_t at = 0;
         (at = body.find("\ntranche_plugin_gpu_lost{", at)) != std::string::npos; ++at) {
      ++count;
    }
    return count;
  };
  EXPECT_EQ(series(MetricsText(state)), 1);
  for (int i = 0; i < 5000; ++i) {
    state.gpus.push_back({.uuid = "GPU-x" + std::to_string(i), .index = std::to_string(i)});
  }
  EXPECT_EQ(series(MetricsText(state)), 1024);
}

}  // namespace
}  // namespace tranche::agent::status
