// The ledger under many threads of several programs at once, and with programs killed among them.
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <functional>
#include <thread>
#include <vector>

#include "wire/ledger.h"
#include "wire/testing/page_memory.h"

namespace tranche::wire {
namespace {

using testing::Shared;
using testing::SumOfSlots;

constexpr std::uint64_t kLimit = 1000;
constexpr unsigned kPrograms = 4;
constexpr unsigned kThreads = 8;

struct Stage {
  Counters page;
  Word really_taken;  // what the programs together believe to have
  Word most_taken;
  Word refused;
  Word rounds;
};

void Note(Stage& stage, std::uint64_t bytes) {
  const std::uint64_t now = stage.really_taken.fetch_add(bytes) + bytes;
  std::uint64_t most = stage.most_taken.load();
  while (most < now && !stage.most_taken.compare_exchange_weak(most, now)) {
  }
}

using Take = std::function<bool(Stage&, unsigned slot, std::uint64_t bytes)>;

bool TakeByLedger(Stage& stage, unsigned slot, std::uint64_t bytes) {
  return Reserve(stage.page, slot, 0, Part::kHeld, bytes, kLimit);
}

// What the ledger is there to prevent: look first, and take what was free a moment ago.
bool TakeByLooking(Stage& stage, unsigned slot, std::uint64_t bytes) {
  if (stage.page.devices[0].total_bytes.load() + bytes > kLimit) return false;
  sched_yield();
  return Reserve(stage.page, slot, 0, Part::kHeld, bytes, kNoLimit);
}

void Work(Stage& stage, unsigned slot, std::uint64_t seed, unsigned rounds, const Take& take) {
  std::uint64_t random = seed * 2654435761U + 1;
  for (unsigned i = 0; i < rounds; ++i) {
    random = random * 6364136223846793005U + 1442695040888963407U;
    const std::uint64_t bytes = 1 + (random >> 33) % (kLimit / 2);
    if (!take(stage, slot, bytes)) {
      stage.refused.fetch_add(1);
      continue;
    }
    Note(stage, bytes);
    if (i % 16 == 0) sched_yield();
    stage.really_taken.fetch_sub(bytes);
    Release(stage.page, slot, 0, Part::kHeld, bytes);
    stage.rounds.fetch_add(1);
  }
}

std::vector<pid_t> Start(Stage& stage, unsigned rounds, const Take& take) {
  std::vector<pid_t> programs;
  for (unsigned slot = 0; slot < kPrograms; ++slot) {
    const pid_t pid = fork();
    if (pid == 0) {
      std::vector<std::thread> threads;
      for (unsigned i = 0; i < kThreads; ++i) {
        threads.emplace_back([&, i] { Work(stage, slot, slot * kThreads + i, rounds, take); });
      }
      for (std::thread& thread : threads) thread.join();
      _exit(0);
    }
    programs.push_back(pid);
  }
  return programs;
}

void WaitFor(const std::vector<pid_t>& programs) {
  for (const pid_t pid : programs) {
    int status = 0;
    EXPECT_EQ(waitpid(pid, &status, 0), pid);
  }
}

TEST(LedgerRaceTest, NeverMoreThanTheLimitAndNothingLeftOver) {
  const Shared<Stage> stage;
  WaitFor(Start(*stage, 5000, TakeByLedger));
  EXPECT_LE(stage->most_taken.load(), kLimit);
  EXPECT_GT(stage->refused.load(), 0U);
  EXPECT_GT(stage->rounds.load(), 0U);
  EXPECT_EQ(stage->page.devices[0].total_bytes.load(), 0U);
  EXPECT_EQ(SumOfSlots(stage->page, kPrograms, 0), 0U);
}

TEST(LedgerRaceTest, LookingFirstGoesOverTheLimit) {
  const Shared<Stage> stage;
  WaitFor(Start(*stage, 5000, TakeByLooking));
  EXPECT_GT(stage->most_taken.load(), kLimit);
}

TEST(LedgerRaceTest, ProgramsKilledAmongOthersLeaveNothing) {
  const Shared<Stage> stage;
  for (int round = 0; round < 20; ++round) {
    const std::uint64_t before = stage->rounds.load();
    // More rounds than they will live to do.
    const std::vector<pid_t> programs = Start(*stage, 1U << 30U, TakeByLedger);
    while (stage->rounds.load() < before + 100) sched_yield();
    // One after another, each settled while the rest go on.
    for (unsigned slot = 0; slot < kPrograms; ++slot) {
      kill(programs[slot], SIGKILL);
      int status = 0;
      ASSERT_EQ(waitpid(programs[slot], &status, 0), programs[slot]);
      if (Reclaim(stage->page, slot, 0)) continue;
      while (!Settle(stage->page, kPrograms, 0)) sched_yield();
    }
    EXPECT_EQ(stage->page.devices[0].total_bytes.load(), 0U) << "round " << round;
    EXPECT_EQ(SumOfSlots(stage->page, kPrograms, 0), 0U);
  }
}

}  // namespace
}  // namespace tranche::wire
