// `tranche sim driver`: serves a simulated node until it is told to end.
//
// Threading: one thread.
// Errors: kAlreadyExists where a driver serves the node already; kNotFound where there is no node.
#pragma once

#include <cstdint>
#include <string>

#include "base/status.h"
#include "sim/engine/engine.h"

namespace tranche::sim::driver {

struct ServeOptions {
  std::string root;
  std::uint32_t time_scale = 1;
  engine::Hardware hardware;
  std::uint64_t log_bytes = 64U << 20U;
};

// Below the driver root.
inline constexpr char kLogDirectory[] = "var/log/tranche-sim";
inline constexpr char kLogFile[] = "var/log/tranche-sim/driver.jsonl";
inline constexpr char kStatusFile[] = "var/log/tranche-sim/status.json";
inline constexpr char kLockFile[] = "var/log/tranche-sim/driver.lock";

// Until SIGTERM or SIGINT. SIGUSR1 makes it write status.json and a line of totals at once.
base::Status Serve(const ServeOptions& options);

// Whether a driver serves the node in `root` at this moment.
[[nodiscard]] bool IsServed(const std::string& root);
// Makes the driver that serves it write its log and status.json now; its pid, or 0 where there is
// none that can be asked.
[[nodiscard]] int AskForStatus(const std::string& root);

}  // namespace tranche::sim::driver
