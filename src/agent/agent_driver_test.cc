// The agent and a driver that fails: what is told where, and what goes on.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <string>
#include <utility>

#include "agent/status/metrics.h"
#include "agent/status/report.h"
#include "agent/testing/agent_test_case.h"

namespace tranche::agent {
namespace {

using base::Code;
using gpu::testing::Failing;
using gpu::testing::Gpus;
using std::chrono::seconds;
using ::testing::Contains;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::kGpu;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

class AgentDriverTest : public testing::AgentTest {
 protected:
  AgentDriverTest() {
    const auto start = options_.gpus.start_driver;
    options_.gpus.start_driver = [this, start](base::EventLoop& loop, const std::string& root,
                                               gpu::DriverThread::Owner listener) {
      auto thread = start(loop, root, std::move(listener));
      thread_->Hang(hangs_at_start_);
      return thread;
    };
  }
  void Wait() { options_.overrides.command_line.push_back(Flag("fail-on-init-error", "false")); }
  static gpu::Inventory AllFail(unsigned count) {
    gpu::Inventory inventory = Gpus(count);
    for (unsigned i = 0; i < count; ++i) inventory = Failing(std::move(inventory), i);
    for (gpu::BrokenGpu& broken : inventory.broken) broken.uuid = "";
    return inventory;
  }
  static int Ready(const Agent& agent) { return status::Readyz(agent.Snapshot()).status; }
  static std::string ReadyText(const Agent& agent) { return status::Readyz(agent.Snapshot()).body; }
  static std::string Metrics(const Agent& agent) { return status::MetricsText(agent.Snapshot()); }

  std::string hangs_at_start_;
};

TEST_F(AgentDriverTest, WhereEveryHandleFailsItEndsAsUpstreamDoes) {
  driver_->SetInventory(AllFail(2));
  EXPECT_EQ(Run([&](Agent&) { EXPECT_TRUE(Ended()); }), 1);
}

TEST_F(AgentDriverTest, OrWaitsWhereThatIsAskedAndSaysWhichGpuAndWhy) {
  Wait();
  driver_->SetInventory(AllFail(2));
  Run([&](Agent& agent) {
    EXPECT_FALSE(Ended());
    EXPECT_THAT(Reasons(agent), Contains("NoUsableGpu"));
    EXPECT_THAT(Reasons(agent), Contains("GpuLeftOut").Times(2));
    EXPECT_EQ(Ready(agent), 200);
    for (const char* index : {"gpu 0: ", "gpu 1: "}) {
      EXPECT_THAT(ReadyText(agent), HasSubstr(std::string(index) +
                                              "nvmlDeviceGetHandleByIndex: unknown error (999)"));
    }
    EXPECT_THAT(ReadyText(agent), HasSubstr("driver: none of its GPUs can be used"));
    EXPECT_THAT(Metrics(agent),
                HasSubstr(R"(tranche_plugin_gpu_left_out{gpu="",index="1",model=""} 1)"));
    driver_->SetInventory(Gpus(2));
    loop_.AdvanceBy(seconds(10));
    EXPECT_THAT(kubelet_.Healthy(kGpu), SizeIs(8));
    EXPECT_THAT(agent.Snapshot().Degraded(), IsEmpty());
  });
}

TEST_F(AgentDriverTest, OneGpuThatIsLeftOutIsSaidAndTheOthersAreServed) {
  driver_->SetInventory(Failing(Gpus(2), 1));
  Run([&](Agent& agent) {
    EXPECT_THAT(kubelet_.Healthy(kGpu), SizeIs(4));
    EXPECT_THAT(Reasons(agent), Contains("GpuLeftOut"));
    EXPECT_EQ(Ready(agent), 200);
    EXPECT_THAT(agent.Snapshot().Degraded(), Contains(StartsWith("gpu GPU-1: nvmlDevice")));
    EXPECT_THAT(Metrics(agent), HasSubstr("tranche_plugin_gpu_left_out{gpu=\"GPU-1\""));
  });
}

TEST_F(AgentDriverTest, ADriverThatListsNoGpuIsSaidAndIsNoError) {
  driver_->SetInventory({});
  Run([&](Agent& agent) {
    EXPECT_FALSE(Ended());
    EXPECT_EQ(Ready(agent), 200);
    EXPECT_THAT(Reasons(agent), Contains("NoUsableGpu"));
    EXPECT_THAT(agent.Snapshot().Degraded(), Contains("driver: it lists no GPU"));
  });
}

TEST_F(AgentDriverTest, WhatTheDriverDoesNotTellIsSaidWithARemedy) {
  gpu::Inventory seen = Gpus(2);
  seen.unread.push_back({.detail = gpu::Detail::kMemory,
                         .uuid = "GPU-1",
                         .error =
                             "nvmlDeviceGetMemoryInfo: insufficient permissions (4): its memory "
                             "is not labelled; NVIDIA_MIG_MONITOR_DEVICES=all"});
  driver_->SetInventory(seen);
  Run([&](Agent& agent) {
    EXPECT_THAT(kubelet_.Healthy(kGpu), SizeIs(8)) << "it is served";
    EXPECT_THAT(Reasons(agent), Contains("GpuPartlyKnown"));
    EXPECT_THAT(agent.Snapshot().Degraded(), Contains(HasSubstr("NVIDIA_MIG_MONITOR_DEVICES")));
    EXPECT_THAT(Metrics(agent), HasSubstr("tranche_plugin_gpu_partly_known{gpu=\"GPU-1\""));
  });
}

TEST_F(AgentDriverTest, ACallThatHangsAtTheStartIsSaidAndItIsReadyWithoutADriver) {
  hangs_at_start_ = "Initialise";
  Run([&](Agent& agent) {
    loop_.AdvanceBy(seconds(6));
    EXPECT_THAT(Reasons(agent), Contains("DriverStuck"));
    EXPECT_EQ(Ready(agent), 503) << "it may be slow only";
    loop_.AdvanceBy(seconds(26));
    EXPECT_FALSE(Ended());
    EXPECT_EQ(Ready(agent), 200);
    EXPECT_THAT(ReadyText(agent), HasSubstr("driver: Initialise has not returned for 3"));
    EXPECT_THAT(Metrics(agent), HasSubstr("tranche_plugin_driver_call_stuck_seconds 3"));
    EXPECT_THAT(kubelet_.endpoints(), IsEmpty()) << "nothing is registered";
    thread_->Hang("");
    loop_.AdvanceBy(seconds(2));
    EXPECT_THAT(kubelet_.Healthy(kGpu), SizeIs(8));
    EXPECT_THAT(agent.Snapshot().Degraded(), IsEmpty());
  });
}

TEST_F(AgentDriverTest, OneFailedCallTakesNothingAway) {
  Run([&](Agent& agent) {
    const int lists = kubelet_.lists();
    const auto look = [&] {
      agent.OnSignal(SIGHUP);
      loop_.RunPosted();
    };
    for (const char* call : {"Enumerate", "Initialise"}) {
      driver_->Fail(call, {Code::kUnavailable, "unknown error (999)"});
      look();
      driver_->Fail(call, base::Status::Ok());
      loop_.AdvanceBy(seconds(10));
    }
    driver_->SetInventory(Failing(Gpus(2), 1));
    look();
    driver_->SetInventory(Gpus(2));
    loop_.AdvanceBy(seconds(10));
    EXPECT_EQ(kubelet_.lists(), lists) << "the kubelet hears nothing of it";
    EXPECT_THAT(Reasons(agent), Not(Contains("DeviceUnhealthy")));
  });
}

TEST_F(AgentDriverTest, ADriverThatFailsForLongTakesItsGpusInOneMessageAndGivesThemBackAtOnce) {
  Run([&](Agent& agent) {
    for (int outage = 0; outage < 3; ++outage) {
      const int lists = kubelet_.lists();
      driver_->Fail("Enumerate", {Code::kUnavailable, "unknown error (999)"});
      loop_.AdvanceBy(seconds(20));
      EXPECT_THAT(kubelet_.Healthy(kGpu), IsEmpty());
      EXPECT_THAT(kubelet_.Unhealthy(kGpu), SizeIs(8));
      EXPECT_EQ(Ready(agent), 200);
      driver_->Fail("Enumerate", base::Status::Ok());
      loop_.AdvanceBy(seconds(2));
      EXPECT_THAT(kubelet_.Healthy(kGpu), SizeIs(8)) << "no wait, however often";
      EXPECT_EQ(kubelet_.lists(), lists + 2);
    }
  });
}

TEST_F(AgentDriverTest, ABurstOfOneXidIsOneRepeatAndTheCommandClearsTheCount) {
  Run([&](Agent& agent) {
    for (int i = 0; i < 8; ++i) thread_->RaiseXid("GPU-0", 94);
    EXPECT_THAT(kubelet_.Unhealthy(kGpu), SizeIs(4));
    EXPECT_THAT(kubelet_.Unhealthy(kGpu), Each(StartsWith("GPU-0::")));
    loop_.AdvanceBy(seconds(61));
    EXPECT_THAT(kubelet_.Healthy(kGpu), SizeIs(8));
    thread_->RaiseXid("GPU-0", 94);
    loop_.AdvanceBy(seconds(61));
    EXPECT_THAT(kubelet_.Healthy(kGpu), SizeIs(4)) << "the second waits for two minutes";
    agent.OnSignal(SIGUSR1);
    EXPECT_THAT(kubelet_.Healthy(kGpu), SizeIs(8));
    thread_->RaiseXid("GPU-0", 94);
    loop_.AdvanceBy(seconds(61));
    EXPECT_THAT(kubelet_.Healthy(kGpu), SizeIs(8)) << "nothing is counted any more";
  });
}

}  // namespace
}  // namespace tranche::agent
