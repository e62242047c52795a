// Work of programs on a machine: turns, streams, copies, graphs, and what breaks the rules.
#include "sim/driver/machine.h"

#include <gtest/gtest.h>

#include "sim/driver/constants.h"
#include "sim/driver/testing/machine_fixture.h"
#include "sim/driver/testing/program.h"

namespace tranche::sim::driver {
namespace {

using link::Work;
using testing::kGiB;
using testing::kMiB;
using testing::kMs;
using testing::kUs;
using testing::Program;

class MachineTest : public testing::MachineFixture {};

TEST_F(MachineTest, TwoProgramsShareTime) {
  Program a(machine, 1);
  Program b(machine, 2);
  for (Program* program : {&a, &b}) {
    ASSERT_EQ(program->MakeContext().result, 0U);
    for (int i = 0; i < 10; ++i) program->Submit(0, Work::kKernel, 10 * kMs);
  }
  AdvanceTo(100 * kMs);
  EXPECT_EQ(UsageOf(a).computed, 50 * kMs);
  EXPECT_EQ(UsageOf(b).computed, 50 * kMs);
  // Alone, the same would have been done by now.
  EXPECT_EQ(a.page().streams[0].finished, 5U);
  AdvanceTo(200 * kMs);
  EXPECT_EQ(a.page().streams[0].finished, 10U);
  EXPECT_EQ(a.page().contexts[0].finished, 10U);
}

TEST_F(MachineTest, AProgramThatGoesLeavesItsTurnAtOnce) {
  Program a(machine, 1);
  Program b(machine, 2);
  for (Program* program : {&a, &b}) {
    ASSERT_EQ(program->MakeContext().result, 0U);
    program->Submit(0, Work::kKernel, 100 * kMs);
  }
  AdvanceTo(10 * kMs);
  b.End(10 * kMs);
  AdvanceTo(105 * kMs);
  EXPECT_EQ(a.page().streams[0].finished, 1U);
}

TEST_F(MachineTest, ContextsAndStreamsMayBeMadeAgain) {
  Program a(machine, 1);
  for (int i = 0; i < 3; ++i) {
    const auto context = a.MakeContext();
    ASSERT_EQ(context.result, 0U);
    const std::uint32_t stream = a.MakeStream(context.context);
    const std::uint64_t number = a.Submit(stream, Work::kKernel, kMs, now);
    AdvanceTo(now + 2 * kMs);
    EXPECT_EQ(a.page().streams[stream].finished, number);
    ASSERT_EQ(
        a.Ask<link::Answer>(link::ContextDestroy{.context = context.context, .reserved = 0}, now)
            .result,
        0U);
    a.numbers.Forget(stream);
  }
  EXPECT_EQ(machine.devices().Find(0, kWholeGpu)->memory->Free(), 16 * kGiB);
}

TEST_F(MachineTest, ADestroyedStreamDoesWhatItHasAndThenGivesItsPlaceBack) {
  Program a(machine, 1);
  ASSERT_EQ(a.MakeContext().result, 0U);
  const std::uint32_t stream = a.MakeStream();
  a.Submit(stream, Work::kKernel, 10 * kMs);
  ASSERT_EQ(a.Ask<link::Answer>(link::StreamDestroy{.stream = stream, .reserved = 0}, 0).result,
            0U);
  const std::uint32_t second = a.MakeStream();
  EXPECT_NE(second, stream);
  AdvanceTo(10 * kMs);
  EXPECT_EQ(a.page().contexts[0].finished, 1U);
  EXPECT_EQ(a.MakeStream(), stream);
  EXPECT_EQ(a.page().streams[stream].finished, 0U);
}

TEST_F(MachineTest, MarksSayWhen) {
  Program a(machine, 1);
  ASSERT_EQ(a.MakeContext().result, 0U);
  a.Submit(0, Work::kKernel, 3 * kMs);
  ASSERT_TRUE(a.Say(link::Submit{.stream = 0,
                                 .work = Work::kMark,
                                 .number = a.numbers.Next(0),
                                 .stamp_ns = 0,
                                 .amount = 0,
                                 .name = 0,
                                 .mark = 5,
                                 .other = 9},
                    0));
  AdvanceTo(2 * kMs);
  EXPECT_EQ(a.page().marks[5].generation, 0U);
  AdvanceTo(4 * kMs);
  EXPECT_EQ(a.page().marks[5].generation, 9U);
  EXPECT_EQ(a.page().marks[5].time_ns, 3 * kMs);
}

TEST_F(MachineTest, StreamsWaitForEachOtherAndForTheProgram) {
  Program a(machine, 1);
  ASSERT_EQ(a.MakeContext().result, 0U);
  const std::uint32_t first = a.MakeStream();
  const std::uint32_t second = a.MakeStream();
  const std::uint64_t host = a.Submit(first, Work::kHost, 0);
  const auto after = [&](std::uint32_t stream, std::uint32_t other, std::uint64_t number) {
    return a.Say(link::Submit{.stream = stream,
                              .work = Work::kAfter,
                              .number = a.numbers.Next(stream),
                              .stamp_ns = 0,
                              .other = number,
                              .after_stream = other},
                 0);
  };
  ASSERT_TRUE(after(second, first, host));
  const std::uint64_t kernel = a.Submit(second, Work::kKernel, kMs);
  AdvanceTo(10 * kMs);
  EXPECT_EQ(a.page().contexts[0].host_calls, 1U);
  EXPECT_EQ(a.page().streams[first].host_number, host);
  EXPECT_LT(a.page().streams[second].finished, kernel);
  ASSERT_TRUE(a.Say(link::HostDone{.stream = first, .reserved = 0, .number = host}, now));
  AdvanceTo(11 * kMs);
  EXPECT_EQ(a.page().streams[second].finished, kernel);
  // What is not submitted yet is not waited for.
  ASSERT_TRUE(after(second, first, 100));
  AdvanceTo(12 * kMs);
  EXPECT_EQ(a.page().streams[second].finished, kernel + 1);
}

TEST_F(MachineTest, NotifyTellsAndGoesOn) {
  Program a(machine, 1);
  ASSERT_EQ(a.MakeContext().result, 0U);
  const std::uint64_t notify = a.Submit(0, Work::kNotify, 0);
  a.Submit(0, Work::kKernel, kMs);
  AdvanceTo(kMs);
  EXPECT_EQ(a.page().contexts[0].host_calls, 1U);
  EXPECT_EQ(a.page().streams[0].host_number, notify);
  EXPECT_EQ(a.page().streams[0].finished, 2U);
}

TEST_F(MachineTest, CopiesGoBesideKernels) {
  Program a(machine, 1);
  ASSERT_EQ(a.MakeContext().result, 0U);
  const std::uint32_t copies = a.MakeStream();
  const std::uint32_t kernels = a.MakeStream();
  a.Submit(copies, Work::kCopyToDevice, 64 * kMiB);
  a.Submit(kernels, Work::kKernel, 5 * kMs);
  AdvanceTo(5 * kMs);
  EXPECT_EQ(a.page().streams[kernels].finished, 1U);
  AdvanceTo(100 * kMs);
  const Usage usage = UsageOf(a);
  EXPECT_EQ(usage.in.count, 1U);
  EXPECT_EQ(usage.in.bytes, 64 * kMiB);
  EXPECT_EQ(usage.in.time, engine::CopyTime(64 * kMiB, engine::LinkRate(3, 16)));
}

TEST_F(MachineTest, AGraphRunsItsNodesAndIsOneLaunch) {
  Program a(machine, 1);
  ASSERT_EQ(a.MakeContext().result, 0U);
  GraphDefinition graph{.define = {.graph = 42, .context = 0, .nodes = 3}, .nodes = {}};
  for (std::uint32_t i = 0; i < 3; ++i) {
    link::GraphNode node{.work = Work::kKernel, .name = 0, .amount = kMs};
    if (i == 2) {
      node.dependency_count = 2;
      node.dependencies[0] = 0;
      node.dependencies[1] = 1;
    }
    graph.nodes.push_back(node);
  }
  ASSERT_EQ(a.Ask<link::Answer>(graph, 0).result, 0U);
  a.Submit(0, Work::kKernel, kMs);
  const std::uint64_t number = a.numbers.Next(0);
  ASSERT_TRUE(a.Say(link::Submit{.stream = 0,
                                 .work = Work::kGraph,
                                 .number = number,
                                 .stamp_ns = 0,
                                 .amount = 42,
                                 .launch = 1},
                    0));
  const std::uint64_t last = a.Submit(0, Work::kKernel, kMs);
  AdvanceTo(4 * kMs - 1);
  EXPECT_EQ(a.page().streams[0].finished, number - 1);
  AdvanceTo(4 * kMs);
  EXPECT_EQ(a.page().streams[0].finished, number);
  AdvanceTo(5 * kMs);
  EXPECT_EQ(a.page().streams[0].finished, last);
  EXPECT_EQ(a.page().contexts[0].finished, 3U);
  EXPECT_EQ(UsageOf(a).kernels, 5U);
}

TEST_F(MachineTest, WhoBreaksTheRulesIsCutOff) {
  Program a(machine, 1);
  ASSERT_EQ(a.MakeContext().result, 0U);
  const auto submit = [&](link::Submit what) {
    what.stamp_ns = 0;
    return a.Say(what, 0);
  };
  EXPECT_FALSE(submit({.stream = 0, .work = Work::kKernel, .number = 2})) << "number 1 is missing";
  EXPECT_TRUE(submit({.stream = 0, .work = Work::kKernel, .number = 1}));
  EXPECT_FALSE(submit({.stream = 0, .work = Work::kKernel, .number = 1})) << "twice";
  EXPECT_FALSE(submit({.stream = 0, .work = static_cast<Work>(0), .number = 2}));
  EXPECT_FALSE(submit({.stream = 0, .work = static_cast<Work>(50), .number = 2}));
  EXPECT_FALSE(submit({.stream = link::kMaxStreams, .work = Work::kKernel, .number = 1}));
  EXPECT_FALSE(submit({.stream = 0, .work = Work::kMark, .number = 2, .mark = link::kMaxMarks}));
  EXPECT_FALSE(a.Say(link::HostDone{.stream = 0, .reserved = 0, .number = 99}, 0));
  EXPECT_FALSE(a.Say(link::Share{.id = 1}, 0)) << "without a descriptor";
  EXPECT_FALSE(a.Say(link::Hello{.version = link::kVersion, .reserved = 0}, 0)) << "twice";
  EXPECT_FALSE(a.Say(link::Await{.counter = static_cast<link::Counter>(9), .index = 0}, 0));
  EXPECT_FALSE(a.Say(
      link::Await{.counter = link::Counter::kStream, .index = link::kMaxStreams, .value = 1}, 0));
}

TEST_F(MachineTest, WhatIsUnknownIsAnswered) {
  Program a(machine, 1);
  EXPECT_EQ(a.MakeContext(0, 31).result, kInvalidDevice);
  EXPECT_EQ(a.MakeContext(0, ~0U).result, kInvalidDevice);
  EXPECT_EQ(a.Reserve(kMiB).result, kInvalidContext);
  EXPECT_EQ(a.Ask<link::Answer>(link::Release{.id = 12345}, 0).result, kInvalidValue);
  EXPECT_EQ(a.Ask<link::Answer>(link::ContextDestroy{.context = 63, .reserved = 0}, 0).result,
            kInvalidContext);
  EXPECT_EQ(a.Ask<link::Answer>(link::StreamDestroy{.stream = 9, .reserved = 0}, 0).result,
            kInvalidHandle);
  EXPECT_EQ(a.Ask<link::Answer>(link::GraphForget{.graph = 9}, 0).result, kInvalidHandle);
  EXPECT_EQ(a.Ask<link::OpenSharedAnswer>(link::OpenShared{.key = {0, 0}}, 0).result,
            kInvalidHandle);
  ASSERT_EQ(a.MakeContext().result, 0U);
  EXPECT_EQ(a.Ask<link::Answer>(link::StreamDestroy{.stream = 0, .reserved = 0}, 0).result,
            kInvalidHandle)
      << "the legacy stream stays";
  EXPECT_TRUE(a.Say(link::Submit{.stream = 77, .work = Work::kKernel, .number = 1}, 0))
      << "it may just have gone";
}

TEST_F(MachineTest, LatenessIsCounted) {
  Program a(machine, 1);
  Program b(machine, 2);
  ASSERT_EQ(a.MakeContext().result, 0U);
  ASSERT_EQ(b.MakeContext().result, 0U);
  a.Submit(0, Work::kKernel, kMs);
  AdvanceTo(5 * kMs);
  // The engine has done what ended at 1 ms, and nothing since: who calls at 2 ms is in time.
  const auto submit = [&](Program& program, Time stamp) {
    ASSERT_TRUE(program.Say(link::Submit{.stream = 0,
                                         .work = Work::kKernel,
                                         .number = program.numbers.Next(0),
                                         .stamp_ns = stamp,
                                         .amount = kMs},
                            now));
  };
  submit(b, 2 * kMs);
  AdvanceTo(5 * kMs);
  EXPECT_EQ(UsageOf(b).lateness.late, 0U);
  EXPECT_EQ(b.page().streams[0].finished, 1U) << "done at 3 ms";
  submit(a, kMs + kUs);
  EXPECT_EQ(UsageOf(a).lateness.late_idle, 1U);
  EXPECT_GT(UsageOf(a).lateness.late_idle_time, 0);
}

TEST_F(MachineTest, StampsThatCannotBeAreNotLateness) {
  Program a(machine, 1);
  AdvanceTo(5 * kMs);
  machine.SettleAt(5 * kMs);
  ASSERT_EQ(a.MakeContext(now).result, 0U);
  for (int i = 0; i < 10; ++i) {
    now += 5 * kMs;
    machine.SettleAt(now);
    a.Submit(0, Work::kKernel, kMs, 0);  // stamped before its stream was there
  }
  EXPECT_EQ(UsageOf(a).lateness.submits, 10U);
  EXPECT_EQ(UsageOf(a).lateness.late, 0U);
  machine.SettleAt(100 * kMs);
  a.Submit(0, Work::kKernel, kMs, 90 * kMs);
  EXPECT_EQ(UsageOf(a).lateness.late_idle, 1U) << "a stamp in order counts";
}

TEST_F(MachineTest, AProgramWithTooMuchToDoIsHeldBack) {
  Program a(machine, 1);
  ASSERT_EQ(a.MakeContext().result, 0U);
  for (int i = 0; i < 40'000 && !a.client().Congested(); ++i) a.Submit(0, Work::kKernel, kMs);
  EXPECT_TRUE(a.client().Congested());
  AdvanceTo(20'000 * kMs);
  EXPECT_FALSE(a.client().Congested());
}

}  // namespace
}  // namespace tranche::sim::driver
