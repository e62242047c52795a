#include "cli/top/use.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/top/testing/node_status.h"

namespace tranche::cli::top {
namespace {

using base::Code;
using base::Json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

std::vector<std::string> Names(const DeviceUse& device) {
  std::vector<std::string> names;
  for (const PodUse& pod : device.pods) names.push_back(pod.pod);
  return names;
}

TEST(NodeUseTest, ReadsWhatTheDocumentSays) {
  const NodeUse node = testing::Node();
  EXPECT_EQ(node.node, "gpu-node");
  EXPECT_TRUE(node.ready);
  ASSERT_EQ(node.devices.size(), 2U);
  const DeviceUse& gpu = node.devices[0];
  EXPECT_EQ(gpu.busy_percent, 87.04);
  EXPECT_EQ(gpu.memory_used_bytes, 42.0 * (1 << 30));
  EXPECT_EQ(gpu.replicas_held, 3);
  EXPECT_EQ(gpu.rest.processes, 2);
  const PodUse& first = gpu.pods[0];
  EXPECT_EQ(first.FullName(), "team-a/train-0");
  EXPECT_EQ(first.limit_bytes, 20.0 * (1 << 30));
  EXPECT_EQ(first.Flags(), "over limit");
}

TEST(NodeUseTest, TheWallOfAPodIsThatOfItsContainers) {
  Json status = testing::NodeStatus();
  status.Set("memoryWalls", testing::Walls());
  const NodeUse node = testing::Node(status);
  ASSERT_TRUE(node.HasWalls());
  EXPECT_FALSE(testing::Node().HasWalls());
  const auto& pods = node.devices[0].pods;
  ASSERT_THAT(Names(node.devices[0]), ElementsAre("train-0", "stranger", "notebook"));
  ASSERT_TRUE(pods[0].wall);
  EXPECT_EQ(pods[0].wall->Word(), "no: musl");
  EXPECT_EQ(pods[0].Limit(), 40.0 * (1 << 30)) << "the wall's, not the profile's";
  EXPECT_EQ(pods[0].Flags(), "no wall: musl, more than counted, 7 refused");
  EXPECT_FALSE(pods[1].wall);
  ASSERT_TRUE(pods[2].wall);
  EXPECT_EQ(pods[2].wall->Word(), "-");
  EXPECT_EQ(pods[2].Flags(), "");
}

TEST(NodeUseTest, WhatIsNotKnownIsNotZero) {
  const NodeUse node = testing::Node();
  EXPECT_EQ(node.devices[1].busy_percent, std::nullopt);
  EXPECT_EQ(node.devices[1].memory_used_bytes, 0.0);
  EXPECT_EQ(node.devices[1].power_watts, std::nullopt);
  EXPECT_EQ(node.devices[0].pods[1].limit_bytes, std::nullopt);
  EXPECT_EQ(node.devices[0].pods[1].energy_joules, std::nullopt);
}

TEST(NodeUseTest, AValueOfAnotherKindOrBelowZeroIsNotKnown) {
  Json status = testing::NodeStatus();
  status.Set("devices",
             Json::MakeArray({Json::MakeObject({{"uuid", 7},
                                                {"busyPercent", "all of it"},
                                                {"memoryBytes", -1},
                                                {"replicas", "many"},
                                                {"pods", Json::MakeArray({"x", 3, nullptr})}}),
                              "no device"}));
  const NodeUse node = testing::Node(status);
  ASSERT_EQ(node.devices.size(), 2U);
  EXPECT_EQ(node.devices[0].busy_percent, std::nullopt);
  EXPECT_EQ(node.devices[0].memory_bytes, std::nullopt);
  EXPECT_EQ(node.devices[0].pods.size(), 3U);
}

TEST(NodeUseTest, OnlyANodeStatusIsTaken) {
  EXPECT_EQ(ReadNodeUse(Json()).status().code(), Code::kInvalidArgument);
  Json status = testing::NodeStatus();
  status.Set("kind", "AgentStatus");
  EXPECT_THAT(ReadNodeUse(status).status().message(), HasSubstr("no NodeStatus"));
  status = testing::NodeStatus();
  status.Set("apiVersion", "tranche.dev/v9");
  EXPECT_THAT(ReadNodeUse(status).status().message(), HasSubstr("tranche.dev/v9"));
}

TEST(NodeUseTest, APodIsAStrangerOnlyWhereGrantsAreKnown) {
  EXPECT_EQ(testing::Node().devices[0].pods[1].Flags(), "not granted");
  Json status = testing::NodeStatus();
  status.Set("grants", Json::MakeObject({{"known", false}, {"error", "no socket"}}));
  EXPECT_EQ(testing::Node(status).devices[0].pods[1].Flags(), "");
}

TEST(NodeUseTest, HostileTextsAreMadePrintable) {
  Json status = testing::NodeStatus();
  status.Set("nodeName", "a\x1b[2Jb\n");
  status.Set("degraded", Json::MakeTexts({"x\ny"}));
  const NodeUse node = testing::Node(status);
  EXPECT_THAT(node.node, Not(HasSubstr("\x1b")));
  EXPECT_THAT(node.degraded, ElementsAre("x\\ny"));
}

TEST(NodeUseTest, HowManyThereAreIsBounded) {
  Json::Array devices(kMaxDevices + 5);
  Json status = testing::NodeStatus();
  status.Set("devices", Json::MakeArray(std::move(devices)));
  EXPECT_EQ(testing::Node(status).devices.size(), kMaxDevices);
}

TEST(NodeUseTest, SortsByWhatIsAskedFor) {
  NodeUse node = testing::Node();
  DeviceUse& gpu = node.devices[0];
  EXPECT_THAT(Names(gpu), ElementsAre("train-0", "stranger", "notebook"));
  SortPods(node, Sort::kMemory);
  EXPECT_THAT(Names(gpu), ElementsAre("train-0", "notebook", "stranger"));
  SortPods(node, Sort::kIdle);
  EXPECT_THAT(Names(gpu), ElementsAre("notebook", "train-0", "stranger"));
  SortPods(node, Sort::kName);
  EXPECT_THAT(Names(gpu), ElementsAre("stranger", "train-0", "notebook"));
}

TEST(NodeUseTest, WhatIsNotKnownComesLast) {
  NodeUse node = testing::Node();
  node.devices[0].pods[0].busy_percent.reset();
  node.devices[0].pods[2].last_active.reset();
  SortPods(node, Sort::kBusy);
  EXPECT_THAT(Names(node.devices[0]), ElementsAre("stranger", "notebook", "train-0"));
  SortPods(node, Sort::kIdle);
  EXPECT_EQ(Names(node.devices[0]).back(), "notebook");
}

TEST(SortTest, NamesAreReadAsTheyAreWritten) {
  for (const Sort sort : kSorts) EXPECT_EQ(ParseSort(SortName(sort)), sort);
  EXPECT_EQ(ParseSort("size"), std::nullopt);
}

}  // namespace
}  // namespace tranche::cli::top
