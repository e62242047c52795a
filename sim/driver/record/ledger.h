// Ledger is what each process has used, in sums that no rotation of the log takes away.
//
// Threading: one thread.
// Errors: none. Of processes that have ended the newest kMaxEnded are kept, the sums of the others
// are added up in one.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <deque>
#include <list>
#include <map>
#include <string>

#include "base/json.h"
#include "sim/engine/engine.h"
#include "sim/node/state.h"

namespace tranche::sim::driver {

using engine::Time;

inline constexpr std::size_t kMaxEnded = 256;
inline constexpr std::size_t kMaxMissingNames = 4096;

struct CopySums {
  std::uint64_t count = 0;
  std::uint64_t bytes = 0;
  Time time = 0;
};

struct Lateness {             // of Submits stamped before what the engine had done already
  std::uint64_t submits = 0;  // all of them
  std::uint64_t late = 0;
  Time late_time = 0;
  Time latest = 0;
  std::uint64_t late_idle = 0;  // to a stream with nothing to do: only these can shift anything
  Time late_idle_time = 0;

  void Add(Time by, bool idle);
  void Add(const Lateness& other);
};

struct Usage {  // of a context, or of several
  Time computed = 0;
  std::uint64_t kernels = 0;
  Time switched = 0;  // the unit changed over to it
  std::uint64_t switches = 0;
  CopySums in;
  CopySums out;
  std::uint64_t reservations = 0;
  std::uint64_t refused = 0;
  std::uint64_t asked_bytes = 0;  // ever
  std::uint64_t taken_bytes = 0;  // ever
  Lateness lateness;

  void Add(const Usage& other);
};

struct ContextAccount {
  std::uint32_t number = 0;  // never used twice
  unsigned slot = 0;
  std::uint32_t gpu_instance = kWholeGpu;
  std::uint32_t compute_instance = kWholeGpu;
  Time begun = 0;
  Time ended = -1;          // not yet
  std::uint64_t taken = 0;  // by the context itself, and what was left on the device then
  std::uint64_t free = 0;
  Usage usage;
};

struct ProcessAccount {
  std::uint32_t client = 0;
  pid_t pid = 0;
  std::string name;
  Time begun = 0;
  Time ended = -1;
  std::uint64_t memory_peak = 0;
  std::list<ContextAccount> contexts;
  Usage without_context;
};

class Ledger {
 public:
  ProcessAccount& Begin(std::uint32_t client, pid_t pid, const std::string& name, Time at);
  ContextAccount& BeginContext(ProcessAccount& process, Time at);
  void EndContext(ProcessAccount& process, ContextAccount& context, Time at);
  void End(ProcessAccount& process, Time at);  // and forgets it once too many have ended
  void CountMissing(const std::string& call);

  [[nodiscard]] Lateness TotalLateness() const;
  [[nodiscard]] const std::list<ProcessAccount>& processes() const { return processes_; }
  // "processes", "ended_before" and "missing" of status.json.
  void Describe(base::Json* out) const;

 private:
  std::list<ProcessAccount> processes_;
  std::deque<ProcessAccount*> ended_;
  Usage before_;  // of those that are forgotten
  std::uint64_t forgotten_ = 0;
  std::uint32_t contexts_ = 0;
  std::map<std::string, std::uint64_t> missing_;
};

base::Json UsageJson(const Usage& usage);
base::Json LatenessJson(const Lateness& lateness);
base::Json InstanceJson(std::uint32_t instance);  // null for kWholeGpu

}  // namespace tranche::sim::driver
