// The whole agent in virtual time: its parts are real, what lies around them is in memory but for
// the files that a kubelet and a driver leave on a node.
#include "agent/agent.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <memory>
#include <string>
#include <vector>

#include "apiserver/testing/fake_api.h"
#include "base/disk/testing/fake_worker.h"
#include "base/file.h"
#include "base/testing/fake_loop.h"
#include "base/testing/temp_dir.h"
#include "config/testing/configs.h"
#include "gpu/testing/inline_driver_thread.h"
#include "gpu/testing/inventories.h"
#include "kubelet/testing/inline_kubelet.h"

namespace tranche::agent {
namespace {

using apiserver::testing::FakeApi;
using base::Code;
using base::Status;
using config::testing::Shared;
using gpu::testing::FakeDriver;
using gpu::testing::Gpus;
using gpu::testing::InlineDriverThread;
using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

constexpr char kGpu[] = "nvidia.com/gpu";
constexpr char kNode[] = "/api/v1/nodes/gpu-node";
constexpr char kLabel[] = "nvidia.com/device-plugin.config";

class AgentTest : public ::testing::Test {
 protected:
  AgentTest() {
    EXPECT_TRUE(base::MakeDirectories(dir_ / "root/dev").ok());
    options_.overrides.command_line = {Flag("driver-root-ctr-path", dir_ / "root")};
    options_.config.config_file = dir_ / "config/config.yaml";
    options_.kubelet_socket = dir_ / "device-plugins/kubelet.sock";
    options_.run_directory = dir_ / "run";
    options_.cdi_directory = dir_ / "cdi";
    options_.rescan_interval = std::chrono::seconds(10);
    options_.version = "test";
    options_.node_name = "gpu-node";
    options_.sys_root = dir_ / "none";
    options_.gpus.start_driver = [this](base::EventLoop& loop, const std::string& root,
                                        gpu::DriverThread::Listener listener) {
      EXPECT_EQ(root, dir_ / "root");
      auto thread = std::make_unique<InlineDriverThread>(loop, driver_, std::move(listener));
      thread_ = thread.get();
      return thread;
    };
    options_.new_link = [this](base::EventLoop&) { return kubelet_.NewLink(); };
    options_.new_worker = [this](base::EventLoop&) {
      auto worker = std::make_unique<base::disk::testing::FakeWorker>(loop_);
      disk_ = worker.get();
      return worker;
    };
    options_.new_api = [this](base::EventLoop&) -> base::Result<daemon::ApiConnection> {
      if (!api_status_.ok()) return api_status_;
      auto api = std::make_unique<FakeApi>(loop_);
      api_ = api.get();
      api_->PutLabel(kNode, kLabel, label_);
      return daemon::ApiConnection{.client = std::move(api), .default_namespace = "default"};
    };
    Config(Shared(4));
  }

  static config::Override Flag(const std::string& name, const std::string& value) {
    return config::testing::Flag(name, {value});
  }
  void Config(const std::string& body) {
    EXPECT_TRUE(base::WriteFileAtomic(options_.config.config_file, "version: v1\n" + body).ok());
  }
  // Runs an agent through the script; its exit status.
  int Run(const std::function<void(Agent&)>& script) {
    auto agent = Agent::New(loop_, options_);
    EXPECT_TRUE(agent.ok()) << agent.status().message();
    if (!agent.ok()) return -1;
    loop_.SetScript([&] { script(**agent); });
    return (*agent)->Run();
  }
  bool Ended() { return loop_.stops() > 0; }
  static std::vector<std::string> Reasons(const Agent& agent) {
    std::vector<std::string> reasons;
    for (const daemon::Event& event : agent.Snapshot().events) reasons.push_back(event.reason);
    return reasons;
  }
  bool StatusFileIsThere() const { return base::Exists(dir_ / "run/status.json"); }

  base::testing::TempDir dir_;
  base::testing::FakeLoop loop_;
  kubelet::testing::InlineKubelet kubelet_{loop_, dir_ / "device-plugins/kubelet.sock"};
  std::shared_ptr<FakeDriver> driver_ = std::make_shared<FakeDriver>(Gpus(2));
  InlineDriverThread* thread_ = nullptr;
  base::disk::testing::FakeWorker* disk_ = nullptr;
  FakeApi* api_ = nullptr;
  Status api_status_;
  std::optional<std::string> label_;
  AgentOptions options_;
};

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
