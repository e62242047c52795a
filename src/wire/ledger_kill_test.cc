// A program killed at every instruction of a reservation and of a release, and where it lets go of
// what it shares: what it held comes back, to the byte, but for what others still have. A
// debugger's single step takes the program through them one by one.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <functional>

#include "wire/shares.h"
#include "wire/testing/page_memory.h"
#include "wire/testing/steps.h"

namespace tranche::wire {
namespace {

using testing::Shared;
using testing::SteppedProgram;
using testing::SumOfSlots;

constexpr unsigned kVictim = 0;
constexpr unsigned kNeighbour = 1;
constexpr unsigned kSlots = 2;
constexpr std::uint64_t kLimit = 1000;
constexpr std::uint64_t kOfNeighbour = 300;
constexpr unsigned kShares = 4;
constexpr std::uint64_t kKey = 77;
constexpr unsigned kKills = 150;  // the kill itself is done at so many instructions

using Act = std::function<void(Counters&)>;

void Nothing(Counters& /*page*/) {}

// The page as a killed program would leave it; only the slots in use matter.
void CopyPage(const Counters& from, Counters& to) {
  std::memcpy(static_cast<void*>(&to), static_cast<const void*>(&from),
              offsetof(Counters, slots) + kSlots * sizeof(Slot));
  std::memcpy(static_cast<void*>(to.shares), static_cast<const void*>(from.shares),
              kShares * sizeof(Share));
}

// `stays`: with the pod, since the neighbour still has it.
void ExpectComesBack(Counters& page, unsigned step, std::uint64_t stays) {
  const std::uint64_t total = page.devices[0].total_bytes.load();
  ASSERT_GE(total, SumOfSlots(page, kSlots, 0)) << "at step " << step;
  ASSERT_LE(total, kLimit) << "at step " << step;
  LeaveShares(page, kVictim);
  Reclaim(page, kVictim, 0);
  SweepOrphans(page, 0);
  ASSERT_TRUE(Settle(page, kSlots, 0)) << "at step " << step;
  ASSERT_EQ(page.devices[0].total_bytes.load(), kOfNeighbour + stays) << "at step " << step;
  ASSERT_EQ(OrphansOn(page, 0), stays) << "at step " << step;
  ASSERT_EQ(SumOfSlots(page, kSlots, 0), kOfNeighbour) << "at step " << step;
}

void Prepare(Counters& page, const Act& before) {
  std::memset(static_cast<void*>(&page), 0, offsetof(Counters, slots) + kSlots * sizeof(Slot));
  std::memset(static_cast<void*>(page.shares), 0, kShares * sizeof(Share));
  ASSERT_TRUE(Reserve(page, kNeighbour, 0, Part::kHeld, kOfNeighbour, kLimit));
  before(page);
}

// Instructions of the act; at each of them what a kill would leave is looked at.
unsigned Walk(Counters& page, const Act& before, const Act& act, std::uint64_t stays = 0) {
  const Shared<Counters> copy;
  Prepare(page, before);
  SteppedProgram program([] {}, [&] { act(page); });
  unsigned steps = 0;
  while (program.Step()) {
    ++steps;
    CopyPage(page, *copy);
    ExpectComesBack(*copy, steps, stays);
    if (::testing::Test::HasFatalFailure()) return steps;
  }
  EXPECT_TRUE(program.through()) << "this test needs ptrace";
  return steps;
}

void KillAt(Counters& page, const Act& before, const Act& act, unsigned step) {
  Prepare(page, before);
  SteppedProgram program([] {}, [&] { act(page); });
  for (unsigned at = 0; at < step; ++at) ASSERT_TRUE(program.Step());
  program.Kill();
}

void KillEverywhere(const Act& before, const Act& act, std::uint64_t stays = 0) {
  const Shared<Counters> page;
  const unsigned steps = Walk(*page, before, act, stays);
  ASSERT_GT(steps, 10U);
  for (unsigned step = 1; step <= steps; step += std::max(1U, steps / kKills)) {
    KillAt(*page, before, act, step);
    if (!::testing::Test::HasFatalFailure()) ExpectComesBack(*page, step, stays);
    if (::testing::Test::HasFatalFailure()) return;
  }
  ::testing::Test::RecordProperty("instructions", static_cast<int>(steps));
}

TEST(LedgerKillTest, InAReservation) {
  KillEverywhere(Nothing,
                 [](Counters& page) { Reserve(page, kVictim, 0, Part::kHeld, 200, kLimit); });
}

TEST(LedgerKillTest, InAReservationThatIsRefused) {
  KillEverywhere(Nothing,
                 [](Counters& page) { Reserve(page, kVictim, 0, Part::kHeld, 900, kLimit); });
}

TEST(LedgerKillTest, InARelease) {
  KillEverywhere([](Counters& page) { Reserve(page, kVictim, 0, Part::kHeld, 200, kLimit); },
                 [](Counters& page) { Release(page, kVictim, 0, Part::kHeld, 200); });
}

TEST(LedgerKillTest, InAContextThatComesAndGoes) {
  KillEverywhere(Nothing, [](Counters& page) {
    Reserve(page, kVictim, 0, Part::kContext, 500, kNoLimit);
    Release(page, kVictim, 0, Part::kContext, 500);
  });
}

TEST(LedgerKillTest, InLettingGoOfWhatTheNeighbourStillHas) {
  KillEverywhere(
      [](Counters& page) {
        Reserve(page, kVictim, 0, Part::kHeld, 250, kLimit);
        AddShare(page, ShareKind::kExport, kVictim, 0, kKey, 200);
        AddShare(page, ShareKind::kImport, kNeighbour, kAnyDevice, kKey, 200);
      },
      [](Counters& page) { EndExport(page, kVictim, 0, 200); }, 200);
}

TEST(LedgerKillTest, InExportingAndLettingGoOfWhatNobodyHas) {
  KillEverywhere([](Counters& page) { Reserve(page, kVictim, 0, Part::kHeld, 200, kLimit); },
                 [](Counters& page) {
                   AddShare(page, ShareKind::kExport, kVictim, 0, kKey, 200);
                   const std::uint64_t kept = EndExport(page, kVictim, 0, 200);
                   Release(page, kVictim, 0, Part::kHeld, 200 - kept);
                 });
}

TEST(LedgerKillTest, InClosingWhatNobodyElseHas) {
  KillEverywhere(
      [](Counters& page) {
        Reserve(page, kNeighbour, 0, Part::kHeld, 200, kLimit);
        AddShare(page, ShareKind::kExport, kNeighbour, 0, kKey, 200);
        AddShare(page, ShareKind::kImport, kVictim, kAnyDevice, kKey, 200);
        EndExport(page, kNeighbour, 0, 200);
      },
      [](Counters& page) { EndImport(page, kVictim, 1); });
}

// The control: without Settle, what was under way at the kill is lost to the pod for good. The
// instructions where that is so are few, so that each is looked at, and the kill done at the first.
TEST(LedgerKillTest, WithoutSettlingSomeKillsLeaveTooMuch) {
  const Shared<Counters> page;
  const Shared<Counters> copy;
  const Act reserve = [](Counters& at) { Reserve(at, kVictim, 0, Part::kHeld, 200, kLimit); };
  Prepare(*page, Nothing);
  unsigned harmful = 0;
  {
    SteppedProgram program([] {}, [&] { reserve(*page); });
    for (unsigned step = 1; harmful == 0 && program.Step(); ++step) {
      CopyPage(*page, *copy);
      Reclaim(*copy, kVictim, 0);
      if (copy->devices[0].total_bytes.load() != kOfNeighbour) harmful = step;
    }
  }
  ASSERT_GT(harmful, 0U);
  KillAt(*page, Nothing, reserve, harmful);
  Reclaim(*page, kVictim, 0);
  EXPECT_NE(page->devices[0].total_bytes.load(), kOfNeighbour);
}

}  // namespace
}  // namespace tranche::wire
