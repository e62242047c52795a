#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "agent/serve/testing/served_set_fixture.h"

namespace tranche::agent::serve {
namespace {

using base::Code;
using base::Status;
using config::testing::Configured;
using config::testing::Shared;
using gpu::testing::Gpus;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::Ids;
using testing::kGpu;
using ::testing::Pair;
using testing::ServedSetTest;

// ---- preferred allocation ----

TEST_F(ServedSetTest, WholeGpusAreChosenByTheirConnections) {
  Apply(Configured(""), Gpus(4));
  ASSERT_TRUE(UntilServing());
  // Given in another order than the plan's, as a driver may.
  set_->SetTopology(
      {.uuids = {"GPU-3", "GPU-2", "GPU-1", "GPU-0"},
       .pair_score = {{0, 10, 10, 210}, {10, 0, 210, 10}, {10, 210, 0, 10}, {210, 10, 10, 0}}});
  EXPECT_THAT(*Prefer(kGpu, {"GPU-0", "GPU-1", "GPU-2", "GPU-3"}, 2),
              ElementsAre("GPU-0", "GPU-3"));
  EXPECT_THAT(*Prefer(kGpu, {"GPU-0", "GPU-1", "GPU-2", "GPU-3"}, 2, {"GPU-1"}),
              ElementsAre("GPU-1", "GPU-2"));
}

TEST_F(ServedSetTest, AnIncompleteTopologyIsNoMatter) {
  set_->SetTopology({.uuids = {"GPU-9"}, .pair_score = {{0}}});
  Apply(Configured(""), Gpus(3));
  ASSERT_TRUE(UntilServing());
  EXPECT_THAT(*Prefer(kGpu, {"GPU-2", "GPU-1", "GPU-0"}, 2), ElementsAre("GPU-0", "GPU-1"));
}

TEST_F(ServedSetTest, PoliciesAreTheConfigs) {
  const Ids available = {"GPU-0::2", "GPU-0::3", "GPU-1::0", "GPU-1::1", "GPU-1::2", "GPU-1::3"};
  const auto first = [&](const std::string& policy) {
    Apply(Configured(Shared(4) +
                     "tranche:\n  resources:\n  - name: nvidia.com/gpu\n"
                     "    allocationPolicy: " +
                     policy + "\n"),
          Gpus(2));
    EXPECT_TRUE(UntilServing());
    return *Prefer(kGpu, available, 2);
  };
  EXPECT_THAT(first("distributed"), ElementsAre("GPU-1::0", "GPU-1::1"));
  EXPECT_THAT(first("packed"), ElementsAre("GPU-0::2", "GPU-0::3"));
  EXPECT_THAT(first("spread"), ElementsAre("GPU-1::0", "GPU-0::2"));
}

TEST_F(ServedSetTest, TooFewHasUpstreamsText) {
  Apply(Configured(Shared(2)), Gpus(1));
  ASSERT_TRUE(UntilServing());
  EXPECT_EQ(Prefer(kGpu, {"GPU-0::0"}, 2).status(),
            Status(Code::kUnknown,
                   "error getting list of preferred allocation devices: not enough available "
                   "devices to satisfy allocation"));
}

TEST_F(ServedSetTest, ASickGpuIsChosenLastAndFailsNobody) {
  Apply(Configured(Shared(2)), Gpus(2));
  ASSERT_TRUE(UntilServing());
  sick_ = {"GPU-0"};
  set_->Refresh();
  EXPECT_THAT(*Prefer(kGpu, {"GPU-0::0", "GPU-0::1", "GPU-1::0", "GPU-1::1"}, 2),
              ElementsAre("GPU-1::0", "GPU-1::1"));
}

// ---- allocation ----

TEST_F(ServedSetTest, AllocationsAreAnsweredAndCounted) {
  Apply(Configured(Shared(2, "    failRequestsGreaterThanOne: true\n")), Gpus(1));
  ASSERT_TRUE(UntilServing());
  EXPECT_THAT(Allocate(kGpu, {"GPU-0::1"})->env,
              ElementsAre(Pair("NVIDIA_VISIBLE_DEVICES", "GPU-0")));
  EXPECT_EQ(allocated_, 1);
  const char* text =
      "invalid allocation request for \"nvidia.com/gpu\": invalid request: maximum request size "
      "for shared resources is 1; found 2";
  EXPECT_EQ(Allocate(kGpu, {"GPU-0::0", "GPU-0::1"}).status(), Status(Code::kUnknown, text));
  EXPECT_THAT(events_, ElementsAre(std::string("Warning AllocationRefused: ") + text));
  EXPECT_EQ(allocated_, 1);
  EXPECT_EQ(State(kGpu).allocations, 1U);
  EXPECT_EQ(State(kGpu).refusals, 1U);
}

TEST_F(ServedSetTest, HostileRequestsAreSurvivedAndBounded) {
  Apply(Configured(Shared(2)), Gpus(1));
  ASSERT_TRUE(UntilServing());
  EXPECT_TRUE(Allocate(kGpu, {}).ok());
  EXPECT_FALSE(Allocate(kGpu, {std::string(100'000, 'x')}).ok());
  EXPECT_FALSE(Allocate(kGpu, {"GPU-0::0\nforged line"}).ok());
  EXPECT_LT(events_.at(0).size(), 2000U);
  EXPECT_EQ(events_.at(1).find('\n'), std::string::npos);
  EXPECT_TRUE(set_->AllServing());
}

TEST_F(ServedSetTest, IdsOfAnEarlierConfigAreUnknownAtOnce) {
  Apply(Configured(Shared(4)), Gpus(1));
  ASSERT_TRUE(UntilServing());
  Apply(Configured(Shared(2)), Gpus(1));
  EXPECT_THAT(Allocate(kGpu, {"GPU-0::3"}).status().message(),
              HasSubstr("unknown device: GPU-0::3"));
}

}  // namespace
}  // namespace tranche::agent::serve
