// A program killed at every instruction of what the shim does around a call of the driver: what it
// held comes back to its pod, to the byte. A debugger's single step takes it through the hooks
// themselves, in front of a driver that only counts. At every instruction, too, the pod is charged
// for no less than the driver has given.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <functional>

#include "shim/driver.h"
#include "shim/guest/channel.h"
#include "shim/hooks.h"
#include "shim/state.h"
#include "wire/ledger.h"
#include "wire/testing/page_memory.h"
#include "wire/testing/steps.h"

namespace tranche::shim {
namespace {

using wire::testing::Shared;
using wire::testing::SteppedProgram;
using wire::testing::SumOfSlots;

constexpr std::uint64_t kMib = 1U << 20U;
constexpr unsigned kVictim = 0;
constexpr unsigned kNeighbour = 1;
constexpr unsigned kSlots = 2;
constexpr std::uint64_t kOfNeighbour = 100 * kMib;
constexpr std::uint64_t kLimit = 1000 * kMib;
constexpr std::uint64_t kContext = 300 * kMib;
constexpr unsigned kKills = 60;       // at so many instructions it is really killed,
constexpr unsigned kSteps = 100'000;  // or at fewer, where it takes more than so many to get there

// What the programs share: the pod's pages, and what the driver has given to the victim.
struct Stage {
  wire::Counters counters;
  wire::Limits limits;
  std::atomic<std::uint64_t> given;
  std::atomic<std::uint64_t> reserved;  // of that, by the pool
  std::atomic<std::uint64_t> next;      // address or handle
  std::atomic<int> primary;             // 1: the primary context is there
};
Stage* stage = nullptr;

// ---- the driver

std::uint64_t sizes[64];  // by address, which is a number that grows

unsigned long long New(std::uint64_t bytes) {  // NOLINT(google-runtime-int)
  const std::uint64_t at = stage->next.fetch_add(1) + 1;
  sizes[at] = bytes;
  stage->given.fetch_add(bytes);
  return at;
}
Result End(unsigned long long at) {  // NOLINT(google-runtime-int)
  stage->given.fetch_sub(sizes[at]);
  return kSuccess;
}

Result Alloc(DevicePtr* at, std::size_t bytes) { return *at = New(bytes), kSuccess; }
Result AllocAsync(DevicePtr* at, std::size_t bytes, Stream /*stream*/) {
  // The pool grows by a block, or by what is asked for.
  const std::uint64_t growth = std::max<std::uint64_t>(bytes, 32 * kMib);
  stage->given.fetch_add(growth);
  stage->reserved.fetch_add(growth);
  return *at = stage->next.fetch_add(1) + 1, kSuccess;
}
Result FreeAsync(DevicePtr /*at*/, Stream /*stream*/) { return kSuccess; }
Result Trim(Pool /*pool*/, std::size_t /*least*/) {
  stage->given.fetch_sub(stage->reserved.exchange(0));
  return kSuccess;
}
Result Synchronize(Stream /*stream*/) { return Trim(nullptr, 0); }
Result Create(Handle* handle, std::size_t bytes, const AllocationProperties* /*prop*/,
              Flags /*flags*/) {
  return *handle = New(bytes), kSuccess;
}
Result KeepHandle(Handle /*handle*/) { return kSuccess; }
Result Map(DevicePtr /*at*/, std::size_t /*bytes*/, std::size_t /*offset*/, Handle /*handle*/,
           Flags /*flags*/) {
  return kSuccess;
}
Result Unmap(DevicePtr /*at*/, std::size_t /*bytes*/) { return End(stage->next.load()); }
Result Retain(Context* context, Device /*device*/) {
  stage->primary.store(1);
  return *context = reinterpret_cast<Context>(std::uintptr_t{0x7000}), kSuccess;
}
Result ReleasePrimary(Device /*device*/) {
  stage->primary.store(0);
  stage->given.store(0);  // what was allocated in it ends with it
  return kSuccess;
}

Result GetDevice(Device* device) { return *device = 0, kSuccess; }
Result GetCurrent(Context* context) {
  return *context = reinterpret_cast<Context>(std::uintptr_t{0x7000}), kSuccess;
}
Result PrimaryState(Device /*device*/, unsigned* flags, int* active) {
  return *flags = 0, *active = stage->primary.load(), kSuccess;
}
Result GetPool(Pool* pool, Device /*device*/) {
  return *pool = reinterpret_cast<Pool>(std::uintptr_t{0x9000}), kSuccess;
}
Result PoolAttribute(Pool /*pool*/, int /*which*/, void* value) {
  const std::uint64_t bytes = stage->reserved.load();
  return std::memcpy(value, &bytes, sizeof bytes), kSuccess;
}
Result IsCapturing(Stream /*stream*/, int* status) { return *status = 0, kSuccess; }

template <typename Function>
void* Address(Function* function) {
  return reinterpret_cast<void*>(function);
}

}  // namespace

void* RealAddress(Hook hook) {
  switch (hook) {
    case Hook::cuMemAlloc_v2:
      return Address(&Alloc);
    case Hook::cuMemFree_v2:
      return Address(&End);
    case Hook::cuMemAllocAsync:
      return Address(&AllocAsync);
    case Hook::cuMemFreeAsync:
      return Address(&FreeAsync);
    case Hook::cuMemPoolTrimTo:
      return Address(&Trim);
    case Hook::cuStreamSynchronize:
      return Address(&Synchronize);
    case Hook::cuMemCreate:
      return Address(&Create);
    case Hook::cuMemRelease:
      return Address(&KeepHandle);
    case Hook::cuMemMap:
      return Address(&Map);
    case Hook::cuMemUnmap:
      return Address(&Unmap);
    case Hook::cuDevicePrimaryCtxRetain:
      return Address(&Retain);
    case Hook::cuDevicePrimaryCtxRelease_v2:
      return Address(&ReleasePrimary);
    default:
      return nullptr;
  }
}
void* PlainAddress(Plain plain) {
  switch (plain) {
    case Plain::kContextGetDevice:
      return Address(&GetDevice);
    case Plain::kContextGetCurrent:
      return Address(&GetCurrent);
    case Plain::kPrimaryGetState:
      return Address(&PrimaryState);
    case Plain::kDeviceGetPool:
      return Address(&GetPool);
    case Plain::kPoolGetAttribute:
      return Address(&PoolAttribute);
    case Plain::kIsCapturing:
      return Address(&IsCapturing);
    default:
      return nullptr;
  }
}
void* Routed(void* real) { return real; }
const char* RealPath() { return nullptr; }

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

// Only the slots in use matter.
void CopyCounters(const wire::Counters& from, wire::Counters& to) {
  std::memcpy(static_cast<void*>(&to), static_cast<const void*>(&from),
              offsetof(wire::Counters, slots) + kSlots * sizeof(wire::Slot));
}

// As the node program does once the victim has ended.
void ExpectComesBack(const Stage& now, wire::Counters& copy, unsigned step) {
  CopyCounters(now.counters, copy);
  const std::uint64_t total = copy.devices[0].total_bytes.load();
  ASSERT_GE(total, SumOfSlots(copy, kSlots, 0)) << "at step " << step;
  ASSERT_LE(total, kLimit) << "at step " << step;
  ASSERT_GE(total - kOfNeighbour, now.given.load()) << "not charged for, at step " << step;
  wire::Reclaim(copy, kVictim, 0);
  ASSERT_TRUE(wire::Settle(copy, kSlots, 0)) << "at step " << step;
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
