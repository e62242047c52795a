// Server is the driver's socket: it takes programs in, passes their messages on to the machine at
// the time they are read, and tells the machine when a program has ended.
//
// A program has ended when its process has (a pidfd says so, also where a forked child holds on to
// the socket) or when its side of the socket is closed.
//
// Threading: one thread.
// Errors: Listen says what the system refused. One program's failure is that program's alone.
#pragma once

#include <sys/epoll.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/status.h"
#include "sim/driver/clock.h"
#include "sim/driver/connection.h"
#include "sim/driver/machine.h"

namespace tranche::sim::driver {

class Server {
 public:
  // `path` may be longer than a socket's address. What is there already is replaced.
  static base::Result<std::unique_ptr<Server>> Listen(const std::string& path, Machine& machine,
                                                      const DriverClock& clock);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // One turn is to wait until something comes, until `deadline_ns` at most (CLOCK_MONOTONIC; none:
  // for ever), and then to handle it and to do what is due on the machine.
  void Wait(std::optional<std::uint64_t> deadline_ns);
  void Handle();
  // Calls `on_ready` in a turn in which `fd` can be read.
  base::Status Watch(int fd, std::function<void()> on_ready);
  void DisconnectAll();
  [[nodiscard]] std::size_t clients() const { return connections_.size(); }

 private:
  struct Peer {
    std::unique_ptr<Connection> connection;
    Client* client = nullptr;
    bool paused = false;
    bool sending = false;
  };

  Server(std::string path, Machine& machine, const DriverClock& clock)
      : path_(std::move(path)), machine_(machine), clock_(clock) {}
  base::Status Begin();
  void SetTimer(std::optional<std::uint64_t> deadline_ns);
  void Accept();
  void ListenAgain();
  void PauseListening();  // for a while, or until a program goes
  void SetListening(std::uint32_t events);
  void OnReady(std::uint64_t key, std::uint32_t events);
  void OnPeer(std::uint32_t id, std::uint32_t events);
  void Drop(std::uint32_t id);
  void Arm(Peer& peer);
  void Resume();

  std::string path_;
  Machine& machine_;
  DriverClock clock_;
  base::UniqueFd listening_;
  base::UniqueFd epoll_;
  base::UniqueFd timer_;
  // By the client's id: a descriptor's number may come again within a turn.
  std::map<std::uint32_t, Peer> connections_;
  std::map<int, std::function<void()>> watched_;
  std::set<std::uint32_t> paused_;
  std::size_t max_connections_ = 0;
  std::uint64_t accept_again_ns_ = 0;  // CLOCK_MONOTONIC; 0: it listens
  std::vector<epoll_event> events_;    // of this turn
  engine::Time now_ = 0;               // of this turn
};

}  // namespace tranche::sim::driver
