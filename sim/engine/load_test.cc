// What the engine keeps: of what is pending only.
#include <gtest/gtest.h>

#include <vector>

#include "base/testing/heap.h"
#include "sim/engine/engine.h"
#include "sim/engine/memory.h"

namespace tranche::sim::engine {
namespace {

constexpr Time kUs = 1000;

class Counter : public Observer {
 public:
  void OnDone(StreamId /*stream*/, const Task& /*task*/, Time /*begun*/, Time /*ended*/) override {
    ++done;
  }
  void OnHost(StreamId /*stream*/, const Task& /*task*/, Time /*at*/) override {}
  void OnComputed(UnitId /*unit*/, ContextId /*context*/, Time /*begun*/, Time /*ended*/) override {
  }
  void OnSwitched(UnitId /*unit*/, ContextId /*to*/, Time /*begun*/, Time /*ended*/) override {}

  std::size_t done = 0;
};

// Sixteen programs, one of them on the legacy stream and a blocking one, with queues of `queue`
// launches, until a million kernels are done. The most bytes in use.
std::size_t Most(std::size_t queue) {
  const base::testing::HeapWatch heap;
  Counter counter;
  Engine engine(counter);
  const UnitId unit = engine.AddUnit({});
  std::vector<StreamId> streams;
  for (int i = 0; i < 15; ++i) {
    streams.push_back(engine.AddStream(engine.AddContext(unit), StreamKind::kNonBlocking));
  }
  const ContextId context = engine.AddContext(unit);
  streams.push_back(engine.AddStream(context, StreamKind::kLegacy));
  streams.push_back(engine.AddStream(context, StreamKind::kBlocking));
  std::uint64_t number = 0;
  Point last;
  while (counter.done < 1'000'000) {
    for (const StreamId stream : streams) {
      while (engine.Pending(stream) < queue) {
        engine.Submit(stream, {.work = Work::kKernel,
                               .number = ++number,
                               .submitted = engine.now() + kUs,
                               .length = 10 * kUs,
                               .after = number % 5 == 0 ? std::optional(last) : std::nullopt});
        last = {.stream = stream, .number = number};
      }
    }
    engine.AdvanceTo(engine.now() + 1000 * kUs);
  }
  return heap.Most();
}

TEST(EngineLoad, AMillionKernelsLeaveNothingBehind) {
  constexpr std::size_t kBytesOfATask = 200;
  constexpr std::size_t kRest = 64 << 10U;
  EXPECT_LT(Most(16), 17 * 16 * kBytesOfATask + kRest);
  EXPECT_GT(Most(1024), 17 * 16 * kBytesOfATask + kRest);  // more is pending
  EXPECT_LT(Most(1024), 17 * 1024 * kBytesOfATask + kRest);
}

TEST(EngineLoad, WhatComesAndGoesLeavesNothingBehind) {
  Counter counter;
  Engine engine(counter);
  const UnitId unit = engine.AddUnit({});
  const base::testing::HeapWatch heap;
  for (int i = 0; i < 10'000; ++i) {
    const ContextId context = engine.AddContext(unit);
    const StreamId legacy = engine.AddStream(context, StreamKind::kLegacy);
    const StreamId stream = engine.AddStream(context, StreamKind::kBlocking);
    const StreamId other = engine.AddStream(context, StreamKind::kNonBlocking);
    // None of this is ever done.
    engine.Submit(stream, {.work = Work::kKernel, .number = 1, .length = Time{1} << 50U});
    engine.Submit(legacy, {.work = Work::kCopyIn, .number = 1, .length = Time{1} << 50U});
    engine.Submit(other, {.number = 1, .submitted = Time{1} << 50U});
    engine.Submit(other, {.number = 2, .after = Point{.stream = stream, .number = 1}});
    engine.RemoveStream(engine.AddStream(context, StreamKind::kNonBlocking));
    engine.AdvanceTo(engine.now() + 10 * kUs);
    engine.RemoveContext(context);
  }
  EXPECT_LT(heap.Most(), std::size_t{64} << 10U);
}

TEST(EngineLoad, MemoryKeepsBooksOfWhatIsHeldOnly) {
  DeviceMemory memory(std::uint64_t{1} << 30U);
  const base::testing::HeapWatch heap;
  for (OwnerId owner = 1; owner <= 10'000; ++owner) {
    memory.AddContext(owner, kGranularity);
    for (int i = 0; i < 10; ++i) {
      const auto small = memory.Reserve(owner, 1000);
      const auto large = memory.Reserve(owner, kGranularity);
      ASSERT_TRUE(small && large);
      ASSERT_TRUE(memory.Share(small->id, owner + 1));
      memory.Release(large->id, owner);
    }
    memory.RemoveOwner(owner);
  }
  EXPECT_LT(heap.Most(), std::size_t{64} << 10U);
}

}  // namespace
}  // namespace tranche::sim::engine
