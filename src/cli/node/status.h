// `tranche status`: what the agent on this node says of itself, for a person or as JSON.
//
// It reads the agent's status file, and the lock beside it, which says whether the agent that wrote
// it still lives. It needs no more than the right to read the file; without the right to look at
// the lock, the file's age decides. Everything in the file is treated as hostile text.
//
// Threading: one thread.
// Errors: exit code 1 where the agent is degraded (the reasons are shown) or has told nothing for
// kTooOld, 2 where there is no agent or its file cannot be read; else 0.
#pragma once

#include <chrono>
#include <iosfwd>
#include <optional>
#include <string>

#include "base/json.h"
#include "cli/common/defaults.h"
#include "cli/common/table.h"

namespace CLI {  // NOLINT(readability-identifier-naming)
class App;
}

namespace tranche::cli::node {

inline constexpr int kStatusWell = 0;
inline constexpr int kStatusDegraded = 1;
inline constexpr int kStatusNoAgent = 2;

// Longer than an agent takes that is slow: it writes its file every 10 s.
inline constexpr std::chrono::seconds kTooOld{35};

struct StatusView {
  cli::common::Color color = cli::common::Color::kOff;
  std::optional<std::chrono::seconds> age;  // of the file, shown in the first line

  [[nodiscard]] bool TooOld() const { return age && *age > kTooOld; }
};

// Pure. Whatever a field is missing or of the wrong kind, it shows as empty.
std::string RenderStatus(const base::Json& status, const StatusView& view);
int StatusExitCode(const base::Json& status, const StatusView& view = {});

struct StatusOptions {
  std::string run_directory = common::kAgentRunDirectory;
  bool json = false;
  cli::common::Color color = cli::common::Color::kOff;
};
int ShowStatus(const StatusOptions& options, std::ostream& out, std::ostream& errors);

// Adds the subcommand; `exit_code` is set when it was the one typed.
void AddStatusCommand(CLI::App& app, int& exit_code);

}  // namespace tranche::cli::node
