// What is measured beside NVIDIA's plugin on the stage of one node: starts, edits, allocations,
// lists and memory, each program in its turn.
//
// Threading: one thread; a node is played in a process of its own.
// Errors: a Status where a program did not do what it was asked. No duration is judged.
#pragma once

#include <string>
#include <vector>

#include "base/status.h"
#include "bench/results.h"

namespace tranche::bench {

struct Options {
  bool smoke = false;
  int rounds = 5;
  std::string json;
  std::string ours;
  std::string peer;  // program; empty: not measured
};

struct PreferredSize {
  int gpus;
  int replicas;
  int size;
  int calls;        // a round, of ours and of the empty answer
  int peer_calls;   // of NVIDIA's
  int plain_calls;  // of the plain one
  [[nodiscard]] std::string Name() const;
};

// The preferred allocations that are measured, over all nodes.
const std::vector<PreferredSize>& PreferredSizes();

// Plays a node of so many GPUs in a process of its own (a stage is a whole process's), and adds
// what was measured to `results`.
base::Status PlayNode(const Options& options, const std::string& node, int gpus, Results& results);

}  // namespace tranche::bench
