// The notes that agents of one node leave each other in agent.lock and successor.json, and who of
// them is there.
//
// A note is as true as the lock on its file: its writer holds that lock (flock) while it lives, and
// a note whose file nobody holds says nothing. What the two files mean is told in handover.h.
//
// Threading: plain functions, safe on any thread.
// Errors: a note that is torn or foreign reads as none; one that cannot be written is a Status.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/file.h"
#include "base/status.h"

namespace tranche::daemon {

// In the directory that the agents of one node share.
inline constexpr char kLockName[] = "agent.lock";
inline constexpr char kAnnouncementName[] = "successor.json";

// Who an agent is, for the other's message.
struct AgentIdentity {
  // This process, started now.
  static AgentIdentity Self();

  std::string host;  // hostname: the pod's name in a pod
  int pid = 0;
  std::string started;                     // RFC 3339
  [[nodiscard]] std::string Text() const;  // "nvidia-device-plugin-x7k2p (pid 1, started …)"
};

// Who wrote a note, and when it came to the node.
struct HandoverNote {
  // The note of an agent that arrives now.
  static HandoverNote Now(AgentIdentity identity);
  [[nodiscard]] bool NewerThan(const HandoverNote& other) const;

  AgentIdentity identity;
  std::int64_t arrival_ns = 0;  // CLOCK_BOOTTIME: the same for every container of a node
  std::string token;            // tells apart two that came in the same nanosecond
  bool leaving = false;         // it serves only until another agent takes over
};

[[nodiscard]] std::string EncodeNote(const HandoverNote& note);
[[nodiscard]] std::optional<HandoverNote> DecodeNote(std::string_view text);

// The note in an open file. `path` is for the message.
[[nodiscard]] std::optional<HandoverNote> ReadNote(int fd);
base::Status WriteNote(int fd, const HandoverNote& note, const std::string& path);

// Whether some living process holds a lock on the file.
[[nodiscard]] bool IsHeld(int fd);
// Open for reading, without following a link or waiting for a pipe; not valid where it cannot be.
[[nodiscard]] base::UniqueFd OpenToLook(const std::string& path);

// The agent that lives and holds agent.lock, else the one that has announced that it serves. Its
// identity is empty while it has not written its name. An agent that is leaving, which serves only
// until another takes over, does not count. This takes no lock itself.
[[nodiscard]] std::optional<AgentIdentity> FindAgent(const std::string& directory);

}  // namespace tranche::daemon
