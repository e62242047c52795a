// Session is one process's hold on a GPU: library, context, kernels and memory, and the counting of
// what goes wrong.
//
// Threading: one thread.
// Errors: a call that fails is counted in the outcome by its name. Open, Do and Launch say whether
// all is well, and what failed first is the outcome's `failed`.
#pragma once

#include <cstdint>
#include <string>

#include "sim/workloads/draws.h"
#include "sim/workloads/driver_clock.h"
#include "sim/workloads/library.h"
#include "sim/workloads/outcome.h"
#include "sim/workloads/settings.h"

namespace tranche::sim::workloads {

// How many launches of a context a driver takes before it keeps the program in its call.
inline constexpr std::uint64_t kQueueLength = 1024;

struct Kernels {
  cuda::Function spin = nullptr;
  cuda::Function fill = nullptr;
  cuda::Function copy = nullptr;
  cuda::Function add = nullptr;
};

class Session {
 public:
  Session(const Settings& settings, Outcome& outcome, std::uint64_t seed)
      : settings_(settings), outcome_(outcome), draws_(seed) {}
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  bool Open();
  // All is begun at `time`, and Over is true from the end of the duration, or after a signal.
  void Begin(std::int64_t time);
  [[nodiscard]] bool Over() const;
  void End();
  // The process was told to stop (SIGTERM, SIGINT); a handler may call it.
  static void Stop();

  // Sleeps until `deadline`, but not past the end, and counts how late it is then. False: it is
  // over.
  bool Meet(std::int64_t deadline);

  bool Do(cuda::Result result, const char* call);
  bool Fail(const std::string& why);  // false; the first one is kept
  [[nodiscard]] bool failed() const { return outcome_.failed[0] != '\0'; }
  // A kernel that computes for a time drawn from the settings. The call lasts while the driver's
  // queue is full, and is counted as blocked where that may be.
  bool Launch(cuda::Stream stream);
  [[nodiscard]] std::int64_t DrawKernel() {
    return draws_.Lognormal(settings_.kernel_ns, settings_.variation);
  }

  // Asks the context for a sign of life.
  bool Look();

  // Takes memory. 0 where it is refused; where the reason is another than want of memory, the
  // workload has failed.
  cuda::DevicePtr Take(std::uint64_t bytes);
  void GiveBack(cuda::DevicePtr memory, std::uint64_t bytes);

  [[nodiscard]] const CudaLibrary& cuda() const { return cuda_; }
  [[nodiscard]] const Kernels& kernels() const { return kernels_; }
  [[nodiscard]] const DriverClock& clock() const { return clock_; }
  [[nodiscard]] const Settings& settings() const { return settings_; }
  [[nodiscard]] Outcome& outcome() { return outcome_; }
  [[nodiscard]] Draws& draws() { return draws_; }
  [[nodiscard]] std::int64_t begin() const { return outcome_.begin_ns; }

 private:
  bool OpenDevice();
  bool LoadKernels();

  const Settings& settings_;
  Outcome& outcome_;
  Draws draws_;
  CudaLibrary cuda_;
  DriverClock clock_;
  Kernels kernels_;
  Lateness lateness_;
  std::int64_t over_at_ = 0;
};

}  // namespace tranche::sim::workloads
