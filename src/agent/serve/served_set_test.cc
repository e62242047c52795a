#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <string>
#include <utility>

#include "agent/serve/testing/served_set_fixture.h"

namespace tranche::agent::serve {
namespace {

using config::testing::Configured;
using config::testing::Flag;
using config::testing::Shared;
using gpu::testing::Cut;
using gpu::testing::Gpus;
using std::chrono::milliseconds;
using testing::Ids;
using ::testing::IsEmpty;
using testing::kGpu;
using testing::List;
using testing::ServedSetTest;

TEST_F(ServedSetTest, NothingAppliedIsNothingServed) {
  set_->Refresh();
  set_->KubeletSocketChanged();
  EXPECT_FALSE(set_->AnyServing());
  EXPECT_THAT(set_->States(), IsEmpty());
}

TEST_F(ServedSetTest, EachResourceIsServed) {
  gpu::Inventory inventory = Gpus(2);
  Cut(inventory, 1, {"1g.10gb"});
  Apply(Configured(Shared(2), {Flag("mig-strategy", {"mixed"})}), inventory);
  EXPECT_FALSE(set_->AllServing());
  ASSERT_TRUE(UntilServing());
  EXPECT_TRUE(UntilList(kGpu, AllOfThem({"GPU-0::0", "GPU-0::1"})));
  EXPECT_TRUE(UntilList("nvidia.com/mig-1g.10gb", AllOfThem({"MIG-1-0"})));
  const ResourceState state = State(kGpu);
  EXPECT_EQ(state.phase, "serving");
  EXPECT_EQ(state.endpoint, "nvidia-gpu.sock");
  EXPECT_TRUE(state.shared);
  EXPECT_EQ(state.devices, 2);
  EXPECT_EQ(state.healthy, 2);
  EXPECT_EQ(state.held, std::nullopt) << "holders are unknown";
}

TEST_F(ServedSetTest, AChangeOfReplicasKeepsTheStream) {
  Apply(Configured(Shared(4)), Gpus(1));
  ASSERT_TRUE(UntilServing());
  for (const int replicas : {8, 1, 2}) {
    Apply(Configured(Shared(replicas)), Gpus(1));
    Ids ids;
    for (int k = 0; k < replicas; ++k) ids.push_back("GPU-0::" + std::to_string(k));
    if (replicas == 1) ids = {"GPU-0"};
    EXPECT_TRUE(UntilList(kGpu, AllOfThem(ids)));
  }
  EXPECT_EQ(kubelet_.registrations.size(), 1U);
  EXPECT_THAT(kubelet_.lost, IsEmpty());
}

TEST_F(ServedSetTest, TheListIsInTheDriversOrderThenByNumber) {
  gpu::Inventory inventory = Gpus(3);
  std::swap(inventory.gpus[0], inventory.gpus[2]);
  Apply(Configured(Shared(11) + "tranche:\n  resources:\n  - name: nvidia.com/gpu\n"
                                "    replicasPerDevice: {\"0\": 2, \"1\": 1}\n"),
        inventory);
  ASSERT_TRUE(Until([&] { return kubelet_.ListsOf(kGpu) == 1; }));
  Ids expected;
  for (int k = 0; k < 11; ++k) expected.push_back("GPU-2::" + std::to_string(k));
  expected.insert(expected.end(), {"GPU-1", "GPU-0::0", "GPU-0::1"});
  EXPECT_EQ(kubelet_.last_ids[kGpu], expected);
}

TEST_F(ServedSetTest, AnotherResourceLeavesTheFirstOnesStreamAlone) {
  gpu::Inventory inventory = Gpus(2);
  Apply(Configured("", {Flag("mig-strategy", {"mixed"})}), inventory);
  ASSERT_TRUE(UntilServing());
  Cut(inventory, 1, {"1g.10gb", "1g.10gb"});
  Apply(Configured("", {Flag("mig-strategy", {"mixed"})}), inventory);
  ASSERT_TRUE(UntilServing());
  EXPECT_EQ(kubelet_.registrations.size(), 2U);
  EXPECT_THAT(kubelet_.lost, IsEmpty());
  // And one that is no more goes alone.
  Apply(Configured("", {Flag("mig-strategy", {"mixed"})}), Gpus(2));
  ASSERT_TRUE(Until([&] { return kubelet_.lost.contains("nvidia.com/mig-1g.10gb"); }));
  EXPECT_FALSE(kubelet_.lost.contains(kGpu));
  EXPECT_EQ(set_->States().size(), 1U);
  EXPECT_TRUE(set_->AllServing());
}

TEST_F(ServedSetTest, AConfigThatChangesNothingSendsNothing) {
  Apply(Configured(Shared(4)), Gpus(2));
  ASSERT_TRUE(UntilServing());
  ASSERT_TRUE(Until([&] { return kubelet_.ListsOf(kGpu) == 1; }));
  Apply(Configured(Shared(4)), Gpus(2));
  set_->Refresh();
  loop_.RunFor(milliseconds(30));
  EXPECT_EQ(kubelet_.ListsOf(kGpu), 1U);
}

TEST_F(ServedSetTest, StopServingEndsEveryStream) {
  Apply(Configured(Shared(2)), Gpus(1));
  ASSERT_TRUE(UntilServing());
  set_->StopServing();
  EXPECT_TRUE(Until([&] { return kubelet_.lost.contains(kGpu); }));
  EXPECT_FALSE(set_->AnyServing());
}

// ---- health ----

TEST_F(ServedSetTest, AllReplicasOfASickGpuGoInOneMessage) {
  Apply(Configured(Shared(3)), Gpus(2));
  ASSERT_TRUE(UntilServing());
  ASSERT_TRUE(Until([&] { return kubelet_.ListsOf(kGpu) == 1; }));
  sick_ = {"GPU-1"};
  set_->Refresh();
  List expected = AllOfThem({"GPU-0::0", "GPU-0::1", "GPU-0::2"});
  expected.merge(AllOfThem({"GPU-1::0", "GPU-1::1", "GPU-1::2"}, "Unhealthy"));
  ASSERT_TRUE(UntilList(kGpu, expected));
  EXPECT_EQ(kubelet_.ListsOf(kGpu), 2U);
  EXPECT_EQ(State(kGpu).healthy, 3);
  sick_.clear();
  set_->Refresh();
  ASSERT_TRUE(Until([&] { return kubelet_.ListsOf(kGpu) == 3; }));
  EXPECT_EQ(State(kGpu).healthy, 6);
}

// HealthTracker names each MIG device that a fault of its GPU strikes.
TEST_F(ServedSetTest, AMigDeviceIsSickByItself) {
  gpu::Inventory inventory = Gpus(1);
  Cut(inventory, 0, {"1g.10gb", "1g.10gb"});
  Apply(Configured("", {Flag("mig-strategy", {"single"})}), inventory);
  ASSERT_TRUE(UntilServing());
  sick_ = {"MIG-0-1"};
  set_->Refresh();
  EXPECT_TRUE(UntilList(kGpu, {{"MIG-0-0", "Healthy"}, {"MIG-0-1", "Unhealthy"}}));
  sick_ = {"MIG-0-0", "MIG-0-1"};
  set_->Refresh();
  EXPECT_TRUE(UntilList(kGpu, AllOfThem({"MIG-0-0", "MIG-0-1"}, "Unhealthy")));
  sick_ = {"GPU-0", "MIG-0-0"};  // as after a fault of one instance
  set_->Refresh();
  EXPECT_TRUE(UntilList(kGpu, {{"MIG-0-0", "Unhealthy"}, {"MIG-0-1", "Healthy"}}));
}

TEST_F(ServedSetTest, TheLargestNodeTurnsSickInOneMessage) {
  Apply(Configured(Shared(7500)), Gpus(8));
  ASSERT_TRUE(UntilServing());
  ASSERT_TRUE(Until([&] { return kubelet_.ListsOf(kGpu) == 1; }));
  for (int i = 0; i < 8; ++i) sick_.insert("GPU-" + std::to_string(i));
  set_->Refresh();
  ASSERT_TRUE(Until([&] { return kubelet_.ListsOf(kGpu) == 2; }));
  EXPECT_EQ(kubelet_.lists[kGpu].back().size(), 60'000U);
  EXPECT_EQ(State(kGpu).healthy, 0);
}

}  // namespace
}  // namespace tranche::agent::serve
