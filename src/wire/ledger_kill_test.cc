// A program killed at every instruction of a reservation and of a release, and where it lets go of
// what it shares: what it held comes back, to the byte, but for what others still have. A
// debugger's single step takes the program through them one by one.
#include <gtest/gtest.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstddef>
#include <cstring>
#include <functional>

#include "wire/shares.h"
#include "wire/testing/page_memory.h"

namespace tranche::wire {
namespace {

using testing::Shared;
using testing::SumOfSlots;

constexpr unsigned kVictim = 0;
constexpr unsigned kNeighbour = 1;
constexpr unsigned kSlots = 2;
constexpr std::uint64_t kLimit = 1000;
constexpr std::uint64_t kOfNeighbour = 300;
// More steps than any build needs; the kill itself is done at so many of them.
constexpr unsigned kMaxSteps = 200'000;
constexpr unsigned kKills = 150;

constexpr unsigned kShares = 4;
constexpr std::uint64_t kKey = 77;

struct Stage {
  Counters page;
  std::atomic<int> phase;  // 1: in what is tested, 2: through
};

using Act = std::function<void(Counters&)>;

struct Case {
  Act before;
  Act act;
  std::uint64_t stays = 0;  // with the pod, since the neighbour has it
};

// The page as a killed program would leave it; only the slots in use matter.
void CopyPage(const Counters& from, Counters& to) {
  std::memcpy(static_cast<void*>(&to), static_cast<const void*>(&from),
              offsetof(Counters, slots) + kSlots * sizeof(Slot));
  std::memcpy(static_cast<void*>(to.shares), static_cast<const void*>(from.shares),
              kShares * sizeof(Share));
}

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

pid_t StartTraced(Stage& stage, const Act& act) {
  const pid_t pid = fork();
  if (pid != 0) return pid;
  ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
  raise(SIGSTOP);
  stage.phase.store(1);
  act(stage.page);
  stage.phase.store(2);
  for (;;) pause();
}

bool Stopped(pid_t pid) {
  int status = 0;
  return waitpid(pid, &status, 0) == pid && WIFSTOPPED(status);
}

bool Step(pid_t pid) {
  return ptrace(PTRACE_SINGLESTEP, pid, nullptr, nullptr) == 0 && Stopped(pid);
}

void Kill(pid_t pid) {
  kill(pid, SIGKILL);
  waitpid(pid, nullptr, 0);
}

void Prepare(Stage& stage, const Act& before) {
  std::memset(static_cast<void*>(&stage.page), 0,
              offsetof(Counters, slots) + kSlots * sizeof(Slot));
  std::memset(static_cast<void*>(stage.page.shares), 0, kShares * sizeof(Share));
  stage.phase.store(0);
  ASSERT_TRUE(Reserve(stage.page, kNeighbour, 0, Part::kHeld, kOfNeighbour, kLimit));
  before(stage.page);
}

// Instructions of the act; at each of them what a kill would leave is looked at.
unsigned Walk(Stage& stage, const Case& tried) {
  const Shared<Counters> copy;
  Prepare(stage, tried.before);
  const pid_t pid = StartTraced(stage, tried.act);
  EXPECT_TRUE(Stopped(pid)) << "this test needs ptrace";
  unsigned steps = 0;
  for (unsigned i = 0; i < kMaxSteps && stage.phase.load() != 2; ++i) {
    if (!Step(pid)) {
      ADD_FAILURE() << "the program does not step";
      break;
    }
    if (stage.phase.load() != 1) continue;
    ++steps;
    CopyPage(stage.page, *copy);
    ExpectComesBack(*copy, steps, tried.stays);
    if (::testing::Test::HasFatalFailure()) break;
  }
  EXPECT_TRUE(::testing::Test::HasFailure() || stage.phase.load() == 2);
  Kill(pid);
  return steps;
}

void KillAt(Stage& stage, const Case& tried, unsigned step) {
  Prepare(stage, tried.before);
  const pid_t pid = StartTraced(stage, tried.act);
  ASSERT_TRUE(Stopped(pid));
  for (unsigned at = 0; at < step;) {
    ASSERT_TRUE(Step(pid));
    if (stage.phase.load() == 1) ++at;
  }
  Kill(pid);
  ExpectComesBack(stage.page, step, tried.stays);
}

void KillEverywhere(const Case& tried) {
  const Shared<Stage> stage;
  const unsigned steps = Walk(*stage, tried);
  ASSERT_GT(steps, 10U);
  for (unsigned step = 1; step <= steps; step += std::max(1U, steps / kKills)) {
    KillAt(*stage, tried, step);
    if (::testing::Test::HasFatalFailure()) return;
  }
  ::testing::Test::RecordProperty("instructions", static_cast<int>(steps));
}

TEST(LedgerKillTest, InAReservation) {
  KillEverywhere({[](Counters&) {},
                  [](Counters& page) { Reserve(page, kVictim, 0, Part::kHeld, 200, kLimit); }});
}

TEST(LedgerKillTest, InAReservationThatIsRefused) {
  KillEverywhere({[](Counters&) {},
                  [](Counters& page) { Reserve(page, kVictim, 0, Part::kHeld, 900, kLimit); }});
}

TEST(LedgerKillTest, InARelease) {
  KillEverywhere({[](Counters& page) { Reserve(page, kVictim, 0, Part::kHeld, 200, kLimit); },
                  [](Counters& page) { Release(page, kVictim, 0, Part::kHeld, 200); }});
}

TEST(LedgerKillTest, InAContextThatComesAndGoes) {
  KillEverywhere({[](Counters&) {},
                  [](Counters& page) {
                    Reserve(page, kVictim, 0, Part::kContext, 500, kNoLimit);
                    Release(page, kVictim, 0, Part::kContext, 500);
                  }});
}

TEST(LedgerKillTest, InLettingGoOfWhatTheNeighbourStillHas) {
  KillEverywhere({[](Counters& page) {
                    Reserve(page, kVictim, 0, Part::kHeld, 250, kLimit);
                    AddShare(page, ShareKind::kExport, kVictim, 0, kKey, 200);
                    AddShare(page, ShareKind::kImport, kNeighbour, kAnyDevice, kKey, 200);
                  },
                  [](Counters& page) { EndExport(page, kVictim, 0, 200); }, 200});
}

TEST(LedgerKillTest, InExportingAndLettingGoOfWhatNobodyHas) {
  KillEverywhere({[](Counters& page) { Reserve(page, kVictim, 0, Part::kHeld, 200, kLimit); },
                  [](Counters& page) {
                    AddShare(page, ShareKind::kExport, kVictim, 0, kKey, 200);
                    const std::uint64_t kept = EndExport(page, kVictim, 0, 200);
                    Release(page, kVictim, 0, Part::kHeld, 200 - kept);
                  }});
}

TEST(LedgerKillTest, InClosingWhatNobodyElseHas) {
  KillEverywhere({[](Counters& page) {
                    Reserve(page, kNeighbour, 0, Part::kHeld, 200, kLimit);
                    AddShare(page, ShareKind::kExport, kNeighbour, 0, kKey, 200);
                    AddShare(page, ShareKind::kImport, kVictim, kAnyDevice, kKey, 200);
                    EndExport(page, kNeighbour, 0, 200);
                  },
                  [](Counters& page) { EndImport(page, kVictim, 1); }});
}

// The control: without Settle, what was under way at the kill is lost to the pod for good.
TEST(LedgerKillTest, WithoutSettlingSomeKillsLeaveTooMuch) {
  const Shared<Stage> stage;
  const Act nothing = [](Counters&) {};
  const Act reserve = [](Counters& page) { Reserve(page, kVictim, 0, Part::kHeld, 200, kLimit); };
  const unsigned steps = Walk(*stage, {nothing, reserve});
  unsigned too_much = 0;
  for (unsigned step = 1; step <= steps; step += std::max(1U, steps / kKills)) {
    Prepare(*stage, nothing);
    const pid_t pid = StartTraced(*stage, reserve);
    ASSERT_TRUE(Stopped(pid));
    for (unsigned at = 0; at < step;) {
      ASSERT_TRUE(Step(pid));
      if (stage->phase.load() == 1) ++at;
    }
    Kill(pid);
    Reclaim(stage->page, kVictim, 0);
    if (stage->page.devices[0].total_bytes.load() != kOfNeighbour) ++too_much;
  }
  EXPECT_GT(too_much, 0U);
}

}  // namespace
}  // namespace tranche::wire
