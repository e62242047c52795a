// What streams, copies, waits and host tasks mean.
#include "sim/engine/engine.h"

#include <gtest/gtest.h>

#include <limits>

#include "sim/engine/testing/engine_fixture.h"

namespace tranche::sim::engine::testing {
namespace {

using EngineTest = EngineFixture;

TEST_F(EngineTest, AStreamDoesItsTasksInOrderFromTheirSubmission) {
  const StreamId stream = Stream(Context("A"));
  EXPECT_EQ(engine_.NextEvent(), std::nullopt);
  Kernel(stream, 10 * kUs);
  Kernel(stream, 20 * kUs);
  Kernel(stream, 5 * kUs, std::nullopt, 200 * kUs);
  EXPECT_EQ(engine_.Pending(stream), 3U);
  EXPECT_EQ(engine_.NextEvent(), 0);
  EXPECT_EQ(Done(70 * kUs), (Lines{"done 1 50-60"}));
  EXPECT_EQ(engine_.NextEvent(), 80 * kUs);
  EXPECT_EQ(Done(kMs), (Lines{"done 2 60-80", "done 3 200-205"}));
  EXPECT_EQ(engine_.NextEvent(), std::nullopt);
  EXPECT_EQ(engine_.Pending(stream), 0U);
}

TEST_F(EngineTest, WhatIsSubmittedLateBeginsNow) {
  const StreamId stream = Stream(Context("A"));
  engine_.AdvanceTo(kMs);
  Submit(stream, Work::kCopyIn, 10 * kUs, std::nullopt, 200 * kUs);
  EXPECT_EQ(engine_.NextEvent(), kMs);
  EXPECT_EQ(Done(2 * kMs), (Lines{"done 1 1000-1010"}));
}

TEST_F(EngineTest, NobodyIsToldAnythingBeforeTheEngineAdvances) {
  const StreamId stream = Stream(Context("A"));
  Submit(stream, Work::kNothing);
  Submit(stream, Work::kHost);
  EXPECT_EQ(notes_.done, (Lines{}));
  EXPECT_EQ(Done(0), (Lines{"done 1 0-0", "host 2 at 0"}));
  engine_.HostDone(stream, 2, 0);
  EXPECT_EQ(notes_.done, (Lines{}));
  EXPECT_EQ(Done(0), (Lines{"done 2 0-0"}));
}

TEST_F(EngineTest, KernelsOfOneContextComputeInTheOrderInWhichTheyBecameReady) {
  const ContextId context = Context("A");
  const StreamId one = Stream(context);
  const StreamId two = Stream(context);
  Kernel(one, 100 * kUs);
  Kernel(one, 100 * kUs);
  Kernel(two, 100 * kUs);
  Kernel(two, 100 * kUs);
  EXPECT_EQ(Done(kMs),
            (Lines{"done 1 50-150", "done 3 150-250", "done 2 250-350", "done 4 350-450"}));
  EXPECT_EQ(notes_.turns, (Lines{"to A 0-50", "A 50-450"}));
}

TEST_F(EngineTest, CopiesOfBothDirectionsAndKernelsOverlap) {
  const ContextId context = Context("A");
  Kernel(Stream(context), 500 * kUs);
  Submit(Stream(context), Work::kCopyIn, 400 * kUs);
  Submit(Stream(context), Work::kCopyOut, 300 * kUs);
  Submit(Stream(context), Work::kCopyIn, 100 * kUs);
  EXPECT_EQ(Done(kMs), (Lines{"done 3 0-300", "done 2 0-400", "done 4 400-500", "done 1 50-550"}));
}

TEST_F(EngineTest, CopiesWaitForNoTurn) {
  const StreamId b = Stream(Context("B"));
  Kernel(Stream(Context("A")), 100 * kMs);
  Submit(b, Work::kCopyIn, 100 * kUs);
  Submit(b, Work::kCopyOut, 100 * kUs);
  EXPECT_EQ(Done(10 * kMs), (Lines{"done 2 0-100", "done 3 100-200"}));
}

TEST_F(EngineTest, NumbersRise) {
  const StreamId stream = Stream(Context("A"));
  engine_.Submit(stream, {.number = 0, .tag = 1});
  engine_.Submit(stream, {.number = 5, .tag = 2});
  engine_.Submit(stream, {.number = 5, .tag = 3});
  engine_.Submit(stream, {.number = 9, .tag = 4});
  EXPECT_EQ(Done(0), (Lines{"done 2 0-0", "done 4 0-0"}));
}

TEST_F(EngineTest, AbsurdTimesDoNoHarm) {
  constexpr Time kMost = std::numeric_limits<Time>::max();
  const StreamId stream = Stream(Context("A"));
  Kernel(stream, -5);
  Kernel(stream, kMost);
  Kernel(stream, 1, std::nullopt, kMost);
  Submit(Stream(Context("B")), Work::kCopyIn, kMost, std::nullopt, -kMost);
  EXPECT_EQ(Done(kMs), (Lines{"done 1 50-50"}));
  engine_.AdvanceTo(kMost);
  engine_.AdvanceTo(-kMost);
  EXPECT_GE(engine_.now(), kMs);
}

// ---- waiting for other streams

TEST_F(EngineTest, ATaskWaitsForAnotherStreamsTask) {
  const ContextId context = Context("A");
  const StreamId one = Stream(context);
  const StreamId two = Stream(context);
  Kernel(one, 100 * kUs);
  const Point second = Kernel(one, 100 * kUs);
  Kernel(one, 100 * kUs);
  Submit(two, Work::kNothing, 0, second);
  Submit(two, Work::kCopyOut, 10 * kUs, Point{.stream = one, .number = 1});
  EXPECT_EQ(Done(kMs), (Lines{"done 1 50-150", "done 2 150-250", "done 4 250-250", "done 5 250-260",
                              "done 3 250-350"}));
}

TEST_F(EngineTest, ATaskWaitsForOtherContextsAndUnits) {
  const UnitId other = engine_.AddUnit({.slice = kMs, .switch_cost = 10 * kUs});
  const Point first = Kernel(Stream(Context("A")), 100 * kUs);
  const Point second = Kernel(Stream(Context("B", other)), 100 * kUs, first);
  Kernel(Stream(Context("C")), 100 * kUs, second);
  EXPECT_EQ(Done(kMs), (Lines{"done 1 50-150", "done 2 160-260", "done 3 310-410"}));
}

TEST_F(EngineTest, NobodyWaitsForWhatIsNotThere) {
  const StreamId stream = Stream(Context("A"));
  const Point own = Submit(stream, Work::kNothing, 0, Point{.stream = 4711, .number = 1});
  Submit(stream, Work::kNothing, 0, own);
  Submit(stream, Work::kNothing, 0, Point{.stream = stream, .number = 99});
  EXPECT_EQ(Done(0), (Lines{"done 1 0-0", "done 2 0-0", "done 3 0-0"}));
}

TEST_F(EngineTest, AWaitMayComeBeforeWhatItWaitsFor) {
  const ContextId context = Context("A");
  const StreamId one = Stream(context);
  const StreamId two = Stream(context);
  Submit(two, Work::kNothing, 0, Point{.stream = one, .number = 2});
  EXPECT_EQ(Done(kMs), (Lines{}));
  Submit(one, Work::kCopyIn, 10 * kUs);
  EXPECT_EQ(Done(2 * kMs), (Lines{"done 2 1000-1010", "done 1 1010-1010"}));
}

TEST_F(EngineTest, NobodyWaitsForARemovedContext) {
  const ContextId gone = Context("A");
  const Point never = Kernel(Stream(gone), 10 * kMs);
  const StreamId b = Stream(Context("B"));
  Submit(b, Work::kCopyIn, 10 * kUs, never);
  EXPECT_EQ(Done(kMs), (Lines{}));
  engine_.RemoveContext(gone);
  EXPECT_EQ(engine_.NextEvent(), kMs);
  EXPECT_EQ(Done(2 * kMs), (Lines{"done 2 1000-1010"}));
}

TEST_F(EngineTest, ContextsThatWaitForEachOtherCanBothBeRemoved) {
  const ContextId a = Context("A");
  const ContextId b = Context("B");
  const StreamId one = Stream(a);
  const StreamId two = Stream(b);
  Submit(one, Work::kNothing, 0, Point{.stream = two, .number = 2});
  Submit(two, Work::kNothing, 0, Point{.stream = one, .number = 1});
  EXPECT_EQ(Done(kMs), (Lines{}));
  engine_.RemoveContext(b);
  EXPECT_EQ(Done(kMs), (Lines{"done 1 1000-1000"}));
  engine_.RemoveContext(a);
  EXPECT_EQ(Done(kMs), (Lines{}));
  EXPECT_EQ(engine_.NextEvent(), std::nullopt);
}

TEST_F(EngineTest, CopiesOfARemovedContextMakeWay) {
  const ContextId gone = Context("A");
  const StreamId b = Stream(Context("B"));
  Submit(Stream(gone), Work::kCopyIn, 10 * kMs);
  Submit(Stream(gone), Work::kCopyIn, 10 * kMs);
  Submit(b, Work::kCopyIn, 10 * kUs);
  EXPECT_EQ(Done(kMs), (Lines{}));
  engine_.RemoveContext(gone);
  EXPECT_EQ(Done(2 * kMs), (Lines{"done 3 1000-1010"}));
  EXPECT_EQ(engine_.NextEvent(), std::nullopt);
}

TEST_F(EngineTest, ARemovedStreamDoesWhatItHasAndTakesNothingMore) {
  const ContextId context = Context("A");
  const StreamId stream = Stream(context);
  Submit(stream, Work::kCopyIn, 10 * kUs);
  const Point second = Submit(stream, Work::kCopyIn, 10 * kUs);
  engine_.RemoveStream(stream);
  Submit(stream, Work::kCopyIn, 10 * kUs);
  Submit(Stream(context), Work::kNothing, 0, second);
  Submit(Stream(context), Work::kNothing, 0, Point{.stream = stream, .number = 99});
  EXPECT_EQ(Done(kMs), (Lines{"done 1 0-10", "done 2 10-20", "done 4 20-20", "done 5 20-20"}));
  EXPECT_EQ(engine_.Pending(stream), 0U);
}

// ---- host tasks

TEST_F(EngineTest, AStreamWaitsForItsHostTask) {
  const StreamId stream = Stream(Context("A"));
  Submit(stream, Work::kCopyIn, 10 * kUs);
  const Point host = Submit(stream, Work::kHost);
  Submit(stream, Work::kCopyIn, 10 * kUs);
  EXPECT_EQ(Done(kMs), (Lines{"done 1 0-10", "host 2 at 10"}));
  EXPECT_EQ(engine_.NextEvent(), std::nullopt);
  engine_.HostDone(stream, host.number + 1, kMs);
  engine_.HostDone(stream, 77, kMs);
  EXPECT_EQ(Done(2 * kMs), (Lines{}));
  engine_.HostDone(stream, host.number, 3 * kMs);
  engine_.HostDone(stream, host.number, 2 * kMs);
  EXPECT_EQ(Done(4 * kMs), (Lines{"done 2 10-3000", "done 3 3000-3010"}));
}

TEST_F(EngineTest, AHostTaskThatIsDoneBeforeItIsReachedIsNotAskedFor) {
  const StreamId stream = Stream(Context("A"));
  Submit(stream, Work::kCopyIn, 10 * kUs);
  Submit(stream, Work::kHost);
  Submit(stream, Work::kHost);
  engine_.HostDone(stream, 2, 5 * kUs);
  engine_.HostDone(stream, 3, 30 * kUs);
  EXPECT_EQ(Done(kMs), (Lines{"done 1 0-10", "done 2 10-10", "done 3 10-30"}));
}

TEST_F(EngineTest, OthersWaitForAHostTask) {
  const ContextId context = Context("A");
  const StreamId stream = Stream(context);
  const Point host = Submit(stream, Work::kHost);
  Submit(Stream(context), Work::kCopyIn, 10 * kUs, host);
  EXPECT_EQ(Done(kMs), (Lines{"host 1 at 0"}));
  engine_.HostDone(stream, host.number, 500 * kUs);  // has passed: now
  EXPECT_EQ(Done(2 * kMs), (Lines{"done 1 0-1000", "done 2 1000-1010"}));
}

// ---- the legacy stream

TEST_F(EngineTest, TheLegacyStreamWaitsForBlockingStreamsAndTheyForIt) {
  const ContextId context = Context("A");
  const StreamId legacy = Stream(context, StreamKind::kLegacy);
  const StreamId one = Stream(context, StreamKind::kBlocking);
  const StreamId two = Stream(context, StreamKind::kBlocking);
  Submit(one, Work::kCopyIn, 10 * kUs);
  Submit(two, Work::kCopyOut, 30 * kUs);
  Submit(legacy, Work::kCopyIn, 10 * kUs);
  Submit(one, Work::kCopyOut, 10 * kUs);
  Submit(two, Work::kCopyIn, 10 * kUs);
  EXPECT_EQ(Done(kMs),
            (Lines{"done 1 0-10", "done 2 0-30", "done 3 30-40", "done 4 40-50", "done 5 40-50"}));
}

TEST_F(EngineTest, TheLegacyStreamWaitsForNothingThatCameLater) {
  const ContextId context = Context("A");
  const StreamId legacy = Stream(context, StreamKind::kLegacy);
  const StreamId blocking = Stream(context, StreamKind::kBlocking);
  Submit(legacy, Work::kCopyIn, 10 * kUs);
  Submit(blocking, Work::kHost);
  Submit(blocking, Work::kNothing);
  Submit(legacy, Work::kCopyIn, 10 * kUs);
  EXPECT_EQ(Done(kMs), (Lines{"done 1 0-10", "host 2 at 10"}));
  engine_.HostDone(blocking, 2, 0);
  EXPECT_EQ(Done(2 * kMs), (Lines{"done 2 10-1000", "done 3 1000-1000", "done 4 1000-1010"}));
}

TEST_F(EngineTest, NonBlockingStreamsAndOtherContextsDoNotCareForTheLegacyStream) {
  const ContextId context = Context("A");
  const StreamId legacy = Stream(context, StreamKind::kLegacy);
  Submit(legacy, Work::kHost);
  Submit(Stream(context, StreamKind::kNonBlocking), Work::kNothing);
  Submit(Stream(Context("B"), StreamKind::kBlocking), Work::kNothing);
  Submit(Stream(context, StreamKind::kBlocking), Work::kNothing);
  EXPECT_EQ(Done(kMs), (Lines{"host 1 at 0", "done 2 0-0", "done 3 0-0"}));
}

TEST_F(EngineTest, TheLegacyStreamWaitsForAnotherStreamAsWell) {
  const ContextId context = Context("A");
  const StreamId legacy = Stream(context, StreamKind::kLegacy);
  const Point other = Submit(Stream(context), Work::kCopyIn, 100 * kUs);
  Submit(Stream(context, StreamKind::kBlocking), Work::kCopyOut, 10 * kUs);
  Submit(legacy, Work::kCopyOut, 10 * kUs, other);
  EXPECT_EQ(Done(kMs), (Lines{"done 2 0-10", "done 1 0-100", "done 3 100-110"}));
}

TEST_F(EngineTest, AContextHasOneLegacyStream) {
  const ContextId context = Context("A");
  const StreamId legacy = Stream(context, StreamKind::kLegacy);
  EXPECT_EQ(Stream(context, StreamKind::kLegacy), legacy);
  engine_.RemoveStream(legacy);
  Submit(legacy, Work::kNothing);
  EXPECT_EQ(Done(0), (Lines{"done 1 0-0"}));
}

TEST_F(EngineTest, ALegacyTaskWaitsForARemovedStreamThatStillWorks) {
  const ContextId context = Context("A");
  const StreamId legacy = Stream(context, StreamKind::kLegacy);
  const StreamId blocking = Stream(context, StreamKind::kBlocking);
  Submit(blocking, Work::kCopyIn, 10 * kUs);
  engine_.RemoveStream(blocking);
  Submit(legacy, Work::kNothing);
  EXPECT_EQ(Done(kMs), (Lines{"done 1 0-10", "done 2 10-10"}));
}

}  // namespace
}  // namespace tranche::sim::engine::testing
