// What uses the GPUs right now: memory, how busy they are, power, temperature and clocks, the
// processes on them, and the samples of utilisation that the driver keeps.
//
// Every figure is for itself: one that the driver fails to tell is absent, and costs no other one.
// Times are microseconds of the node's wall clock, as the driver stamps its samples.
//
// Threading: plain values.
// Errors: none; what could not be read is in DeviceUsage::unread, by the call and with its error.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"

namespace tranche::gpu {

// What to read of one GPU. Samples are those that ended after these times; 0: all that are kept.
struct UsageQuery {
  std::string uuid;
  std::vector<std::string> mig_uuids;
  std::uint64_t process_samples_after_us = 0;
  std::uint64_t busy_samples_after_us = 0;
  friend bool operator==(const UsageQuery&, const UsageQuery&) = default;
};

struct MemoryUse {
  std::uint64_t total = 0;
  std::uint64_t used = 0;  // without `reserved`, where the driver tells that apart
  std::uint64_t free = 0;
  std::optional<std::uint64_t> reserved;  // absent from drivers that count it as used
  friend bool operator==(const MemoryUse&, const MemoryUse&) = default;
};

// A process with something on a GPU, once for each MIG device that it uses.
struct RunningProcess {
  unsigned pid = 0;  // the host's
  std::optional<std::uint64_t> memory_bytes;
  std::optional<unsigned> gpu_instance;  // MIG
  std::optional<unsigned> compute_instance;
  friend bool operator==(const RunningProcess&, const RunningProcess&) = default;
};

// How busy a process was, in whole percent, up to `time_us`.
struct ProcessSample {
  unsigned pid = 0;
  std::uint64_t time_us = 0;
  unsigned sm_percent = 0;
  friend bool operator==(const ProcessSample&, const ProcessSample&) = default;
};

// For which part of a period, in whole percent, something computed on the GPU.
struct BusySample {
  std::uint64_t time_us = 0;  // of the period's end
  unsigned percent = 0;
  friend bool operator==(const BusySample&, const BusySample&) = default;
};

struct RemappedRows {
  unsigned correctable = 0;
  unsigned uncorrectable = 0;
  bool failed = false;
  friend bool operator==(const RemappedRows&, const RemappedRows&) = default;
};

// What the counters and sensors of a whole GPU say.
struct Readings {
  std::optional<unsigned> gpu_percent;
  std::optional<unsigned> memory_percent;  // of the time in which its memory was read or written
  std::optional<unsigned> encoder_percent;
  std::optional<unsigned> decoder_percent;
  std::optional<unsigned> power_milliwatts;
  std::optional<unsigned> power_limit_milliwatts;
  std::optional<std::uint64_t> energy_millijoules;  // since the driver was loaded
  std::optional<unsigned> celsius;
  std::optional<unsigned> memory_celsius;
  std::optional<unsigned> sm_mhz;
  std::optional<unsigned> memory_mhz;
  std::optional<unsigned> pcie_replays;
  std::optional<RemappedRows> remapped_rows;
  friend bool operator==(const Readings&, const Readings&) = default;
};

struct MigUsage {
  std::string uuid;
  std::optional<MemoryUse> memory;
  friend bool operator==(const MigUsage&, const MigUsage&) = default;
};

// A call that did not bring what it was made for.
struct UnreadUsage {
  std::string call;
  base::Code code = base::Code::kInternal;  // kUnimplemented: this GPU does not have it
  std::string error;
  friend bool operator==(const UnreadUsage&, const UnreadUsage&) = default;
};

struct DeviceUsage {
  std::string uuid;
  std::optional<MemoryUse> memory;
  Readings readings;
  std::vector<MigUsage> mig;
  std::optional<std::vector<RunningProcess>> processes;  // each pid and instance once
  // Empty where nothing has computed; absent where the driver cannot tell (MIG).
  std::optional<std::vector<ProcessSample>> process_samples;
  std::optional<std::vector<BusySample>> busy_samples;  // oldest first
  std::vector<UnreadUsage> unread;
  friend bool operator==(const DeviceUsage&, const DeviceUsage&) = default;
};

// One look at all GPUs.
struct Usage {
  base::Status status;        // not OK: there is no driver to ask; the rest is empty
  std::uint64_t time_us = 0;  // of the wall clock, when the look began
  std::vector<DeviceUsage> devices;
};

}  // namespace tranche::gpu
