// Which pods wait, and for what.
#include "node/status/waiting.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gpu/testing/inventories.h"
#include "node/sight/testing/sampled_gpu.h"

namespace tranche::node::status {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

class WaitingTest : public ::testing::Test {
 protected:
  WaitingTest() {
    state_.fresh = true;
    state_.gpus.push_back({.uuid = "GPU-0", .index = "0"});
    sight_.SetHeld(std::vector<identity::Held>{{.pod_namespace = "team",
                                                .pod = "pod-7",
                                                .container = "main",
                                                .device = "GPU-0",
                                                .replicas = 1}});
  }
  void Seconds(int seconds, const std::map<unsigned, double>& percents) {
    for (int i = 0; i < seconds; ++i) {
      gpu_.Run(percents, 6);
      const std::vector<gpu::UsageQuery> queries = sight_.Queries(inventory_);
      gpu::DeviceUsage usage{.uuid = "GPU-0"};
      usage.processes = {{{.pid = 7}, {.pid = 8}}};
      usage.process_samples = gpu_.ProcessSamples(queries[0].process_samples_after_us);
      usage.busy_samples = gpu_.BusySamples(queries[0].busy_samples_after_us);
      sight_.Add(inventory_, {.status = {}, .time_us = gpu_.now_us(), .devices = {usage}});
    }
  }
  // "pod: what".
  std::vector<std::string> Waits() {
    why_.clear();
    std::vector<std::string> told;
    for (const Waiting& one : FindWaiting(state_, ShownDevices(inventory_, sight_)).pods) {
      told.push_back(one.pod + ": " + one.what);
      why_ += one.why + "\n";
      EXPECT_EQ(one.index, "0");
    }
    return told;
  }

  gpu::Inventory inventory_ = gpu::testing::Gpus(1);
  sight::testing::SampledGpu gpu_{1'700'000'000'000'000};
  NodeState state_;
  std::string why_;
  sight::Sight sight_{{.whose =
                           [](unsigned pid) {
                             return sight::Whose{
                                 .kind = sight::Whose::Kind::kPod,
                                 .holder = {"team", "pod-" + std::to_string(pid), "main", "uid"}};
                           },
                       .alive = [](const sight::Holder&) { return true; }}};
};

TEST_F(WaitingTest, PodsThatComputeAtOnceWaitForTime) {
  Seconds(15, {{7, 60}});
  EXPECT_THAT(Waits(), IsEmpty()) << "one alone waits for nobody";
  Seconds(15, {{7, 50}, {8, 40}});
  EXPECT_THAT(Waits(), UnorderedElementsAre("pod-7: time", "pod-8: time"));
  EXPECT_THAT(why_, HasSubstr("2 pods computed at once"));
  state_.fresh = false;
  EXPECT_THAT(Waits(), IsEmpty()) << "that was a while ago";
  state_.fresh = true;
  Seconds(15, {{7, 60}});
  EXPECT_THAT(Waits(), IsEmpty());
}

TEST_F(WaitingTest, WhoHoldsAGpuThatIsNotWellWaitsForIt) {
  Seconds(2, {});
  EXPECT_THAT(Waits(), IsEmpty());
  state_.gpus[0].healthy = false;
  state_.gpus[0].reason = "XID 79";
  EXPECT_THAT(Waits(), UnorderedElementsAre("pod-7: device", "pod-8: device"));
  EXPECT_THAT(why_, HasSubstr("unhealthy: XID 79"));
  state_.gpus[0].lost = true;
  Waits();
  EXPECT_THAT(why_, HasSubstr("the GPU is lost"));
}

TEST_F(WaitingTest, WhoWasRefusedMemoryLatelyWaitsForSome) {
  Seconds(2, {});
  walls::Wall wall{.pod = {"team", "pod-7"}, .device = "GPU-0"};
  state_.walls.walls = {wall};
  EXPECT_THAT(Waits(), IsEmpty());
  wall.refused_lately = true;
  state_.walls.walls = {wall};
  EXPECT_THAT(Waits(), ElementsAre("pod-7: memory"));
}

TEST_F(WaitingTest, TheListIsBoundedAndSaysSo) {
  Seconds(1, {});
  for (int i = 0; i < 1000; ++i) {
    state_.walls.walls.push_back({.pod = {"team", std::to_string(i)}, .device = "GPU-0"});
    state_.walls.walls.back().refused_lately = true;
  }
  const WhoWaits found = FindWaiting(state_, ShownDevices(inventory_, sight_));
  EXPECT_EQ(found.pods.size(), WhoWaits::kMost);
  EXPECT_EQ(found.left_out, 1000 - WhoWaits::kMost);
}

}  // namespace
}  // namespace tranche::node::status
