// Mirror shows in the node's state what goes on in the driver: which processes are on which GPU,
// with how much memory, and how busy they were in each sixth of a second of the driver's time. NVML
// and nvidia-smi answer from there.
//
// What a program has come to hold or let go is shown before it goes on; what went with a program,
// at once; other changes after 10 ms at most. What `tranche sim process` has put into the state
// stays.
//
// Threading: one thread.
// Errors: while another process writes to the state, a change waits for the next turn.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <tuple>
#include <vector>

#include "base/status.h"
#include "sim/driver/clock.h"
#include "sim/driver/machine.h"
#include "sim/node/state_writer.h"

namespace tranche::sim::driver {

class Mirror {
 public:
  Mirror(StateWriter& state, Machine& machine) : state_(state), machine_(machine) {}

  // This process serves the node from now on. What a driver that died has left is taken away.
  base::Status Begin(std::uint32_t pid, std::uint32_t time_scale);
  void End();

  // Takes the samples of the periods that have ended since `since`. All that was computed from then
  // on, until `until`, goes into them: where they are several, because nobody looked, in equal
  // parts.
  void Sample(Time since, Time until, const DriverClock& clock);
  // Shows what has changed, if it is time to. `now_ns` is CLOCK_MONOTONIC.
  void Turn(std::uint64_t now_ns);
  // Shows what a program has now.
  void Show(pid_t pid, std::uint64_t now_ns);
  // When it wants its next turn (CLOCK_MONOTONIC); none while nothing has changed.
  [[nodiscard]] std::optional<std::uint64_t> Due() const;

 private:
  using Place = std::tuple<unsigned, std::uint32_t, std::uint32_t, std::uint32_t>;
  struct Shown {
    std::uint64_t memory = 0;
    std::uint64_t busy_us = 0;
    std::uint32_t sm_percent = 0;
    std::uint32_t memory_percent = 0;
  };
  static constexpr pid_t kAll = 0;
  [[nodiscard]] std::map<Place, Shown> Collect(pid_t of) const;
  void Write(NodeState& state, const std::map<Place, Shown>& now);
  static void Put(NodeState& state, const Place& place, const Shown& shown, std::uint64_t now_us);
  void NoteChanges();
  void HoldSamples(const std::vector<std::pair<unsigned, SampleState>>& samples, Time since,
                   Time until, const DriverClock& clock);

  StateWriter& state_;
  Machine& machine_;
  std::map<Place, Shown> shown_;
  std::vector<std::pair<unsigned, SampleState>> samples_;              // not written yet; by slot
  std::map<Place, std::pair<std::uint32_t, std::uint32_t>> percents_;  // of the last period
  std::uint64_t seen_changes_ = 0;
  std::uint64_t seen_arrivals_ = 0;
  std::uint64_t written_ns_ = 0;
  std::uint64_t tried_ns_ = 0;
  bool dirty_ = false;
  bool urgent_ = false;
};

// The driver with this pid has ended without being told to. If another serves the node by now,
// nothing is done.
base::Status ShowDeath(StateWriter& state, std::uint32_t pid);

}  // namespace tranche::sim::driver
