// Cuts the driver's samples of a GPU into windows that lie end to end: no sample is counted twice,
// and none is lost however seldom anybody looks, as long as the driver keeps it.
//
// What the driver says of processes is whole percents of a window; what it says of the GPU is
// finer, so where the processes account for all of it, they share that.
//
// Threading: plain values, one thread.
// Errors: none.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "gpu/usage.h"

namespace tranche::node::sight {

// One window of a GPU's time: how long it was, for how long something computed in it (where the
// driver tells that), and for how long each process did.
struct Window {
  double seconds = 0;
  std::optional<double> busy_seconds;
  std::map<unsigned, double> process_seconds;  // by pid
};

class Windows {
 public:
  // How far the driver may be behind with its samples.
  static constexpr std::uint64_t kLateUs = 1'500'000;

  // Samples are wanted from here on; 0 before the first look.
  [[nodiscard]] std::uint64_t cursor_us() const { return cursor_us_; }
  // The next one; nullopt where there is none yet. `now_us` is the time of the look.
  std::optional<Window> Next(const std::vector<gpu::ProcessSample>& processes,
                             const std::vector<gpu::BusySample>* busy, std::uint64_t now_us);

 private:
  std::uint64_t cursor_us_ = 0;
};

}  // namespace tranche::node::sight
