// A driver root, or the folder of CDI specs, on a file system that does not answer.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "agent/status/report.h"
#include "agent/testing/agent_parts_case.h"

namespace tranche::agent {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using testing::AgentCdiTest;
using testing::AgentPartsTest;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::kGpu;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

constexpr char kNoAnswer[] = "has no answer yet";

TEST_F(AgentCdiTest, ADriverRootThatHangsIsNamedWithItsAgeAndStopsNothingElse) {
  Run([&](Agent& agent) {
    ASSERT_THAT(kubelet_.Healthy(kGpu), SizeIs(8));
    driver_root_->Hang();
    loop_.AdvanceBy(seconds(40));  // a look at the driver, and at its nodes
    EXPECT_THAT(agent.Snapshot().Degraded(), Contains(AllOf(StartsWith("driver root: looking at "),
                                                            HasSubstr(" has not returned for "))));
    const auto before = agent.Snapshot().Degraded();
    loop_.AdvanceBy(minutes(1));
    EXPECT_NE(agent.Snapshot().Degraded(), before) << "its age grows";
    EXPECT_THAT(CdiNames(), ElementsAre("k8s.device-plugin.nvidia.com/gpu=GPU-0"));
    EXPECT_THAT(kubelet_.Healthy(kGpu), SizeIs(8));
    EXPECT_EQ(status::Livez(agent.Snapshot()).status, 200);
    // What the driver says is still heard of.
    driver_->Lose("GPU-1");
    loop_.AdvanceBy(seconds(10));
    EXPECT_THAT(kubelet_.Unhealthy(kGpu), Each(StartsWith("GPU-1::")));
    driver_->Return("GPU-1");
    loop_.AdvanceBy(seconds(10));
    EXPECT_THAT(kubelet_.Healthy(kGpu), SizeIs(8));
    driver_root_->Release();
    loop_.AdvanceBy(seconds(1));
    EXPECT_THAT(agent.Snapshot().Degraded(), IsEmpty());
  });
}

TEST_F(AgentCdiTest, WhatChangesMeanwhileIsFollowedOnceItAnswers) {
  Run([&](Agent& agent) {
    driver_root_->Hang();
    tree_.Remove("dev/nvidia1");
    loop_.AdvanceBy(seconds(40));
    EXPECT_THAT(kubelet_.Healthy(kGpu), SizeIs(8));
    EXPECT_THAT(Spec(), HasSubstr("\"GPU-1\""));
    driver_root_->Release();
    loop_.AdvanceBy(seconds(1));
    EXPECT_THAT(kubelet_.Unhealthy(kGpu), AllOf(SizeIs(4), Each(StartsWith("GPU-1::"))));
    EXPECT_THAT(Spec(), Not(HasSubstr("\"GPU-1\"")));
    EXPECT_THAT(agent.Snapshot().Degraded(), SizeIs(1));
  });
}

TEST_F(AgentCdiTest, AConfigIsRefusedUntilItAnswersAndWhatIsServedStays) {
  Run([&](Agent& agent) {
    ASSERT_THAT(kubelet_.Healthy(kGpu), SizeIs(8));
    driver_root_->Hang();
    Config(config::testing::Shared(6));
    loop_.AdvanceBy(seconds(20));
    EXPECT_THAT(agent.Snapshot().config.error, HasSubstr(kNoAnswer));
    EXPECT_EQ(agent.Snapshot().config.rejected, 1U) << "one refusal, however often it is tried";
    EXPECT_THAT(kubelet_.Healthy(kGpu), SizeIs(8));
    EXPECT_LE(driver_root_->waiting(), 6U) << "tries do not pile up";
    driver_root_->Release();
    loop_.RunPosted();
    EXPECT_THAT(kubelet_.Healthy(kGpu), SizeIs(12)) << "at once, and not with the next try";
    EXPECT_THAT(agent.Snapshot().Degraded(), IsEmpty());
  });
}

TEST_F(AgentPartsTest, OneThatHangsFromTheStartIsServedOnceItAnswers) {
  const auto new_worker = options_.new_worker;
  options_.new_worker = [this, new_worker](base::EventLoop& loop) {
    auto worker = new_worker(loop);
    if (driver_root_ == nullptr) disk_->Hang();  // the first one made is the driver root's
    return worker;
  };
  Run([&](Agent& agent) {
    loop_.AdvanceBy(seconds(10));
    EXPECT_THAT(agent.Snapshot().config.error, HasSubstr(kNoAnswer));
    EXPECT_THAT(agent.Snapshot().Degraded(),
                Contains(StartsWith("driver root: looking for the driver root has not returned")));
    EXPECT_EQ(status::Livez(agent.Snapshot()).status, 200);
    driver_root_->Release();
    loop_.AdvanceBy(seconds(1));
    EXPECT_THAT(kubelet_.Healthy(kGpu), SizeIs(8));
  });
}

}  // namespace
}  // namespace tranche::agent
