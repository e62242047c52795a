#include "sim/workloads/holding.h"

#include <algorithm>
#include <bit>
#include <cstdio>
#include <vector>

#include "sim/workloads/launch_queue.h"

namespace tranche::sim::workloads {
namespace {

struct Piece {
  cuda::DevicePtr memory;
  std::uint64_t bytes;
};

std::uint64_t PieceBytes(const Session& session) {
  constexpr std::uint64_t kUsual = 256U << 20U;
  return session.settings().piece_bytes == 0 ? kUsual : session.settings().piece_bytes;
}

}  // namespace

bool TakeMemory(Session& session) {
  const Settings& settings = session.settings();
  const std::uint64_t piece =
      settings.piece_bytes == 0 ? settings.memory_bytes : settings.piece_bytes;
  for (std::uint64_t left = settings.memory_bytes; left > 0;) {
    const std::uint64_t bytes = std::min(left, piece);
    if (session.Take(bytes) == 0) {
      char text[160];
      std::snprintf(text, sizeof text, "cuMemAlloc: %s after %.1f of %.1f GiB",
                    session.outcome().errors[0].name,
                    static_cast<double>(settings.memory_bytes - left) / (1 << 30),
                    static_cast<double>(settings.memory_bytes) / (1 << 30));
      return session.Fail(text);
    }
    left -= bytes;
  }
  return true;
}

void RunHold(Session& session) {
  // In short sleeps, so that a signal between two of them is seen. Memory is held for as long as
  // its context lives, which a program that only sleeps would not notice.
  constexpr std::int64_t kLook = 100'000'000;
  while (session.Look() && !session.Over()) {
    session.clock().SleepUntil(session.clock().Now() + kLook);
  }
}

void RunStorm(Session& session) {
  const std::uint64_t most = session.settings().memory_bytes;
  std::vector<Piece> pieces;
  while (!session.Over() && !session.failed()) {
    const std::uint64_t random = session.draws().Any();
    // Sizes from 512 bytes up, each power of two as likely as another.
    const unsigned powers =
        std::max(1U, static_cast<unsigned>(std::bit_width(PieceBytes(session))) - 9);
    const std::uint64_t bytes =
        std::min(PieceBytes(session), (std::uint64_t{512} << (random % powers)) + random % 512);
    const bool full = session.outcome().memory_bytes + bytes > most;
    if (!pieces.empty() && (full || (random >> 32U) % 3 == 0)) {
      std::swap(pieces[(random >> 34U) % pieces.size()], pieces.back());
      session.GiveBack(pieces.back().memory, pieces.back().bytes);
      pieces.pop_back();
    } else if (const cuda::DevicePtr memory = session.Take(bytes); memory != 0) {
      pieces.push_back({memory, bytes});
    } else if (pieces.empty()) {
      session.Fail("cuMemAlloc: not one piece is given");
      return;
    }
    ++session.outcome().requests;
  }
}

void RunLeak(Session& session) {
  for (std::int64_t due = session.begin(); session.Meet(due); due += session.settings().period_ns) {
    if (session.Take(PieceBytes(session)) == 0) break;
  }
  if (!session.failed()) RunHold(session);
}

void RunGreedy(Session& session) {
  LaunchQueue queue(session);
  if (!queue.Open()) return;
  for (std::int64_t due = session.begin(); session.Meet(due); due += session.settings().period_ns) {
    session.Take(PieceBytes(session));
    if (session.failed() || !queue.Launch()) return;
  }
  queue.Collect();
}

}  // namespace tranche::sim::workloads
