// Who computes when, among the contexts of one unit.
#include <gtest/gtest.h>

#include "sim/engine/testing/engine_fixture.h"

namespace tranche::sim::engine::testing {
namespace {

using TurnsTest = EngineFixture;

TEST_F(TurnsTest, ContextsTakeTurnsInsideTheirKernels) {
  const StreamId a = Stream(Context("A"));
  const StreamId b = Stream(Context("B"));
  Kernel(a, 2500 * kUs);
  Kernel(b, 1500 * kUs);
  EXPECT_EQ(Turns(10 * kMs), (Lines{"to A 0-50", "A 50-1050", "to B 1050-1100", "B 1100-2100",
                                    "to A 2100-2150", "A 2150-3150", "to B 3150-3200",
                                    "B 3200-3700", "to A 3700-3750", "A 3750-4250"}));
  EXPECT_EQ(Done(10 * kMs), (Lines{"done 2 1100-3700", "done 1 50-4250"}));
}

TEST_F(TurnsTest, TurnsGoRoundInTheOrderOfContexts) {
  const StreamId a = Stream(Context("A"));
  const StreamId b = Stream(Context("B"));
  const StreamId c = Stream(Context("C"));
  Kernel(c, 1100 * kUs);
  Kernel(a, 1100 * kUs);
  Kernel(b, 100 * kUs);
  EXPECT_EQ(Turns(10 * kMs), (Lines{"to A 0-50", "A 50-1050", "to B 1050-1100", "B 1100-1200",
                                    "to C 1200-1250", "C 1250-2250", "to A 2250-2300",
                                    "A 2300-2400", "to C 2400-2450", "C 2450-2550"}));
}

TEST_F(TurnsTest, AContextAloneComputesWithoutABreak) {
  const StreamId a = Stream(Context("A"));
  Kernel(a, 5 * kMs);
  Kernel(a, 5 * kMs);
  EXPECT_EQ(Turns(20 * kMs), (Lines{"to A 0-50", "A 50-10050"}));
}

TEST_F(TurnsTest, ANewcomerWaitsForTheEndOfTheTurnThatRuns) {
  const StreamId a = Stream(Context("A"));
  const StreamId b = Stream(Context("B"));
  Kernel(a, 10 * kMs);
  Kernel(b, 100 * kUs, std::nullopt, 2500 * kUs);
  EXPECT_EQ(Turns(4 * kMs),
            (Lines{"to A 0-50", "A 50-3050", "to B 3050-3100", "B 3100-3200", "to A 3200-3250"}));
}

TEST_F(TurnsTest, ANewcomerAtTheVeryEndOfATurnComesNext) {
  const StreamId a = Stream(Context("A"));
  const StreamId b = Stream(Context("B"));
  Kernel(a, 10 * kMs);
  Kernel(b, 100 * kUs, std::nullopt, 3050 * kUs);
  EXPECT_EQ(Turns(3200 * kUs), (Lines{"to A 0-50", "A 50-3050", "to B 3050-3100", "B 3100-3200"}));
}

TEST_F(TurnsTest, WhoRunsOutOfWorkGivesTheUnitAway) {
  const StreamId a = Stream(Context("A"));
  const StreamId b = Stream(Context("B"));
  Kernel(a, 100 * kUs);
  Kernel(b, 100 * kUs);
  Kernel(a, 100 * kUs, std::nullopt, 200 * kUs);
  EXPECT_EQ(Turns(kMs), (Lines{"to A 0-50", "A 50-150", "to B 150-200", "B 200-300", "to A 300-350",
                               "A 350-450"}));
}

TEST_F(TurnsTest, WhoPausesGoesOnWithTheRestOfItsTurnIfNobodyComputedMeanwhile) {
  const StreamId a = Stream(Context("A"));
  const StreamId b = Stream(Context("B"));
  Kernel(a, 700 * kUs);
  Kernel(a, 5 * kMs, std::nullopt, 2000 * kUs);
  Kernel(b, 100 * kUs, std::nullopt, 2100 * kUs);
  EXPECT_EQ(Turns(2500 * kUs), (Lines{"to A 0-50", "A 50-750", "A 2000-2300", "to B 2300-2350",
                                      "B 2350-2450", "to A 2450-2500"}));
}

TEST_F(TurnsTest, TheSwitchIsPaidAgainAfterAPauseOnlyByAnotherContext) {
  const StreamId a = Stream(Context("A"));
  const StreamId b = Stream(Context("B"));
  Kernel(a, 100 * kUs);
  Kernel(a, 100 * kUs, std::nullopt, 5 * kMs);
  Kernel(b, 100 * kUs, std::nullopt, 10 * kMs);
  EXPECT_EQ(Turns(20 * kMs),
            (Lines{"to A 0-50", "A 50-150", "A 5000-5100", "to B 10000-10050", "B 10050-10150"}));
}

TEST_F(TurnsTest, WithoutASwitchCostNothingIsLost) {
  const UnitId free = engine_.AddUnit({.slice = kMs, .switch_cost = 0});
  const StreamId a = Stream(Context("A", free));
  const StreamId b = Stream(Context("B", free));
  Kernel(a, 1500 * kUs);
  Kernel(b, 1500 * kUs);
  EXPECT_EQ(Turns(10 * kMs), (Lines{"A 0-1000", "B 1000-2000", "A 2000-2500", "B 2500-3000"}));
}

TEST_F(TurnsTest, UnitsComputeBesideEachOther) {
  const UnitId other = engine_.AddUnit({.slice = kMs, .switch_cost = 10 * kUs});
  Kernel(Stream(Context("A")), kMs);
  Kernel(Stream(Context("B", other)), kMs);
  EXPECT_EQ(Done(10 * kMs), (Lines{"done 2 10-1010", "done 1 50-1050"}));
}

TEST_F(TurnsTest, AKernelThatTakesNoTimeStillWaitsForItsTurn) {
  const StreamId a = Stream(Context("A"));
  const StreamId b = Stream(Context("B"));
  Kernel(a, kMs);
  Kernel(b, 0);
  Kernel(b, 0);
  EXPECT_EQ(Done(10 * kMs), (Lines{"done 1 50-1050", "done 2 1100-1100", "done 3 1100-1100"}));
}

TEST_F(TurnsTest, WhatComputesCanBeToldBeforeItEnds) {
  Kernel(Stream(Context("A")), 5 * kMs);
  EXPECT_EQ(Turns(2 * kMs), (Lines{"to A 0-50"}));
  engine_.ReportComputed();
  engine_.ReportComputed();
  EXPECT_EQ(Turns(2 * kMs), (Lines{"A 50-2000"}));
  EXPECT_EQ(Turns(10 * kMs), (Lines{"A 2000-5050"}));
}

TEST_F(TurnsTest, ReportingChangesNoTurn) {
  const StreamId a = Stream(Context("A"));
  const StreamId b = Stream(Context("B"));
  Kernel(a, 10 * kMs);
  Kernel(b, 100 * kUs, std::nullopt, 2500 * kUs);
  EXPECT_EQ(Turns(kMs), (Lines{"to A 0-50"}));
  engine_.ReportComputed();
  EXPECT_EQ(Turns(3200 * kUs),
            (Lines{"A 50-1000", "A 1000-3050", "to B 3050-3100", "B 3100-3200"}));
}

// ---- removal

TEST_F(TurnsTest, ARemovedContextEndsAtOnceAndTheNextBegins) {
  const ContextId gone = Context("A");
  const StreamId a = Stream(gone);
  const StreamId b = Stream(Context("B"));
  Kernel(a, 10 * kMs);
  Kernel(a, 10 * kMs);
  Kernel(b, 100 * kUs);
  EXPECT_EQ(Turns(500 * kUs), (Lines{"to A 0-50"}));
  engine_.RemoveContext(gone);
  EXPECT_EQ(std::exchange(notes_.turns, {}), (Lines{"A 50-500"}));
  EXPECT_EQ(engine_.Pending(a), 0U);
  EXPECT_EQ(engine_.NextEvent(), 500 * kUs);
  EXPECT_EQ(Turns(kMs), (Lines{"to B 500-550", "B 550-650"}));
  EXPECT_EQ(Done(50 * kMs), (Lines{"done 3 550-650"}));
  EXPECT_EQ(engine_.NextEvent(), std::nullopt);
}

TEST_F(TurnsTest, ASwitchToARemovedContextIsStillPaid) {
  const ContextId gone = Context("A");
  Kernel(Stream(gone), 10 * kMs);
  EXPECT_EQ(Turns(20 * kUs), (Lines{}));
  engine_.RemoveContext(gone);
  Kernel(Stream(Context("B")), 100 * kUs);
  EXPECT_EQ(Turns(kMs), (Lines{"to A 0-50", "to B 50-100", "B 100-200"}));
}

TEST_F(TurnsTest, RemovingAContextThatWaitsForItsTurnLeavesTheOthersAlone) {
  const StreamId a = Stream(Context("A"));
  const ContextId gone = Context("B");
  Kernel(a, 3 * kMs);
  Kernel(Stream(gone), kMs);
  EXPECT_EQ(Turns(500 * kUs), (Lines{"to A 0-50"}));
  engine_.RemoveContext(gone);
  EXPECT_EQ(Turns(10 * kMs), (Lines{"A 50-3050"}));
}

TEST_F(TurnsTest, ARemovedUnitTakesItsContextsAlong) {
  const UnitId other = engine_.AddUnit({});
  const StreamId a = Stream(Context("A", other));
  Kernel(a, 10 * kMs);
  const Point last = Kernel(a, 10 * kMs);
  Kernel(Stream(Context("B")), kMs, last);
  engine_.AdvanceTo(kMs);
  engine_.RemoveUnit(other);
  EXPECT_EQ(Done(10 * kMs), (Lines{"done 3 1050-2050"}));
  EXPECT_EQ(engine_.NextEvent(), std::nullopt);
  Kernel(Stream(engine_.AddContext(other)), kMs);
  EXPECT_EQ(engine_.NextEvent(), std::nullopt);
}

}  // namespace
}  // namespace tranche::sim::engine::testing
