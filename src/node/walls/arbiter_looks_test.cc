// What the arbiter makes of what the driver shows: what contexts take, who has no wall, who has
// more than it counts.

#include "node/walls/testing/arbiter_bed.h"

namespace tranche::node::walls {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::kGib;
using testing::kGpu;
using testing::kGreedy;
using testing::kModest;
using testing::Order;
using testing::Outcome;
using ::testing::SizeIs;

class ArbiterLooksTest : public testing::ArbiterBed {};

TEST_F(ArbiterLooksTest, ContextsAreMeasuredByALookOfLater) {
  Enforce();
  const auto program = Start(kGreedy);
  program->Do(loop_, {Order::kHello, 1});
  EXPECT_TRUE(program->Do(loop_, {Order::kReserve, 1 * kGib}).done);
  program->Start({Order::kMeasure, 0});
  EXPECT_TRUE(loop_.RunUntil([&] { return looks_ > 0; }));
  DriverShows(program->pid(), kGib + 300);
  Outcome outcome;
  EXPECT_TRUE(loop_.RunUntil([&] { return program->Finished(outcome); }));
  EXPECT_EQ(outcome.status, wire::Status::kOk);
  EXPECT_EQ(outcome.number, 300U);
}

TEST_F(ArbiterLooksTest, FromItsFirstContextAPodLearnsWhatOneTakes) {
  Enforce();
  const auto program = Start(kGreedy);
  const auto neighbour = Start(kModest);
  EXPECT_EQ(program->Do(loop_, {Order::kHello, 1}).context_bound, PodPages::kMostContextBytes);
  program->Start({Order::kMeasure, 0});
  EXPECT_TRUE(loop_.RunUntil([&] { return looks_ > 0; }));
  DriverShows(program->pid(), 300);
  Outcome outcome;
  EXPECT_TRUE(loop_.RunUntil([&] { return program->Finished(outcome); }));
  EXPECT_EQ(outcome.context_bound, 300U);
  // Of another pod nothing is learned: what a pod says of itself changes nothing of others.
  EXPECT_EQ(neighbour->Do(loop_, {Order::kHello, 1}).context_bound, PodPages::kMostContextBytes);
}

TEST_F(ArbiterLooksTest, ABoundIsPutRightByALookInWhichNothingChanged) {
  Enforce();
  const auto program = Start(kGreedy);
  program->Do(loop_, {Order::kHello, 1});
  program->Do(loop_, {Order::kBound, 700});
  // The driver has been asked before the program took a GiB, which the look does not show.
  arbiter_->LookBegins();
  program->Do(loop_, {Order::kReserve, kGib});
  LookEnds(program->pid(), 300);
  EXPECT_EQ(program->Do(loop_, {Order::kReserve, 0}).context, 700U);
  // A call may be under way of which the driver shows nothing yet: it is to stay as it is.
  DriverShows(program->pid(), kGib + 200);
  DriverShows(program->pid(), kGib + 300, 2);
  EXPECT_EQ(program->Do(loop_, {Order::kReserve, 0}).context, 700U);
  DriverShows(program->pid(), kGib + 300, 4);
  EXPECT_EQ(program->Do(loop_, {Order::kReserve, 0}).context, 300U);
  EXPECT_EQ(WallOf("greedy").used_bytes, kGib + 300);
}

TEST_F(ArbiterLooksTest, AContextThatTheDriverDoesNotShowIsNotWaitedFor) {
  Enforce();
  const auto program = Start(kGreedy);
  program->Do(loop_, {Order::kHello, 1});
  program->Start({Order::kMeasure, 0});
  EXPECT_TRUE(loop_.RunUntil([&] { return looks_ > 0; }));
  DriverShows(1, kGib);
  Outcome outcome;
  EXPECT_TRUE(loop_.RunUntil([&] { return program->Finished(outcome); }));
  EXPECT_EQ(outcome.status, wire::Status::kNotYet);
}

TEST_F(ArbiterLooksTest, WhatAProgramHeldThatHasBecomeAnotherOneComesBack) {
  pages_wait_ = true;
  Enforce();
  const auto program = Start(kGreedy);
  program->Do(loop_, {Order::kHello, 1});
  EXPECT_TRUE(program->Do(loop_, {Order::kReserve, kGib}).done);
  DriverShows(program->pid(), kGib);
  EXPECT_THAT(pages_asked_, IsEmpty()) << "the driver shows it";
  DriverShows(1, 0, 3);
  ASSERT_THAT(pages_asked_, SizeIs(1)) << "while there is no answer, nobody asks again";
  EXPECT_EQ(pages_asked_[0].first, program->pid());
  pages_asked_[0].second(true);
  EXPECT_EQ(WallOf("greedy").used_bytes, kGib) << "it has not";
  DriverShows(1, 0);
  ASSERT_THAT(pages_asked_, SizeIs(2));
  pages_asked_[1].second(false);
  EXPECT_EQ(WallOf("greedy").used_bytes, 0U);
  EXPECT_EQ(arbiter_->programs(), 0U);
}

TEST_F(ArbiterLooksTest, AnAnswerAboutAnEarlierProgramOfASlotIsNotHeeded) {
  pages_wait_ = true;
  Enforce();
  const auto program = Start(kGreedy);
  program->Do(loop_, {Order::kHello, 1});
  EXPECT_TRUE(program->Do(loop_, {Order::kReserve, kGib}).done);
  DriverShows(1, 0);
  ASSERT_THAT(pages_asked_, SizeIs(1));
  program->Do(loop_, {Order::kHello, 2});  // its next image
  EXPECT_TRUE(program->Do(loop_, {Order::kReserve, 2 * kGib}).done);
  pages_asked_[0].second(false);
  EXPECT_EQ(WallOf("greedy").used_bytes, 2 * kGib);
  EXPECT_EQ(arbiter_->programs(), 1U);
}

TEST_F(ArbiterLooksTest, WhatTheDriverShowsAboveTheLedgerIsToldOnce) {
  Enforce();
  const auto program = Start(kGreedy);
  program->Do(loop_, {Order::kHello, 1});
  EXPECT_TRUE(program->Do(loop_, {Order::kReserve, 1 * kGib}).done);
  DriverShows(program->pid(), kGib + Evidence::kToleranceBytes, 8);
  EXPECT_THAT(news_, IsEmpty());
  DriverShows(program->pid(), 3 * kGib, 8);
  EXPECT_THAT(news_, ElementsAre(News::kLedgerMismatch));
  EXPECT_TRUE(WallOf("greedy").mismatch);
}

TEST_F(ArbiterLooksTest, WhoAllocatesWhileTheDriverIsAskedHasNotMoreThanItCounts) {
  Enforce();
  const auto program = Start(kGreedy);
  program->Do(loop_, {Order::kHello, 1});
  for (int i = 0; i < 8; ++i) {
    EXPECT_TRUE(program->Do(loop_, {Order::kReserve, 2 * kGib}).done);
    arbiter_->LookBegins();
    EXPECT_TRUE(program->Do(loop_, {Order::kRelease, 2 * kGib}).done);
    gpu::Inventory inventory;
    inventory.gpus.push_back({.uuid = kGpu});
    gpu::DeviceUsage device{.uuid = kGpu};
    device.processes.emplace(
        {gpu::RunningProcess{.pid = program->pid(), .memory_bytes = 2 * kGib}});
    arbiter_->UsageRead(inventory,
                        {.status = {}, .time_us = time_us_ += 1'000'000, .devices = {device}},
                        [](unsigned /*pid*/) { return identity::PodGroup{.pod_uid = kGreedy}; });
  }
  EXPECT_THAT(news_, IsEmpty());
}

TEST_F(ArbiterLooksTest, AProgramOnTheGpuThatHasNotAttachedMakesThePodUnwalled) {
  Enforce();
  EXPECT_EQ(WallOf("greedy").walled, std::nullopt) << "nobody has come yet";
  const auto program = Start(kGreedy);
  program->Do(loop_, {Order::kHello, 1});
  DriverShows(program->pid(), kGib);
  EXPECT_EQ(WallOf("greedy").walled, true);
  inside_ = {.loaded = Loaded::kOther, .birth = Birth{.walled = true, .word = "", .message = ""}};
  DriverShows(1, kGib);
  EXPECT_EQ(WallOf("greedy").walled, std::nullopt) << "it may be about to attach";
  DriverShows(1, kGib, 6);
  EXPECT_EQ(WallOf("greedy").walled, false);
  EXPECT_EQ(WallOf("greedy").reason.word, "not-loaded");
  EXPECT_THAT(news_, ElementsAre(News::kUnwalled));
  EXPECT_THAT(looked_into_, ElementsAre("c1")) << "not at every look";
}

TEST_F(ArbiterLooksTest, APodOfWhichNobodyEverAttachedIsUnwalledOnceItIsOnTheGpu) {
  Enforce();
  inside_.loaded = Loaded::kOther;
  DriverShows(1, kGib, 6);
  EXPECT_EQ(WallOf("greedy").walled, false);
  EXPECT_EQ(WallOf("greedy").reason.word, "no-shim");
  EXPECT_EQ(WallOf("modest").walled, std::nullopt);
  EXPECT_THAT(news_, ElementsAre(News::kUnwalled));
}

TEST_F(ArbiterLooksTest, AShimOfAnotherVersionIsTheReason) {
  Enforce();
  const auto program = Start(kGreedy);
  EXPECT_EQ(program->Do(loop_, {Order::kOtherVersion, 1}).status, wire::Status::kUnknownVersion);
  DriverShows(program->pid(), kGib, 6);
  EXPECT_EQ(WallOf("greedy").walled, false);
  EXPECT_EQ(WallOf("greedy").reason.word, "other-version");
}

TEST_F(ArbiterLooksTest, WhoIsRefusedIsSaidToHaveBeenLately) {
  Enforce();
  const auto program = Start(kGreedy);
  program->Do(loop_, {Order::kHello, 1});
  DriverShows(program->pid(), 0);
  EXPECT_FALSE(WallOf("greedy").refused_lately);
  EXPECT_FALSE(program->Do(loop_, {Order::kReserve, 5 * kGib}).done);
  DriverShows(program->pid(), 0);
  EXPECT_TRUE(WallOf("greedy").refused_lately);
  DriverShows(program->pid(), 0, 60);
  EXPECT_FALSE(WallOf("greedy").refused_lately);
}

}  // namespace
}  // namespace tranche::node::walls
