// What becomes of memory whose program ends or becomes another: it comes back, unless others of the
// pod still have it.
#include "node/walls/testing/arbiter_bed.h"

namespace tranche::node::walls {
namespace {

using ::testing::IsEmpty;
using testing::kGib;
using testing::kGreedy;
using testing::Order;

class ArbiterSharesTest : public testing::ArbiterBed {};

TEST_F(ArbiterSharesTest, AProgramThatHasBecomeAnotherWithoutCudaHoldsNothing) {
  Enforce();
  const auto program = Start(kGreedy);
  program->Do(loop_, {Order::kHello, 1});
  EXPECT_TRUE(program->Do(loop_, {Order::kReserve, 2 * kGib}).done);
  DriverShows(program->pid(), 2 * kGib);
  DriverShows(0, 0);  // somebody else alone
  EXPECT_EQ(WallOf("greedy").used_bytes, 2 * kGib) << "it still has its counters";
  EXPECT_TRUE(program->Do(loop_, {Order::kExec, 0}).done);
  DriverShows(program->pid(), 2 * kGib);
  EXPECT_EQ(WallOf("greedy").used_bytes, 2 * kGib) << "the driver still shows it";
  DriverShows(0, 0);
  EXPECT_EQ(WallOf("greedy").used_bytes, 0U);
  EXPECT_EQ(arbiter_->programs(), 0U);
}

TEST_F(ArbiterSharesTest, WhatOthersOfThePodHaveOpenedStaysChargedWhenItsOwnerEnds) {
  Enforce();
  const auto owner = Start(kGreedy);
  const auto other = Start(kGreedy);
  owner->Do(loop_, {Order::kHello, 1});
  other->Do(loop_, {Order::kHello, 1});
  EXPECT_TRUE(owner->Do(loop_, {Order::kReserve, 3 * kGib}).done);
  EXPECT_TRUE(owner->Do(loop_, {Order::kExport, 2 * kGib}).done);
  EXPECT_TRUE(other->Do(loop_, {Order::kImport, 2 * kGib}).done);
  owner->Kill();
  EXPECT_TRUE(loop_.RunUntil([&] { return arbiter_->programs() == 1; }));
  EXPECT_EQ(WallOf("greedy").used_bytes, 2 * kGib);
  // The driver shows it at who has it now, and nobody is told of a mismatch.
  DriverShows(other->pid(), 2 * kGib, 10);
  EXPECT_THAT(news_, IsEmpty());
  EXPECT_FALSE(other->Do(loop_, {Order::kReserve, 2 * kGib + 1}).done);
  other->Kill();
  EXPECT_TRUE(loop_.RunUntil([&] { return arbiter_->programs() == 0; }));
  EXPECT_EQ(WallOf("greedy").used_bytes, 0U);
}

}  // namespace
}  // namespace tranche::node::walls
