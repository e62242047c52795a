// Programs that share a unit, played against the engine in virtual time: each launches kernels into
// one stream, and may wait for them and think.
//
// Threading: one thread.
// Errors: none.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "sim/engine/engine.h"

namespace tranche::sim::engine::testing {

struct Program {
  Time kernel = 0;           // mean length, lognormal …
  double spread = 0;         // … with this coefficient of variation
  Time interval = 0;         // between two launches
  unsigned burst = 0;        // so many launches, then it waits for them and thinks; 0: on and on
  Time think = 0;            // mean, exponential
  std::size_t queue = 1024;  // so many launches are taken before the launcher waits
  Time from = 0;             // it begins then
};

struct Share {
  Time computed = 0;
  std::vector<Time> windows;       // computed in each of them
  std::vector<Time> latencies;     // of bursts, from the first launch to the last end
  std::optional<Time> first_done;  // from its beginning
};

// The smallest latency that the given part of all do not exceed.
Time Quantile(std::vector<Time> latencies, double part);

struct Play {
  Hardware hardware;
  Time step = 1;  // kernels and intervals take whole ones of it
  Time length = 0;
  Time window = 0;  // 0: the whole length
};

// By program. The same play has the same result every time.
std::vector<Share> Perform(const Play& play, const std::vector<Program>& programs);

}  // namespace tranche::sim::engine::testing
