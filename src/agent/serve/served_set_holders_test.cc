#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "agent/serve/testing/served_set_fixture.h"

namespace tranche::agent::serve {
namespace {

using config::testing::Configured;
using config::testing::Shared;
using gpu::testing::Gpus;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::kGpu;
using testing::ServedSetTest;

TEST_F(ServedSetTest, GpusWithIdsOfAnEarlierShapeAreAvoided) {
  Connect(/*pod_resources=*/true);
  kubelet_.held = {{kGpu, {"GPU-0::3", "GPU-0::2"}}};
  Apply(Configured(Shared(1)), Gpus(2));
  ASSERT_TRUE(UntilServing() && UntilKnown());
  EXPECT_THAT(*Prefer(kGpu, {"GPU-0", "GPU-1"}, 1), ElementsAre("GPU-1"));
  EXPECT_THAT(set_->Warnings(),
              ElementsAre("GPU-0: pods still hold ids of an earlier profile: nvidia.com/gpu "
                          "GPU-0::2 nvidia.com/gpu GPU-0::3"));
  EXPECT_EQ(State(kGpu).held, 2);
  // The pod that gets one all the same is admitted, with a word.
  EXPECT_TRUE(Allocate(kGpu, {"GPU-0"}).ok());
  EXPECT_THAT(events_,
              ElementsAre(AllOf(HasSubstr("Warning SharedWithEarlierPods"), HasSubstr("GPU-0"))));
  EXPECT_EQ(State(kGpu).healthy, 2) << "nothing is withheld";
  EXPECT_FALSE(set_->WaitsForHolders());
}

TEST_F(ServedSetTest, IdsThatAreStillAdvertisedAreNoOldOnes) {
  Connect(/*pod_resources=*/true);
  kubelet_.held = {{kGpu, {"GPU-0::1"}}, {"example.com/nic", {"eth0"}}};
  Apply(Configured(Shared(2)), Gpus(2));
  ASSERT_TRUE(UntilServing() && UntilKnown());
  EXPECT_THAT(set_->Warnings(), IsEmpty());
  Apply(Configured(Shared(8)), Gpus(2));
  EXPECT_THAT(set_->Warnings(), IsEmpty());
}

TEST_F(ServedSetTest, IdsHeldUnderAnotherNameAreOldOnes) {
  Connect(/*pod_resources=*/true);
  kubelet_.held = {{kGpu, {"GPU-0::0"}}};
  Apply(Configured(Shared(2, "    renameByDefault: true\n")), Gpus(2));
  ASSERT_TRUE(UntilServing() && UntilKnown());
  EXPECT_THAT(set_->Warnings(), ElementsAre(HasSubstr("nvidia.com/gpu GPU-0::0")));
}

TEST_F(ServedSetTest, ManyOldIdsMakeAShortWarning) {
  Connect(/*pod_resources=*/true);
  for (int k = 0; k < 100; ++k) kubelet_.held[kGpu].push_back("GPU-0::" + std::to_string(k));
  Apply(Configured(""), Gpus(1));
  ASSERT_TRUE(UntilServing() && UntilKnown());
  ASSERT_EQ(set_->Warnings().size(), 1U);
  EXPECT_THAT(set_->Warnings()[0], HasSubstr("(100 in all)"));
  EXPECT_LT(set_->Warnings()[0].size(), 300U);
}

constexpr char kDrain[] =
    "tranche:\n  resources:\n  - name: nvidia.com/gpu\n    drainBeforeExclusive: true\n";

TEST_F(ServedSetTest, DrainBeforeExclusiveWithholdsUntilPodsHaveGone) {
  Connect(/*pod_resources=*/true);
  kubelet_.held = {{kGpu, {"GPU-0::1"}}};
  Apply(Configured(kDrain), Gpus(2));
  ASSERT_TRUE(UntilServing() && UntilKnown());
  EXPECT_TRUE(UntilList(kGpu, {{"GPU-0", "Unhealthy"}, {"GPU-1", "Healthy"}}));
  EXPECT_TRUE(set_->WaitsForHolders());
  EXPECT_THAT(set_->Warnings(), ElementsAre(HasSubstr("; withheld until they end")));
  kubelet_.held.clear();
  holders_->Refresh();
  EXPECT_TRUE(UntilList(kGpu, AllOfThem({"GPU-0", "GPU-1"})));
  EXPECT_FALSE(set_->WaitsForHolders());
}

TEST_F(ServedSetTest, DrainBeforeExclusiveOffersNothingBeforeItIsKnownWhoHolds) {
  Connect(/*pod_resources=*/true);
  kubelet_.holds_lists_back = true;
  Apply(Configured(kDrain), Gpus(1));
  ASSERT_TRUE(UntilServing());
  ASSERT_TRUE(Until([&] { return kubelet_.list_calls == 1; }));
  EXPECT_TRUE(UntilList(kGpu, {{"GPU-0", "Unhealthy"}}));
  EXPECT_EQ(kubelet_.ListsOf(kGpu), 1U);
  EXPECT_TRUE(set_->WaitsForHolders());
  kubelet_.AnswerLists();
  EXPECT_TRUE(UntilList(kGpu, {{"GPU-0", "Healthy"}}));
}

TEST_F(ServedSetTest, DrainBeforeExclusiveLeavesSharesAlone) {
  Connect(/*pod_resources=*/true);
  kubelet_.held = {{kGpu, {"GPU-0::7"}}};
  Apply(Configured(Shared(2) + kDrain), Gpus(1));
  ASSERT_TRUE(UntilServing() && UntilKnown());
  EXPECT_TRUE(UntilList(kGpu, AllOfThem({"GPU-0::0", "GPU-0::1"})));
  EXPECT_FALSE(set_->WaitsForHolders());
}

}  // namespace
}  // namespace tranche::agent::serve
