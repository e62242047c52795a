#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <memory>
#include <string>
#include <vector>

#include "agent/testing/agent_fixture.h"

namespace tranche::agent {
namespace {

using base::Code;
using base::Status;
using config::testing::Shared;
using gpu::testing::Gpus;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::AgentTest;
using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::kGpu;
using testing::kLabel;
using testing::kNode;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

TEST_F(AgentTest, StartsAndServesWhatTheConfigSays) {
  EXPECT_EQ(Run([&](Agent& agent) {
              EXPECT_THAT(kubelet_.Healthy(kGpu), SizeIs(8));
              EXPECT_THAT(kubelet_.endpoints(), ElementsAre("nvidia-gpu.sock"));
              EXPECT_TRUE(agent.Snapshot().Ready());
              EXPECT_THAT(agent.Snapshot().Degraded(), IsEmpty());
              EXPECT_THAT(Reasons(agent), ElementsAre("ConfigApplied"));
              loop_.AdvanceBy(milliseconds(50));
              EXPECT_TRUE(StatusFileIsThere());
              agent.OnSignal(SIGINT);
              EXPECT_TRUE(Ended());
            }),
            0);
  EXPECT_FALSE(StatusFileIsThere()) << "it would speak for an agent that is gone";
  EXPECT_THAT(kubelet_.Healthy(kGpu), IsEmpty());
}

TEST_F(AgentTest, FlagsThatMakeNoSenseAreRefusedBeforeItStarts) {
  options_.overrides.command_line.push_back(Flag("mig-strategy", "double"));
  const auto agent = Agent::New(loop_, options_);
  ASSERT_FALSE(agent.ok());
  EXPECT_THAT(agent.status().message(), HasSubstr("double"));
}

TEST_F(AgentTest, ADriverThatComesLateIsWaitedFor) {
  options_.overrides.command_line.push_back(Flag("fail-on-init-error", "false"));
  driver_->Fail("Initialise", {Code::kNotFound, "no library"});
  Run([&](Agent& agent) {
    EXPECT_FALSE(Ended());
    EXPECT_THAT(Reasons(agent), Contains("DriverNotReady"));
    EXPECT_THAT(agent.Snapshot().Degraded(), Contains(HasSubstr("no library")));
    EXPECT_THAT(kubelet_.Healthy(kGpu), IsEmpty());
    driver_->Fail("Initialise", Status::Ok());
    loop_.AdvanceBy(seconds(2));
    EXPECT_THAT(kubelet_.Healthy(kGpu), SizeIs(8));
    EXPECT_THAT(agent.Snapshot().Degraded(), IsEmpty());
  });
}

TEST_F(AgentTest, ADriverThatIsNotThereEndsItWhereThatIsAsked) {
  driver_->Fail("Initialise", {Code::kNotFound, "no library"});
  EXPECT_EQ(Run([&](Agent&) { EXPECT_TRUE(Ended()); }), 1);
}

TEST_F(AgentTest, TheProfileSaysWhetherADriverThatIsNotThereEndsIt) {
  driver_->Fail("Initialise", {Code::kNotFound, "no library"});
  Config("flags: {failOnInitError: false}");
  Run([&](Agent&) {
    loop_.AdvanceBy(seconds(30));
    EXPECT_FALSE(Ended());
    Config("flags: {failOnInitError: true}");
    loop_.AdvanceBy(seconds(30));
    EXPECT_TRUE(Ended()) << "nothing has been served";
  });
  Config("flags: {failOnInitError: false}");
  options_.overrides.command_line.push_back(Flag("fail-on-init-error", "true"));
  EXPECT_EQ(Run([&](Agent&) { EXPECT_TRUE(Ended()) << "a flag beats it"; }), 1);
}

TEST_F(AgentTest, ADriverThatIsNotThereDoesNotEndItBeforeTheProfileIsKnown) {
  driver_->Fail("Initialise", {Code::kNotFound, "no library"});
  options_.config.config_file = "";
  options_.cluster = {.node_name = "gpu-node",
                      .watch_node = true,
                      .node_label = kLabel,
                      .config_map = "gpu/profiles"};
  api_status_ = {Code::kUnavailable, "no API server"};
  Run([&](Agent&) {
    loop_.AdvanceBy(seconds(30));
    EXPECT_FALSE(Ended());
  });
  options_.overrides.command_line.push_back(Flag("fail-on-init-error", "true"));
  EXPECT_EQ(Run([&](Agent&) { EXPECT_TRUE(Ended()) << "no profile can say otherwise"; }), 1);
}

TEST_F(AgentTest, WhatIsOddAboutItsInstallIsShownAndIsNoFailure) {
  options_.install_warnings = {"values: mps without effect in this chart"};
  Run([&](Agent& agent) {
    EXPECT_THAT(agent.Snapshot().config.warnings,
                ElementsAre("values: mps without effect in this chart"));
    EXPECT_THAT(agent.Snapshot().Degraded(), IsEmpty());
  });
}

TEST_F(AgentTest, ABadEditIsRefusedAndWhatWasInForceStays) {
  Run([&](Agent& agent) {
    const int lists = kubelet_.lists();
    Config("sharing: [");
    loop_.AdvanceBy(seconds(1));
    EXPECT_THAT(Reasons(agent), Contains("ConfigRejected"));
    EXPECT_THAT(agent.Snapshot().Degraded(), Contains(StartsWith("config: ")));
    EXPECT_TRUE(agent.Snapshot().Ready());
    EXPECT_EQ(kubelet_.lists(), lists) << "the kubelet hears nothing of it";
    Config(Shared(2));
    loop_.AdvanceBy(seconds(1));
    EXPECT_THAT(kubelet_.Healthy(kGpu), SizeIs(4));
    EXPECT_THAT(agent.Snapshot().Degraded(), IsEmpty());
    EXPECT_THAT(kubelet_.endpoints(), SizeIs(1)) << "the stream stays open";
  });
}

TEST_F(AgentTest, AGpuThatIsLostIsUnhealthyAndComesBackByItself) {
  Run([&](Agent& agent) {
    driver_->SetInventory(Gpus(1));
    loop_.AdvanceBy(seconds(10));
    EXPECT_THAT(kubelet_.Unhealthy(kGpu), SizeIs(4));
    EXPECT_THAT(kubelet_.Unhealthy(kGpu), Each(StartsWith("GPU-1::")));
    EXPECT_THAT(kubelet_.Healthy(kGpu), SizeIs(4)) << "its neighbour goes on";
    EXPECT_THAT(Reasons(agent), Contains("DeviceUnhealthy"));
    driver_->SetInventory(Gpus(2));
    loop_.AdvanceBy(seconds(10));
    EXPECT_THAT(kubelet_.Healthy(kGpu), SizeIs(8));
    EXPECT_THAT(Reasons(agent), Contains("DeviceRecovered"));
  });
}

TEST_F(AgentTest, AFaultIsToldInOneMessageAndClearedByCommand) {
  Run([&](Agent& agent) {
    const int lists = kubelet_.lists();
    thread_->RaiseXid("GPU-0", 79);
    loop_.RunPosted();
    EXPECT_THAT(kubelet_.Unhealthy(kGpu), SizeIs(4));
    EXPECT_EQ(kubelet_.lists(), lists + 1);
    agent.OnSignal(SIGUSR1);
    EXPECT_THAT(kubelet_.Healthy(kGpu), SizeIs(8));
  });
}

TEST_F(AgentTest, AGpuThatIsPluggedInIsServed) {
  Run([&](Agent&) {
    driver_->SetInventory(Gpus(3));
    EXPECT_TRUE(base::WriteFileAtomic(dir_ / "root/dev/nvidia2", "").ok());
    loop_.RunPosted();
    EXPECT_THAT(kubelet_.Healthy(kGpu), SizeIs(12));
  });
}

TEST_F(AgentTest, RegistersAgainWithAKubeletThatRestarted) {
  Run([&](Agent& agent) {
    kubelet_.Stop();
    loop_.AdvanceBy(seconds(1));
    EXPECT_THAT(kubelet_.Healthy(kGpu), IsEmpty());
    EXPECT_TRUE(agent.Snapshot().Ready()) << "it waits; nothing is wrong with it";
    kubelet_.Start();
    loop_.AdvanceBy(seconds(1));
    EXPECT_THAT(kubelet_.Healthy(kGpu), SizeIs(8));
  });
}

TEST_F(AgentTest, ANewerAgentTakesOverWithoutAGap) {
  Run([&](Agent& older) {
    Run([&](Agent& newer) {
      loop_.AdvanceBy(seconds(3));
      EXPECT_TRUE(older.yielded());
      EXPECT_FALSE(newer.yielded());
      EXPECT_TRUE(Ended());
      EXPECT_THAT(kubelet_.endpoints(), ElementsAre("nvidia-gpu.sock", "nvidia-gpu.1.sock"));
      EXPECT_THAT(Reasons(newer), Contains("TakingOver"));
      EXPECT_THAT(Reasons(older), Contains("Yielded"));
    });
  });
}

TEST_F(AgentTest, ANewerAgentThatCannotServeChangesNothing) {
  Run([&](Agent& older) {
    options_.overrides.command_line.push_back(Flag("fail-on-init-error", "false"));
    driver_->Fail("Initialise", {Code::kNotFound, "no library"});
    Run([&](Agent&) {
      loop_.AdvanceBy(seconds(3));
      EXPECT_FALSE(older.yielded());
    });
  });
}

TEST_F(AgentTest, ToldToEndItKeepsItsStreamsForASuccessorForAWhile) {
  EXPECT_EQ(Run([&](Agent& agent) {
              agent.OnSignal(SIGTERM);
              loop_.AdvanceBy(seconds(3));
              EXPECT_FALSE(Ended());
              EXPECT_THAT(kubelet_.Healthy(kGpu), SizeIs(8));
              loop_.AdvanceBy(seconds(1));
              EXPECT_TRUE(Ended());
              EXPECT_FALSE(agent.yielded());
            }),
            0);
}

TEST_F(AgentTest, ToldToEndWithNothingToHandOverItEndsAtOnce) {
  kubelet_.Stop();
  Run([&](Agent& agent) {
    agent.OnSignal(SIGTERM);
    EXPECT_TRUE(Ended());
  });
}

TEST_F(AgentTest, HangupReadsTheConfigAndRestartsTheDriver) {
  Run([&](Agent& agent) {
    driver_->SetInventory(Gpus(3));
    agent.OnSignal(SIGHUP);
    loop_.RunPosted();
    EXPECT_EQ(driver_->Calls("Shutdown"), 1);
    EXPECT_THAT(kubelet_.Healthy(kGpu), SizeIs(12));
  });
}

class AgentOnAClusterTest : public AgentTest {
 protected:
  AgentOnAClusterTest() {
    options_.config = {.config_file = "",
                       .profiles_directory = dir_ / "profiles",
                       .profile = "",
                       .profile_file = "",
                       .default_profile = "two",
                       .fallbacks = {}};
    options_.cluster = {.node_name = "gpu-node", .watch_node = true, .node_label = kLabel};
    Profile("two", 2);
    Profile("four", 4);
  }
  void Profile(const std::string& name, int replicas) {
    EXPECT_TRUE(
        base::WriteFileAtomic(dir_ / ("profiles/" + name), "version: v1\n" + Shared(replicas))
            .ok());
  }
};

TEST_F(AgentOnAClusterTest, FollowsTheLabelOfItsNode) {
  Run([&](Agent& agent) {
    loop_.AdvanceBy(seconds(1));
    EXPECT_THAT(kubelet_.Healthy(kGpu), SizeIs(4));
    ASSERT_NE(api_, nullptr);
    api_->PutLabel(kNode, kLabel, "four");
    loop_.RunPosted();
    EXPECT_THAT(kubelet_.Healthy(kGpu), SizeIs(8));
    EXPECT_EQ(agent.Snapshot().kubernetes.label_value, "four");
    api_->PutLabel(kNode, kLabel, "none-such");
    loop_.RunPosted();
    EXPECT_THAT(kubelet_.Healthy(kGpu), SizeIs(8)) << "the last good one stays";
    EXPECT_THAT(agent.Snapshot().Degraded(), Not(IsEmpty()));
  });
}

TEST_F(AgentOnAClusterTest, AnApiServerThatCannotBeAskedIsTriedAgain) {
  api_status_ = {Code::kFailedPrecondition, "no token"};
  Run([&](Agent& agent) {
    loop_.AdvanceBy(seconds(6));
    EXPECT_THAT(kubelet_.Healthy(kGpu), SizeIs(4)) << "a node that has nothing gets the default";
    EXPECT_EQ(agent.Snapshot().kubernetes.api, "no token");
    api_status_ = Status::Ok();
    label_ = "four";
    loop_.AdvanceBy(seconds(10));
    EXPECT_THAT(kubelet_.Healthy(kGpu), SizeIs(8));
    EXPECT_EQ(agent.Snapshot().kubernetes.api, profile::kInSync);
  });
}

TEST_F(AgentOnAClusterTest, AfterARestartTheLastGoodConfigServesUntilTheServerAnswers) {
  label_ = "four";
  Run([&](Agent&) { loop_.AdvanceBy(seconds(1)); });
  api_status_ = {Code::kUnavailable, "away"};
  Run([&](Agent& agent) {
    EXPECT_THAT(kubelet_.Healthy(kGpu), SizeIs(8)) << "at once, before anybody is asked";
    EXPECT_TRUE(agent.Snapshot().config.from_last_good);
  });
}

}  // namespace
}  // namespace tranche::agent
