#include "sim/workloads/crew.h"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <ctime>
#include <new>

namespace tranche::sim::workloads {
namespace {

// What the processes share. The outcomes follow it.
struct Board {
  std::atomic<unsigned> ready;
  std::atomic<unsigned> gone;  // will not take part
  std::atomic<std::int64_t> start;
};

Outcome* OutcomesOf(Board* board) { return reinterpret_cast<Outcome*>(board + 1); }

Board* MakeBoard(unsigned processes) {
  const std::size_t bytes = sizeof(Board) + processes * sizeof(Outcome);
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  return memory == MAP_FAILED ? nullptr : new (memory) Board{};
}

void WaitForOthers(const Board& board, unsigned processes) {
  while (board.ready + board.gone < processes) {
    const timespec moment{.tv_sec = 0, .tv_nsec = 500'000};
    nanosleep(&moment, nullptr);
  }
}

// The same time for all: the one asked for, or soon after the last of them is ready.
std::int64_t StartTime(Board& board, const Session& session) {
  const DriverClock& clock = session.clock();
  if (session.settings().start_at_ns) {
    return clock.FromMonotonic(*session.settings().start_at_ns);
  }
  constexpr std::int64_t kSoon = 2'000'000;  // of real time
  std::int64_t none = 0;
  const std::int64_t mine = clock.Now() + kSoon / clock.scale();
  return board.start.compare_exchange_strong(none, mine) ? mine : none;
}

void RunOne(const Settings& settings, const CrewMember& member, Board& board, unsigned index) {
  Outcome& outcome = OutcomesOf(&board)[index];
  outcome.pid = getpid();
  Session session(settings, outcome, settings.seed + std::uint64_t{index} * 7919);
  if (session.Open() && member.prepare(session)) {
    ++board.ready;
    WaitForOthers(board, settings.processes);
    session.Begin(StartTime(board, session));
    member.run(session);
  } else {
    ++board.gone;
  }
  session.End();
  outcome.finished = 1;
}

void StopOnSignals() {
  struct sigaction action {};
  action.sa_handler = [](int) { Session::Stop(); };
  sigaction(SIGTERM, &action, nullptr);
  sigaction(SIGINT, &action, nullptr);
}

}  // namespace

Outcomes RunCrew(const Settings& settings, const CrewMember& member) {
  Board* const board = MakeBoard(settings.processes);
  if (board == nullptr) return {};
  StopOnSignals();
  prctl(PR_SET_TIMERSLACK, 1UL);  // wake up when asked, not up to 50 µs later
  if (settings.processes == 1) {
    RunOne(settings, member, *board, 0);
    return {OutcomesOf(board)};
  }
  std::vector<pid_t> children;
  for (unsigned i = 0; i < settings.processes; ++i) {
    const pid_t child = fork();
    if (child == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      RunOne(settings, member, *board, i);
      _exit(0);
    }
    children.push_back(child);
    if (child < 0) ++board->gone;
  }
  Outcomes outcomes;
  for (std::size_t i = 0; i < children.size(); ++i) {
    Outcome& outcome = OutcomesOf(board)[i];
    // A signal is for all of them.
    while (children[i] > 0 && waitpid(children[i], nullptr, 0) < 0 && errno == EINTR) {
      for (const pid_t child : children) {
        if (child > 0) kill(child, SIGTERM);
      }
    }
    if (outcome.finished == 0 && outcome.failed[0] == '\0') {
      std::snprintf(outcome.failed, sizeof outcome.failed, "the process did not come to its end");
    }
    outcomes.push_back(&outcome);
  }
  return outcomes;
}

}  // namespace tranche::sim::workloads
