// The CDI spec on disk is as the agent made it, whatever happens to it and to the node.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>

#include "agent/testing/agent_parts_case.h"

namespace tranche::agent {
namespace {

using std::chrono::seconds;
using testing::AgentCdiTest;
using testing::AgentPartsTest;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::kGpu;
using testing::kLibraries;
using ::testing::SizeIs;
using ::testing::StartsWith;

TEST_F(AgentCdiTest, ASpecThatIsDeletedOrDamagedIsWrittenAgain) {
  Run([&](Agent& agent) {
    const std::string spec = Spec();
    ASSERT_FALSE(spec.empty());
    std::filesystem::remove(SpecPath());
    Settle();
    EXPECT_EQ(Spec(), spec);
    std::ofstream(SpecPath()) << "{";
    loop_.AdvanceBy(seconds(1));
    EXPECT_EQ(Spec(), spec);
    std::filesystem::remove_all(dir_ / "cdi");
    loop_.AdvanceBy(seconds(5));
    EXPECT_EQ(Spec(), spec);
    EXPECT_THAT(agent.Snapshot().Degraded(), IsEmpty());
  });
}

TEST_F(AgentCdiTest, AnAnswerNamesOnlyWhatIsInTheSpecByThen) {
  Run([&](Agent&) {
    const std::string spec = Spec();
    std::filesystem::remove(SpecPath());
    EXPECT_THAT(CdiNames(), ElementsAre("k8s.device-plugin.nvidia.com/gpu=GPU-0"));
    EXPECT_EQ(Spec(), spec) << "before the loop has come to it";
    std::ofstream(SpecPath()) << "{";
    EXPECT_THAT(CdiNames(), SizeIs(1));
    EXPECT_EQ(Spec(), spec);
  });
}

// Two that each insist on their own would write it in turn.
TEST_F(AgentCdiTest, ANewerAgentLeavesTheSpecToTheOlderUntilItServes) {
  Run([&](Agent&) {
    const std::string spec = Spec();
    kubelet_.Stop();
    options_.overrides.command_line.push_back(Flag("device-id-strategy", "index"));
    Run([&](Agent&) {
      loop_.AdvanceBy(seconds(2));
      EXPECT_EQ(Spec(), spec) << "mended by the older";
      const base::FileIdentity before = base::IdentityOf(SpecPath());
      loop_.AdvanceBy(std::chrono::minutes(2));
      EXPECT_EQ(base::IdentityOf(SpecPath()), before) << "and written by nobody since";
      kubelet_.Start();
      loop_.AdvanceBy(seconds(2));
      EXPECT_TRUE(kubelet_.Allocate(kGpu, {"GPU-0::0"}).ok());
      EXPECT_NE(Spec(), spec) << "before its first answer it is the newer's";
    });
  });
}

TEST_F(AgentCdiTest, WhereTheSpecCannotBeWrittenAgainNobodyIsGivenItsNames) {
  Run([&](Agent& agent) {
    std::filesystem::remove_all(dir_ / "cdi");
    std::ofstream(dir_ / "cdi") << "no folder";
    EXPECT_THAT(kubelet_.Allocate(kGpu, {"GPU-0::0"}).status().message(),
                HasSubstr("cannot be given to a container"));
    EXPECT_THAT(kubelet_.Unhealthy(kGpu), SizeIs(8));
    EXPECT_THAT(agent.Snapshot().Degraded(), Contains(StartsWith("containers: ")));
    EXPECT_TRUE(agent.Snapshot().config.usable);
    std::filesystem::remove(dir_ / "cdi");
    loop_.AdvanceBy(seconds(6));
    EXPECT_THAT(kubelet_.Healthy(kGpu), SizeIs(8));
    EXPECT_THAT(agent.Snapshot().Degraded(), IsEmpty());
  });
}

TEST_F(AgentCdiTest, HangupAndAKubeletsRestartMakeTheSpecAnew) {
  Run([&](Agent& agent) {
    const auto add = [&](const std::string& name) {
      const std::string soname = name + ".1";
      tree_.Write(std::string(kLibraries) + "/" + name + "." + cdi::testing::kTestVersion,
                  cdi::testing::TestLibrary(soname), 0755);
    };
    add("libnvidia-first.so");
    agent.OnSignal(SIGHUP);
    EXPECT_THAT(Spec(), HasSubstr("libnvidia-first.so"));
    add("libnvidia-second.so");
    kubelet_.Stop();
    loop_.AdvanceBy(seconds(1));
    kubelet_.Start();
    loop_.AdvanceBy(seconds(1));
    EXPECT_THAT(Spec(), HasSubstr("libnvidia-second.so"));
    EXPECT_THAT(kubelet_.Healthy(kGpu), SizeIs(8));
  });
}

TEST_F(AgentCdiTest, ASpecThatHasBecomeImpossibleTakesTheDevicesOutAndKeepsTheConfig) {
  Run([&](Agent& agent) {
    const std::string library =
        std::string(kLibraries) + "/libcuda.so." + cdi::testing::kTestVersion;
    const std::string other =
        std::string(kLibraries) + "/libnvidia-ml.so." + cdi::testing::kTestVersion;
    tree_.Remove(library);
    tree_.Remove(other);
    agent.OnSignal(SIGHUP);
    EXPECT_THAT(kubelet_.Unhealthy(kGpu), SizeIs(8));
    EXPECT_TRUE(agent.Snapshot().config.usable);
    EXPECT_THAT(agent.Snapshot().Degraded(),
                Contains(HasSubstr("unable to make the CDI spec: gpu: libcuda.so.570.172.08")));
    tree_.Write(library, cdi::testing::TestLibrary("libcuda.so.1"), 0755);
    loop_.AdvanceBy(seconds(6));
    EXPECT_THAT(kubelet_.Healthy(kGpu), SizeIs(8));
  });
}

// What is refused is the candidate: what is in force does not depend on it.
TEST_F(AgentPartsTest, AConfigWhoseSpecIsImpossibleLeavesWhatIsServedAlone) {
  tree_.Remove(std::string(kLibraries));
  Run([&](Agent& agent) {
    ASSERT_THAT(kubelet_.Healthy(kGpu), SizeIs(8));
    Config("flags: {plugin: {deviceListStrategy: cdi-cri}}\n" + config::testing::Shared(2));
    loop_.AdvanceBy(seconds(1));
    EXPECT_THAT(agent.Snapshot().config.error, HasSubstr("unable to make the CDI spec"));
    EXPECT_THAT(kubelet_.Healthy(kGpu), SizeIs(8));
  });
}

}  // namespace
}  // namespace tranche::agent
