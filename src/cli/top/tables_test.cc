#include "cli/top/tables.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/top/testing/node_status.h"
#include "cli/top/top.h"

namespace tranche::cli::top {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(TopTablesTest, AreWhatOnceIsPrinted) {
  EXPECT_EQ(
      ShowOnce(testing::Node(), {.now = testing::kNow}),
      "GPU  MODEL                          HEALTH     BUSY     MEMORY         POWER      TEMP   "
      "REPLICAS     PODS\n"
      "0    NVIDIA A100-SXM4-80GB          Healthy    87.0 %   42.0/80.0 GiB  312/400 W  61 °C  "
      "3 of 4 held  3\n"
      "1:0  NVIDIA A100-SXM4-80GB 1g.10gb  Unhealthy  - (mig)  0.0/10.0 GiB   -          -      "
      "-            0\n"
      "\n"
      "GPU  NAMESPACE  POD       CONTAINER  BUSY    MEMORY    LIMIT     PROCS  IDLE    FLAGS\n"
      "0    team-a     train-0   main       61.2 %  30.0 GiB  20.0 GiB  4      busy    over limit\n"
      "0    default    stranger  -          25.8 %  1 MiB     -         1      busy    not "
      "granted\n"
      "0    team-b     notebook  jupyter    0.0 %   10.0 GiB  -         1      12 min  -\n");
}

TEST(TopTablesTest, WideTellsMore) {
  EXPECT_THAT(ShowOnce(testing::Node(), {.wide = true, .now = testing::kNow}),
              AllOf(HasSubstr("12.0 %     nvidia.com/gpu  GPU-a  -\n"), HasSubstr("MIG-b  XID 79"),
                    HasSubstr("2         1234.5 s  99000 J  u1\n")));
}

TEST(TopTablesTest, WallsHaveAColumnWhereThereAreAny) {
  base::Json status = testing::NodeStatus();
  status.Set("memoryWalls", testing::Walls());
  EXPECT_THAT(ShowOnce(testing::Node(status), {.now = testing::kNow}),
              AllOf(HasSubstr("MEMORY    LIMIT     PROCS  IDLE    WALL      FLAGS\n"),
                    HasSubstr("30.0 GiB  40.0 GiB  4      busy    no: musl  no wall: musl, "),
                    HasSubstr("1 MiB     -         1      busy    -         not granted\n"),
                    HasSubstr("10.0 GiB  20.0 GiB  1      12 min  -         -\n")));
  EXPECT_THAT(ShowOnce(testing::Node(status), {.wide = true, .now = testing::kNow}),
              AllOf(HasSubstr("UID  RESERVED  CONTEXTS  REFUSED\n"),
                    HasSubstr("u1   10.0 GiB  512 MiB   7\n")));
}

TEST(TopTablesTest, SortsThePodsOfAllNodesTogether) {
  std::vector<NodeUse> nodes{testing::Node(), testing::Node()};
  nodes[1].node = "other";
  std::vector<PodRow> rows = PodRows(nodes);
  ASSERT_EQ(rows.size(), 6U);
  SortRows(rows, Sort::kMemory);
  EXPECT_EQ(rows[0].pod->pod, "train-0");
  EXPECT_EQ(rows[1].pod->pod, "train-0");
  EXPECT_EQ(rows[1].node->node, "other");
  EXPECT_THAT(PodsTable(rows, {.nodes = true, .now = testing::kNow}),
              AllOf(HasSubstr("NODE      GPU"), HasSubstr("\nother     0    team-a")));
}

TEST(TopTablesTest, NothingToShowIsNoTable) {
  EXPECT_EQ(DevicesTable({}, {}), "");
  EXPECT_EQ(PodsTable({}, {}), "");
  NodeUse node = testing::Node();
  node.devices.clear();
  EXPECT_EQ(ShowOnce(node, {.now = testing::kNow}), "This node has no GPU.\n");
}

TEST(TopTablesTest, WhatIsDegradedFollows) {
  NodeUse node = testing::Node();
  node.degraded = {"driver: not ready"};
  node.fresh = false;
  EXPECT_THAT(ShowOnce(node, {.now = testing::kNow}),
              HasSubstr("\nDegraded:\n  driver: not ready\n  the driver does not answer"));
}

}  // namespace
}  // namespace tranche::cli::top
