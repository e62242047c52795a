// A program killed at every instruction of what the shim does around a call of the driver: what it
// held comes back to its pod, to the byte. A debugger's single step takes it through the hooks
// themselves, in front of a driver that only counts. At every instruction, too, the pod is charged
// for no less than the driver has given.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <functional>

#include "shim/guest/channel.h"
#include "shim/hooks.h"
#include "shim/state.h"
#include "shim/testing/counting_driver.h"
#include "wire/ledger.h"
#include "wire/shares.h"
#include "wire/testing/page_memory.h"
#include "wire/testing/steps.h"

namespace tranche::shim {
namespace {

using testing::Alloc;
using testing::kMib;
using testing::Stage;
using testing::stage;
using wire::testing::Shared;
using wire::testing::SteppedProgram;
using wire::testing::SumOfSlots;

constexpr unsigned kVictim = 0;
constexpr unsigned kNeighbour = 1;
constexpr unsigned kSlots = 2;
constexpr unsigned kShares = 2;
constexpr std::uint64_t kOfNeighbour = 100 * kMib;
constexpr std::uint64_t kLimit = 1000 * kMib;
constexpr std::uint64_t kContext = 300 * kMib;
constexpr unsigned kKills = 60;       // at so many instructions it is really killed,
constexpr unsigned kSteps = 100'000;  // or at fewer, where it takes more than so many to get there

}  // namespace

// ---- the node program, as far as it is asked what a context takes

namespace guest {

std::int64_t NowMilliseconds() { return 0; }
void SleepMilliseconds(int /*milliseconds*/) {}
bool FolderExists() { return true; }
bool ClosedWhileAway() { return false; }
bool Exchange(const void* /*message*/, std::size_t /*bytes*/, void* answer,
              std::size_t answer_bytes, int (* /*descriptors*/)[2], std::int64_t /*deadline*/) {
  if (answer_bytes != sizeof(wire::MeasureAnswer)) return false;
  const wire::MeasureAnswer measured{
      .header = {wire::kMagic, wire::kVersion, wire::Kind::kMeasureAnswer},
      .status = wire::Status::kOk,
      .context_bytes = kContext};
  std::memcpy(answer, &measured, sizeof measured);
  return true;
}

}  // namespace guest

namespace {

using Act = std::function<void()>;

// In the child: as if it had attached.
void Attach() {
  static Attachment pages;
  pages = {.limits = &stage->limits, .counters = &stage->counters, .slot = kVictim, .epoch = 1};
  std::memset(pages.wall_of, static_cast<int>(kNoWall), sizeof pages.wall_of);
  pages.wall_of[0] = 0;
  Program* program = ThisProgram();
  program->attachment.store(&pages);
  program->phase.store(Phase::kWalled);
}

// Only the slots and notes in use matter.
void CopyCounters(const wire::Counters& from, wire::Counters& to) {
  std::memcpy(static_cast<void*>(&to), static_cast<const void*>(&from),
              offsetof(wire::Counters, slots) + kSlots * sizeof(wire::Slot));
  std::memcpy(static_cast<void*>(&to.shares), static_cast<const void*>(&from.shares),
              kShares * sizeof(wire::Share));
}

// As the node program does once the victim has ended.
void ExpectComesBack(const Stage& now, wire::Counters& copy, unsigned step) {
  CopyCounters(now.counters, copy);
  const std::uint64_t total = copy.devices[0].total_bytes.load();
  ASSERT_GE(total, SumOfSlots(copy, kSlots, 0)) << "at step " << step;
  ASSERT_LE(total, kLimit) << "at step " << step;
  ASSERT_GE(total - kOfNeighbour, now.given.load()) << "not charged for, at step " << step;
  const bool shared = copy.shares[0].state.load() != 0;  // by the neighbour, as it is prepared
  wire::LeaveShares(copy, kVictim);
  wire::Reclaim(copy, kVictim, 0);
  ASSERT_TRUE(wire::Settle(copy, kSlots, 0)) << "at step " << step;
  if (shared) {
    ASSERT_GE(copy.devices[0].total_bytes.load() - kOfNeighbour, now.reserved.load())
        << "others still have it, at step " << step;
    wire::EndImport(copy, kNeighbour, 0);
  }
  ASSERT_EQ(copy.devices[0].total_bytes.load(), kOfNeighbour) << "at step " << step;
  ASSERT_EQ(SumOfSlots(copy, kSlots, 0), kOfNeighbour) << "at step " << step;
}

class ShimKillTest : public ::testing::Test {
 protected:
  ShimKillTest() { stage = &*stage_; }

  void Prepare() {
    std::memset(static_cast<void*>(&stage_->counters), 0,
                offsetof(wire::Counters, slots) + kSlots * sizeof(wire::Slot));
    stage_->counters.epoch.store(1);
    stage_->limits.devices[0].limit_bytes.store(kLimit);
    stage_->limits.devices[0].context_bound.store(2 * kContext);
    stage_->given.store(0);
    stage_->reserved.store(0);
    stage_->freeing.store(0);
    std::memset(static_cast<void*>(&stage_->counters.shares), 0, kShares * sizeof(wire::Share));
    if (imports_) {
      wire::AddShare(stage_->counters, wire::ShareKind::kImport, kNeighbour, wire::kAnyDevice,
                     wire::kPoolKey, wire::kUnknownBytes);
    }
    stage_->next.store(0);
    stage_->primary.store(0);
    wire::Reserve(stage_->counters, kNeighbour, 0, wire::Part::kHeld, kOfNeighbour, kLimit);
  }

  void KillEverywhere(const Act& before, const Act& act) {
    const Act begin = [&before] {
      Attach();
      before();
    };
    Prepare();
    unsigned steps = 0;
    {
      SteppedProgram program(begin, act);
      while (program.Step()) {
        ExpectComesBack(*stage_, *copy_, ++steps);
        if (HasFatalFailure()) return;
      }
      ASSERT_TRUE(program.through()) << "this test needs ptrace";
    }
    ASSERT_GT(steps, 100U);
    const unsigned kills = std::clamp(kSteps / steps, 5U, kKills);
    for (unsigned step = 1; step <= steps; step += std::max(1U, steps / kills)) {
      Prepare();
      SteppedProgram program(begin, act);
      for (unsigned at = 0; at < step; ++at) ASSERT_TRUE(program.Step());
      program.Kill();
      ExpectComesBack(*stage_, *copy_, step);
      if (HasFatalFailure()) return;
    }
    RecordProperty("instructions", static_cast<int>(steps));
  }

  bool imports_ = false;  // the neighbour has imported a pool
  Shared<Stage> stage_;
  Shared<wire::Counters> copy_;
};

DevicePtr at = 0;
Context context = nullptr;

// The controls: what the driver gives behind the shim's back is noticed, and without a settlement
// some kills leave too much.
TEST_F(ShimKillTest, WhatIsNotChargedIsNoticed) {
  Prepare();
  SteppedProgram program(Attach, [] { Alloc(&at, 200 * kMib); });
  while (program.Step()) {
  }
  EXPECT_TRUE(program.through());
  EXPECT_LT(stage_->counters.devices[0].total_bytes.load() - kOfNeighbour, stage_->given.load());
}

TEST_F(ShimKillTest, WithoutSettlingSomeKillsLeaveTooMuch) {
  Prepare();
  SteppedProgram program(Attach, [] { cuMemAlloc_v2(&at, 200 * kMib); });
  unsigned too_much = 0;
  while (program.Step()) {
    CopyCounters(stage_->counters, *copy_);
    wire::Reclaim(*copy_, kVictim, 0);
    if (copy_->devices[0].total_bytes.load() != kOfNeighbour) ++too_much;
  }
  EXPECT_GT(too_much, 0U);
}

TEST_F(ShimKillTest, InAnAllocation) {
  KillEverywhere([] {}, [] { cuMemAlloc_v2(&at, 200 * kMib); });
}

TEST_F(ShimKillTest, InAFree) {
  KillEverywhere([] { cuMemAlloc_v2(&at, 200 * kMib); }, [] { cuMemFree_v2(at); });
}

TEST_F(ShimKillTest, InARefusalBeforeWhichPoolsAreTrimmed) {
  KillEverywhere(
      [] {
        cuMemAllocAsync(&at, 400 * kMib, nullptr);
        cuMemFreeAsync(at, nullptr);
      },
      [] {
        DevicePtr more = 0;
        cuMemAlloc_v2(&more, 800 * kMib);
        cuMemAlloc_v2(&more, 800 * kMib);
      });
}

TEST_F(ShimKillTest, InWhatAPoolGrowsByAndGivesBack) {
  KillEverywhere([] {},
                 [] {
                   cuMemAllocAsync(&at, 40 * kMib, nullptr);
                   cuMemFreeAsync(at, nullptr);
                   cuStreamSynchronize(nullptr);
                 });
}

TEST_F(ShimKillTest, InAFreeThatAStreamComesToLater) {
  KillEverywhere([] { cuMemAlloc_v2(&at, 200 * kMib); },
                 [] {
                   cuMemFreeAsync(at, nullptr);
                   cuStreamSynchronize(nullptr);
                 });
}

Pool pool = nullptr;

void MakeAPool() {
  const PoolProperties properties{.location = {kLocationDevice, 0}};
  cuMemPoolCreate(&pool, &properties);
  cuMemAllocFromPoolAsync(&at, 40 * kMib, pool, nullptr);
}
void GrowAndDestroyIt() {
  cuMemAllocFromPoolAsync(&at, 40 * kMib, pool, nullptr);
  cuStreamSynchronize(nullptr);
  cuMemAllocFromPoolAsync(&at, 40 * kMib, pool, nullptr);
  cuMemPoolDestroy(pool);
}

TEST_F(ShimKillTest, InAPoolThatIsDestroyed) { KillEverywhere(MakeAPool, GrowAndDestroyIt); }

TEST_F(ShimKillTest, InAPoolThatANeighbourHasImported) {
  imports_ = true;
  KillEverywhere(
      [] {
        int fd = -1;
        MakeAPool();
        cuMemPoolExportToShareableHandle(&fd, pool, kHandlePosixDescriptor, 0);
      },
      GrowAndDestroyIt);
}

TEST_F(ShimKillTest, InPhysicalMemoryThatIsMapped) {
  KillEverywhere([] {},
                 [] {
                   Handle handle = 0;
                   const AllocationProperties properties{.location = {kLocationDevice, 0}};
                   cuMemCreate(&handle, 64 * kMib, &properties, 0);
                   cuMemMap(kMib << 10U, 64 * kMib, 0, handle, 0);
                   cuMemRelease(handle);
                   cuMemUnmap(kMib << 10U, 64 * kMib);
                 });
}

TEST_F(ShimKillTest, InAContextThatComesAndGoes) {
  KillEverywhere([] {},
                 [] {
                   cuDevicePrimaryCtxRetain(&context, 0);
                   cuMemAlloc_v2(&at, 100 * kMib);
                   cuDevicePrimaryCtxRelease_v2(0);
                 });
}

}  // namespace
}  // namespace tranche::shim
