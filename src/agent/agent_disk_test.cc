// What the agent keeps on disk, and what it does where the disk fails.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <string>

#include "agent/testing/agent_fixture.h"

namespace tranche::agent {
namespace {

using config::testing::Shared;
using std::chrono::seconds;
using testing::AgentTest;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::kGpu;
using ::testing::SizeIs;
using ::testing::StartsWith;

TEST_F(AgentTest, AfterARestartWithABadConfigTheLastGoodOneIsInForce) {
  Run([&](Agent&) { loop_.AdvanceBy(seconds(1)); });
  Config("sharing: [");
  Run([&](Agent& agent) {
    EXPECT_THAT(kubelet_.Healthy(kGpu), SizeIs(8));
    EXPECT_TRUE(agent.Snapshot().config.from_last_good);
    EXPECT_THAT(Reasons(agent), Contains("LastGoodConfig"));
  });
}

TEST_F(AgentTest, ADiskThatHangsIsReportedWithItsAgeAndHoldsUpNoPod) {
  Run([&](Agent& agent) {
    disk_->Hang();
    Config(Shared(2));
    loop_.AdvanceBy(seconds(20));
    EXPECT_THAT(kubelet_.Healthy(kGpu), SizeIs(4)) << "the new config is served";
    EXPECT_THAT(agent.Snapshot().Degraded(),
                Contains(StartsWith("disk: saving the last good config has not returned for ")));
    EXPECT_TRUE(agent.Snapshot().Ready());
    disk_->Release();
    loop_.AdvanceBy(seconds(1));
    EXPECT_THAT(agent.Snapshot().Degraded(), IsEmpty());
  });
}

TEST_F(AgentTest, ALastGoodConfigThatCannotBeSavedIsADegradedReason) {
  Run([&](Agent& agent) {
    const std::string file = dir_ / "device-plugins/tranche/last-good.json";
    unlink(file.c_str());
    EXPECT_TRUE(base::MakeDirectories(file).ok()) << "a folder in its place";
    Config(Shared(2));
    loop_.AdvanceBy(std::chrono::minutes(30));
    EXPECT_THAT(agent.Snapshot().Degraded(),
                ElementsAre("config: the last good one is not saved: replace " + file +
                            ": Is a directory"));
    EXPECT_EQ(std::ranges::count(Reasons(agent), "LastGoodNotSaved"), 1);
    rmdir(file.c_str());
    loop_.AdvanceBy(std::chrono::minutes(5));
    EXPECT_THAT(agent.Snapshot().Degraded(), IsEmpty());
  });
}

}  // namespace
}  // namespace tranche::agent
