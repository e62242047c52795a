// GpuNews tells people what the driver fails at, each thing once: a GPU that is left out or told of
// only in part, a call that does not come back, a driver without a GPU that can be used. What is
// told here is also in the status, for as long as it is so.
//
// Threading: the loop's thread.
// Errors: none.
#pragma once

#include <map>
#include <string>

#include "daemon/event.h"
#include "gpu/gpu_watch.h"

namespace tranche::agent {

// A call that takes longer is told of.
inline constexpr double kStuckIsNewsSeconds = 5;
// The agent goes on without a driver whose first call takes longer.
inline constexpr double kStartWithoutDriverSeconds = 30;

class GpuNews {
 public:
  explicit GpuNews(daemon::RaiseEvent raise) : raise_(std::move(raise)) {}

  // Raises what is new. To be called after each look at the GPUs, and while one takes long.
  void RaiseNew(const gpu::DriverState& driver, const std::vector<gpu::GpuState>& gpus);

  // Whether the driver has kept the agent waiting for long enough.
  static bool StartsWithout(const gpu::GpuWatch& gpus) {
    return !gpus.known() && gpus.Driver().stuck_seconds >= kStartWithoutDriverSeconds;
  }

 private:
  using Told = std::map<std::string, std::string>;  // of what, what

  // Raises what is new in `now`, and for what is no more `over`, where that is not "".
  void Compare(Told& told, Told now, daemon::Reason reason, const std::string& over);

  daemon::RaiseEvent raise_;
  Told left_out_;
  Told incomplete_;
  Told unusable_;
  Told stuck_;
};

// "GPU 1 (GPU-…)", "GPU 0:2", as far as it is known.
std::string NameOf(const gpu::GpuState& gpu);

}  // namespace tranche::agent
