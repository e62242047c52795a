// The notes that agents of one node leave each other in agent.lock and successor.json, and who of
// them is there.
//
// A note is as true as the locks on its file: its writer holds both of them while it lives, and a
// note whose file nobody holds says nothing. The one lock is flock, which passes from agent to
// agent. Any process that can open the file can take it, so there is a second one as a proof: an
// open file description lock for writing (fcntl(2)), which only agents take. A file that is held
// without that proof is held by no agent. What the two files mean is told in handover.h.
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

namespace tranche::daemon::handover {

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
  bool proven = false;          // its writer holds the second lock; older agents do not
};

[[nodiscard]] std::string EncodeNote(const HandoverNote& note);
[[nodiscard]] std::optional<HandoverNote> DecodeNote(std::string_view text);

// The note in an open file.
[[nodiscard]] std::optional<HandoverNote> ReadNote(int fd);
// Takes the second lock, writes the note, and makes the file one that only its owner can open.
// `path` is for the message.
base::Status WriteNote(int fd, HandoverNote note, const std::string& path);

// Whether some living process holds the lock on the file.
[[nodiscard]] bool IsHeld(int fd);

// Who holds an open file. An agent that has taken the lock and has not written its note yet, which
// takes a moment, looks like no agent.
struct Holder {
  enum class Kind { kNobody, kAgent, kNoAgent };
  Kind kind = Kind::kNobody;
  HandoverNote note;  // an agent's
};
[[nodiscard]] Holder HolderOf(int fd);
// Open for reading, without following a link or waiting for a pipe; not valid where it cannot be.
[[nodiscard]] base::UniqueFd OpenToLook(const std::string& path);

// Who is at the node.
struct Presence {
  // The agent that lives and holds agent.lock, else the one that has announced that it serves. One
  // that is leaving, which serves only until another takes over, does not count.
  std::optional<AgentIdentity> agent;
  // The file that is held by no agent, where there is no agent either; "": none.
  std::string held_by_no_agent;
};
[[nodiscard]] Presence LookForAgent(const std::string& directory);

}  // namespace tranche::daemon::handover
