// Memory of graphs. An allocation node takes memory when its graph is launched or uploaded, not
// when it is added; what a graph has freed the driver keeps for graphs that are launched after it,
// until cuDeviceGraphMemTrim. So it is charged as a pool is: by what the driver has reserved for
// graphs on the device, of which the most that a launch can add is taken before it.
//
// A graph that frees all that it allocates takes nothing more when it is launched in the same
// stream again, and nothing is taken before. So a graph that has run once runs at the limit as
// well. It is not so once the memory was trimmed, or another graph has left its allocation behind
// in it: whoever does that (GraphTaking) waits, for a moment, for launches that count on it.
//
// Threading: any thread; without a lock.
// Errors: as in shim/pools.h.
#pragma once

#include "shim/pools.h"

namespace tranche::shim {

inline constexpr unsigned kMostGraphDevices = 8;  // on which one graph has memory

// Learns what a graph that was instantiated, or updated, takes.
void LearnGraph(Program& program, GraphExec exec, Graph graph);
// Takes out what is known of a graph that is to be destroyed; how much that is.
unsigned ForgetGraph(Program& program, GraphExec exec, Record (&known)[kMostGraphDevices]);

// While one lives, graphs may lose the memory that they have had.
class GraphTaking {
 public:
  explicit GraphTaking(Program& program);
  ~GraphTaking();
  GraphTaking(const GraphTaking&) = delete;
  GraphTaking& operator=(const GraphTaking&) = delete;

  // False: launches that count on their memory are still under way after all patience.
  [[nodiscard]] bool alone() const { return alone_; }

 private:
  GraphRecord& graphs_;
  bool alone_ = false;
};

// A launch or an upload that is about to be asked for.
class GraphLaunch {
 public:
  // `stream`: what tells streams apart.
  GraphLaunch(Program& program, GraphExec exec, std::uint64_t stream);
  // The same for a graph that is to be uploaded as it is instantiated.
  GraphLaunch(Program& program, Graph graph, std::uint64_t stream);
  GraphLaunch(const GraphLaunch&) = delete;
  GraphLaunch& operator=(const GraphLaunch&) = delete;
  ~GraphLaunch();

  [[nodiscard]] bool refused() const { return refused_; }
  // Leaves allocations behind, for which it may take what other graphs have had.
  [[nodiscard]] bool outlives() const;
  // The driver has answered: of what was taken, keeps what is reserved.
  void Done(GraphExec exec, Result result);

 private:
  // What the graph needs of one device.
  struct Need {
    Device ordinal;
    std::uint64_t bytes;
    bool outlives;
    bool has_it;  // from its last launch
  };
  struct Part : Need {
    UnderWay under_way;
    std::uint64_t taken;
  };
  [[nodiscard]] bool BeginRelaunch();
  void EndRelaunch();
  void Add(const Need& need);
  void TakeAll();

  Program& program_;
  // As things were before the launch: what happens to its memory meanwhile makes it out of date.
  std::uint64_t mark_ = 0;
  Part parts_[kMostGraphDevices] = {};
  unsigned count_ = 0;
  bool refused_ = false;
  bool relaunches_ = false;  // and is counted as that
};

}  // namespace tranche::shim
