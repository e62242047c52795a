// A machine of two GPUs for tests, in virtual time that they set, with turns of 1 ms and switches
// that cost nothing.
//
// Threading: one thread.
// Errors: what cannot go wrong in a test crashes it.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <utility>

#include "base/testing/temp_dir.h"
#include "sim/driver/machine.h"
#include "sim/driver/record/log_file.h"
#include "sim/driver/record/run_log.h"
#include "sim/driver/testing/program.h"
#include "sim/engine/hardware.h"

namespace tranche::sim::driver::testing {

inline constexpr Time kUs = 1000;
inline constexpr Time kMs = 1000 * kUs;
inline constexpr std::uint64_t kMiB = 1U << 20U;
inline constexpr std::uint64_t kGiB = std::uint64_t{1} << 30U;
inline const std::uint64_t kContext =
    engine::ContextBytes({.compute_major = 8, .multiprocessors = 10});

class MachineFixture : public ::testing::Test {
 protected:
  MachineFixture() { machine.Follow(NodeOf(2), 0); }

  [[nodiscard]] Usage UsageOf(Program& program) {
    machine.SettleAt(now);
    Usage sum;
    for (const ContextAccount& context : program.client().account().contexts) {
      sum.Add(context.usage);
    }
    return sum;
  }
  void AdvanceTo(Time time) {
    now = time;
    machine.AdvanceTo(time);
  }
  void Xid(std::uint64_t xid, std::uint32_t slot, std::uint32_t pid) {
    machine.OnXid({.number = 1,
                   .slot = slot,
                   .gpu_instance = kWholeGpu,
                   .compute_instance = kWholeGpu,
                   .pid = pid,
                   .type = 8,
                   .data = xid},
                  now);
  }

  base::testing::TempDir folder;
  std::unique_ptr<LogFile> file = std::move(LogFile::Open(folder.path() + "/log", 1 << 20)).value();
  RunLog log{*file};
  Machine machine{{.hardware = {.slice = kMs, .switch_cost = 0}}, log};
  Time now = 0;
};

}  // namespace tranche::sim::driver::testing
