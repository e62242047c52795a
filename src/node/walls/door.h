// Door is the socket at which programs inside pods ask for their walls. It says whose each caller
// is, by what the kernel says, reads one packet of each, and hands on what makes sense.
//
// Callers are hostile: at most kMaxConnections are in at once and kMaxOfPod of one pod, each for
// kPatience at most. Where all places are taken, the pod that has most gives one up to a pod that
// has fewer, so that no pods together keep another one out. A packet that is too long or makes no
// sense ends its connection. Descriptors that a caller sends are dropped by the kernel. All of that
// is counted.
//
// Threading: the loop's thread.
// Errors: Open's, with the path. When descriptors run out, accepting pauses and goes on by itself.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "base/file.h"
#include "base/log.h"
#include "base/timer.h"
#include "node/identity/proc.h"
#include "node/walls/pod_ledger.h"
#include "node/walls/requests.h"

namespace tranche::node::walls {

struct Caller {
  std::string pod_uid;  // by which the kubelet names the pod's group
  Program program;      // without its image, which only a message tells
  base::UniqueFd process;
};

// The process `pid`, held by `process` so that it is no other; kPermissionDenied for what is in no
// pod, or where that cannot be told.
base::Result<Caller> IdentifyCaller(identity::Proc& proc, unsigned pid, base::UniqueFd process);

// Of a process by its pidfd; does not wait.
[[nodiscard]] bool ProcessHasEnded(int process);

struct DoorCounts {
  std::uint64_t accepted = 0;
  std::uint64_t strangers = 0;  // in no pod, or not to be told whose
  std::uint64_t too_many = 0;   // turned away because of the bounds
  std::uint64_t malformed = 0;  // packets that break the rules
  std::uint64_t unknown_versions = 0;
  std::uint64_t slow = 0;    // nothing came, or its answer was not fetched, in time
  std::uint64_t unsent = 0;  // the kernel did not take the answer: see Answer
};

class Door {
 public:
  static constexpr std::size_t kMaxConnections = 512;
  static constexpr std::size_t kMaxOfPod = 64;
  static constexpr std::size_t kMaxOtherVersions = 4096;
  static constexpr base::Duration kPatience = std::chrono::seconds(2);
  static constexpr base::Duration kTurn = std::chrono::microseconds(100);

  using ConnectionId = std::uint64_t;
  // Answer is to be called, now or later. The caller's descriptor may be taken.
  using Handler = std::function<void(ConnectionId id, Caller& caller, const Request& request)>;

  Door(base::EventLoop& loop, identity::Proc& proc, Handler handler)
      : loop_(loop), proc_(proc), handler_(std::move(handler)), pause_(loop), sweep_(loop) {}
  Door(const Door&) = delete;
  Door& operator=(const Door&) = delete;
  ~Door();

  // Makes the folder, and the socket in it, which replaces one of a forerunner. Each connection
  // takes two descriptors. From then on this thread has turns of kTurn on the processor.
  base::Status Open(const std::string& directory, std::size_t most = kMaxConnections);
  [[nodiscard]] bool open() const { return listener_.valid(); }

  // Sends the packet and closes. No effect where the connection has ended meanwhile.
  //
  // The kernel lets a user without CAP_SYS_RESOURCE have no more descriptors under way in sockets
  // than the sender may have open, all programs of that user together: pods whose user is ours can
  // use them up. An answer with descriptors then is not sent, and counted.
  void Answer(ConnectionId id, std::span<const std::byte> packet, std::span<const int> descriptors);

  [[nodiscard]] const DoorCounts& counts() const { return counts_; }
  // Whether this very process has spoken a version that is not known here.
  [[nodiscard]] bool SpokeOtherVersion(unsigned pid) const;
  [[nodiscard]] std::size_t connections() const { return connections_.size(); }

 private:
  struct Connection {
    base::UniqueFd socket;
    base::EventLoop::WatchId watch = 0;
    base::TimePoint since;
    Caller caller;
  };
  void Listen();
  void Accept();
  void Enter(base::UniqueFd socket);
  [[nodiscard]] std::size_t CountOf(const std::string& pod_uid) const;
  // Whether there is a place for a pod that has `own` of them.
  bool MakeRoom(std::size_t own);
  // Whether the packet was there, or the connection has ended; else it is to be waited for.
  bool Read(ConnectionId id);
  void Sweep();
  void Close(ConnectionId id);

  base::EventLoop& loop_;
  identity::Proc& proc_;
  Handler handler_;
  base::UniqueFd listener_;
  std::size_t most_ = kMaxConnections;
  base::EventLoop::WatchId watch_ = 0;
  base::Timer pause_;
  base::Timer sweep_;
  std::map<ConnectionId, Connection> connections_;
  ConnectionId next_ = 1;
  DoorCounts counts_;
  base::OncePer rarely_{std::chrono::minutes(1)};     // pods could fill the log
  std::map<unsigned, std::uint64_t> other_versions_;  // pid and when it began
};

}  // namespace tranche::node::walls
