// RunLog writes what happens on the simulated hardware as JSON lines (their
// fields: docs/simulation.md). Runs and copies that follow each other closely become one line.
//
// Threading: one thread.
// Errors: none; see LogFile.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "sim/driver/record/ledger.h"
#include "sim/driver/record/log_file.h"

namespace tranche::sim::driver {

class RunLog {
 public:
  explicit RunLog(LogFile& file) : file_(file) {}

  // The lines of all processes and contexts that are there, for the beginning of a file.
  static std::string LivingLines(const Ledger& ledger);

  void Began(const ProcessAccount& process);
  void Ended(const ProcessAccount& process);
  void ContextBegan(const ProcessAccount& process, const ContextAccount& context);
  // `freed`: by its end; `free`: what there is on its device then.
  void ContextEnded(const ProcessAccount& process, const ContextAccount& context,
                    std::uint64_t freed, std::uint64_t free);

  // `switched`: how long the unit took to change over to it before.
  void Computed(const ProcessAccount& process, const ContextAccount& context, Time begun,
                Time ended, Time switched);
  void KernelDone(const ContextAccount& context, const std::string& name);
  enum class Direction { kIn, kOut };
  void Copied(const ProcessAccount& process, const ContextAccount& context, Direction direction,
              Time begun, Time ended, std::uint64_t bytes);

  struct Memory {
    std::string_view what;  // "taken", "freed", "refused"
    unsigned slot = 0;
    std::uint32_t gpu_instance = kWholeGpu;
    std::uint32_t context = 0;
    std::uint64_t asked = 0;
    std::uint64_t taken = 0;
    std::uint64_t free = 0;  // left on the device
  };
  void MemoryChanged(const ProcessAccount& process, const Memory& memory, Time at);
  void Missing(const ProcessAccount& process, const std::string& call, Time at);
  void Failed(const ProcessAccount& process, const ContextAccount& context, std::uint32_t error,
              Time at);
  // A line of any kind, which has to be JSON.
  void Line(std::string_view json) { file_.Line(json); }

  void Close();  // what has been held back to become one line

 private:
  struct Span {
    pid_t pid = 0;
    std::uint32_t client = 0;
    std::uint32_t context = 0;
    unsigned slot = 0;
    std::uint32_t gpu_instance = kWholeGpu;
    Time begun = 0;
    Time ended = 0;
    Time busy = 0;
    Time switched = 0;
    std::uint64_t count = 0;
    std::uint64_t bytes = 0;
  };
  struct Kernels {
    std::uint64_t count = 0;
    std::string name;  // of the first
    bool mixed = false;
  };
  using Place = std::pair<unsigned, std::uint32_t>;  // slot, GPU instance

  void WriteRun(const Span& run);
  void WriteCopies(const Span& copies, Direction direction);
  static Span Begin(const ProcessAccount& process, const ContextAccount& context, Time begun);

  LogFile& file_;
  std::map<Place, Span> runs_;
  std::map<std::uint32_t, Kernels> kernels_;  // of a context since its last line
  std::map<std::pair<std::uint32_t, Direction>, Span> copies_;
};

}  // namespace tranche::sim::driver
