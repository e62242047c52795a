// What /metrics says of walls: yes, no and why, or nothing where it is not known.
#include "node/status/wall_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>

namespace tranche::node::status {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

std::string Text(WallsState state) {
  const std::vector<daemon::MetricText> table = WallMetricTexts();
  const std::vector<ShownDevice> devices{{.uuid = "GPU-a", .index = "3"}};
  daemon::MetricFamilies out(table, "", 1000);
  AddWallMetrics(out, devices, state);
  return std::move(out).Text();
}

TEST(WallMetricsTest, NothingWhereNoWallIsAskedFor) { EXPECT_EQ(Text({}), ""); }

TEST(WallMetricsTest, YesNoAndNotKnown) {
  walls::Wall wall{.pod = {"team", "a\n"}, .device = "GPU-a", .limit_bytes = 5};
  EXPECT_THAT(Text({.asked_for = true, .walls = {wall}}),
              AllOf(HasSubstr(R"(wall_limit_bytes{gpu="GPU-a",index="3",namespace="team",)"
                              R"(pod="a\\n"} 5)"),
                    Not(HasSubstr("pod_gpu_walled"))));
  wall.walled = true;
  EXPECT_THAT(Text({.asked_for = true, .walls = {wall}}), HasSubstr(R"(reason=""} 1)"));
  wall.walled = false;
  wall.reason = walls::ReasonOf("musl");
  EXPECT_THAT(Text({.asked_for = true, .walls = {wall}}), HasSubstr(R"(reason="musl"} 0)"));
}

}  // namespace
}  // namespace tranche::node::status
