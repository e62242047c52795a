// Whether contexts share a unit as a model of the hardware's own slicing says: the same programs,
// played against the engine.
//
// The model goes in steps of 2 us, in which kernels and pauses between launches take whole steps,
// and the step in which it decides to change to another context is lost on top of the switch. It
// draws the lengths of kernels and pauses from one generator; the figures here are those of runs
// long enough (100 to 2500 s) that another seed hardly changes them.
#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

#include "sim/engine/testing/played.h"

namespace tranche::sim::engine::testing {
namespace {

constexpr Time kUs = 1000;
constexpr Time kMs = 1000 * kUs;
constexpr Time kSecond = 1000 * kMs;
constexpr Time kStep = 2 * kUs;
constexpr std::array<Time, 3> kSwitchCosts = {10 * kUs, 50 * kUs, 200 * kUs};

struct Expected {        // at each of kSwitchCosts
  std::string programs;  // of one kind: "AAB" are two of one pod and one of another
  std::array<std::vector<double>, 3> percent;  // of each pod
  std::array<double, 3> p50 = {};              // of the latency of …
  std::array<double, 3> p99 = {};              // … requests, in ms
  char requests = 0;                           // which pod answers them
};

// Kernels of `mean`, launched as fast as a program can.
Program Backlogged(Time mean, double spread) {
  return {.kernel = mean, .spread = spread, .interval = 5 * kUs};
}
Program HostBound() { return {.kernel = 50 * kUs, .spread = 0.3, .interval = 150 * kUs}; }
Program Requests() {
  return {.kernel = 500 * kUs, .interval = 5 * kUs, .burst = 10, .think = 5 * kMs};
}

void ExpectAgreement(const Expected& expected, const std::vector<Program>& programs, Time length) {
  for (std::size_t cost = 0; cost < kSwitchCosts.size(); ++cost) {
    SCOPED_TRACE("switch cost " + std::to_string(kSwitchCosts[cost] / kUs) + " us");
    const Play play = {
        .hardware = {.switch_cost = kSwitchCosts[cost] + kStep}, .step = kStep, .length = length};
    const std::vector<Share> shares = Perform(play, programs);
    std::vector<double> percent(expected.percent[cost].size());
    double busy = 0;
    double expected_busy = 0;
    for (std::size_t i = 0; i < shares.size(); ++i) {
      const double part =
          100.0 * static_cast<double>(shares[i].computed) / static_cast<double>(length);
      percent[static_cast<std::size_t>(expected.programs[i] - 'A')] += part;
      busy += part;
    }
    for (std::size_t pod = 0; pod < percent.size(); ++pod) {
      const double wanted = expected.percent[cost][pod];
      EXPECT_NEAR(percent[pod], wanted, 0.02 * wanted) << "pod " << pod;
      expected_busy += wanted;
    }
    EXPECT_NEAR(busy, expected_busy, 0.02 * expected_busy);
    if (expected.requests != 0) {
      const Share& requests = shares[expected.programs.find(expected.requests)];
      const double p50 = static_cast<double>(Quantile(requests.latencies, 0.5)) / kMs;
      const double p99 = static_cast<double>(Quantile(requests.latencies, 0.99)) / kMs;
      EXPECT_NEAR(p50, expected.p50[cost], 0.05 * expected.p50[cost]);
      EXPECT_NEAR(p99, expected.p99[cost], 0.05 * expected.p99[cost]);
    }
  }
}

// ---- programs that always have work

TEST(NativeTurns, KernelsOfAnyLengthGetTheSameTime) {
  ExpectAgreement(
      {.programs = "AB", .percent = {{{49.421, 49.420}, {47.584, 47.583}, {41.762, 41.762}}}},
      {Backlogged(50 * kUs, 0.5), Backlogged(8 * kMs, 0.5)}, 5 * kSecond);
}

TEST(NativeTurns, NoWeightCounts) {
  ExpectAgreement(
      {.programs = "AB", .percent = {{{49.421, 49.420}, {47.584, 47.583}, {41.762, 41.762}}}},
      {Backlogged(500 * kUs, 0.3), Backlogged(500 * kUs, 0.3)}, 5 * kSecond);
}

TEST(NativeTurns, FourProcessesGetFourFifths) {
  ExpectAgreement(
      {.programs = "AAAAB", .percent = {{{79.073, 19.768}, {76.134, 19.033}, {66.819, 16.705}}}},
      std::vector<Program>(5, Backlogged(500 * kUs, 0.3)), 5 * kSecond);
}

TEST(NativeTurns, EightProgramsGetAnEighthEach) {
  ExpectAgreement({.programs = "ABCDEFGH",
                   .percent = {std::vector<double>(8, 12.356), std::vector<double>(8, 11.896),
                               std::vector<double>(8, 10.441)}},
                  std::vector<Program>(8, Backlogged(500 * kUs, 0.3)), 5 * kSecond);
}

// ---- programs that their host keeps from having work always

TEST(NativeTurns, TwoHostBoundProgramsGetWhatTheyAskFor) {
  ExpectAgreement(
      {.programs = "AB", .percent = {{{33.837, 33.815}, {33.837, 33.815}, {33.837, 33.815}}}},
      std::vector<Program>(2, HostBound()), 5 * kSecond);
}

TEST(NativeTurns, ThreeHostBoundProgramsLoseWhatTheSwitchesCost) {
  ExpectAgreement({.programs = "ABC",
                   .percent = {std::vector<double>(3, 32.947), std::vector<double>(3, 31.722),
                               std::vector<double>(3, 27.841)}},
                  std::vector<Program>(3, HostBound()), 5 * kSecond);
}

TEST(NativeTurns, FourHostBoundProgramsShareEvenly) {
  ExpectAgreement({.programs = "ABCD",
                   .percent = {std::vector<double>(4, 24.711), std::vector<double>(4, 23.792),
                               std::vector<double>(4, 20.881)}},
                  std::vector<Program>(4, HostBound()), 5 * kSecond);
}

TEST(NativeTurns, AHostBoundProgramLosesNothingToATrainer) {
  ExpectAgreement(
      {.programs = "AB", .percent = {{{33.833, 64.651}, {33.833, 60.067}, {33.832, 47.448}}}},
      {HostBound(), Backlogged(kMs, 0.3)}, 5 * kSecond);
}

// ---- requests beside other programs

TEST(NativeTurns, LongKernelsAreInterruptedForRequests) {
  Program trainer = Backlogged(200 * kMs, 0);
  trainer.queue = 8;
  ExpectAgreement({.programs = "AB",
                   .percent = {{{65.275, 33.911}, {63.502, 33.059}, {57.483, 30.283}}},
                   .p50 = {9.742, 10.104, 11.476},
                   .p99 = {10.220, 10.588, 12.086},
                   .requests = 'B'},
                  {trainer, Requests()}, 100 * kSecond);
}

TEST(NativeTurns, GraphsAreInterruptedForRequests) {
  const Program trainer = {
      .kernel = 100 * kMs, .interval = 5 * kUs, .burst = 1, .think = 200 * kUs};
  ExpectAgreement({.programs = "AB",
                   .percent = {{{65.097, 34.025}, {63.316, 33.174}, {57.302, 30.372}}},
                   .p50 = {9.726, 10.086, 11.456},
                   .p99 = {10.220, 10.586, 12.086},
                   .requests = 'B'},
                  {trainer, Requests()}, 100 * kSecond);
}

TEST(NativeTurns, RequestsWaitForTheTurnsOfThreeTrainers) {
  const Program requests = {
      .kernel = 300 * kUs, .spread = 0.5, .interval = 5 * kUs, .burst = 10, .think = 50 * kMs};
  const Program trainer = Backlogged(kMs, 0.5);
  ExpectAgreement({.programs = "ABCD",
                   .percent = {{{4.839, 31.332, 31.332, 31.332},
                                {4.752, 30.126, 30.126, 30.126},
                                {4.665, 26.244, 26.244, 26.244}}},
                   .p50 = {11.620, 12.101, 13.819},
                   .p99 = {18.533, 19.340, 21.970},
                   .requests = 'A'},
                  {requests, trainer, trainer, trainer}, 300 * kSecond);
}

// What the tests before would find: another slice.
TEST(NativeTurns, RequestsAreSlowerWhereTurnsAreLonger) {
  const Play play = {.hardware = {.slice = 8 * kMs, .switch_cost = 50 * kUs + kStep},
                     .step = kStep,
                     .length = 20 * kSecond};
  const std::vector<Share> shares = Perform(play, {Backlogged(200 * kMs, 0), Requests()});
  EXPECT_GT(static_cast<double>(Quantile(shares[1].latencies, 0.99)) / kMs, 10.588 * 1.05);
}

// ---- a program that comes late

TEST(NativeTurns, ANewcomerWaitsForNoQueueOfAnother) {
  const std::array<double, 3> first_done = {1.3, 1.4, 1.7};  // ms
  const std::array<double, 3> percent = {49.4, 47.6, 41.8};  // of each half second
  Program newcomer = Backlogged(kMs, 0);
  newcomer.from = 3 * kSecond;
  for (std::size_t cost = 0; cost < kSwitchCosts.size(); ++cost) {
    const Play play = {.hardware = {.switch_cost = kSwitchCosts[cost] + kStep},
                       .step = kStep,
                       .length = 5 * kSecond,
                       .window = kSecond / 2};
    const std::vector<Share> shares = Perform(play, {Backlogged(2 * kMs, 0), newcomer});
    ASSERT_TRUE(shares[1].first_done);
    EXPECT_NEAR(static_cast<double>(*shares[1].first_done) / kMs, first_done[cost], 0.05);
    for (std::size_t window = 6; window < 10; ++window) {
      EXPECT_NEAR(static_cast<double>(shares[1].windows[window]) / (5 * kMs), percent[cost],
                  0.02 * percent[cost]);
    }
  }
}

}  // namespace
}  // namespace tranche::sim::engine::testing
