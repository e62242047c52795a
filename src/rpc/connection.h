// A session of HTTP/2 on a socket, driven by the loop.
//
// What it costs is bounded: it reads at most kReadBytes in a turn of the loop, and a server reads
// nothing while its client does not take what it is sent. A client always reads: where neither side
// did, each would wait for the other.
//
// Threading: the loop's thread. The handler is called from the loop, never from within a call to
// this class, and may destroy the connection wherever it is called.
// Errors: ConnectionOver says why the connection has ended. A call for a stream that has gone does
// nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/event_loop.h"
#include "base/file.h"
#include "base/status.h"
#include "base/weak_runner.h"
#include "rpc/session.h"

namespace tranche::rpc {

class ConnectionHandler {
 public:
  virtual ~ConnectionHandler() = default;
  // A whole message; of a request, with its method.
  virtual void MessageCame(StreamId stream, const std::string& method, std::string message) = 0;
  // A message that cannot be taken, and so nothing more of this stream.
  virtual void MessageRefused(StreamId stream, const base::Status& why) = 0;
  // The other side says no more on it.
  virtual void StreamEnded(StreamId stream, const StreamHead& head) = 0;
  // The stream has gone, with HTTP/2's code of the error (0: none), and nothing more comes of it.
  virtual void StreamClosed(StreamId stream, std::uint32_t http2_error) = 0;
  // The last call.
  virtual void ConnectionOver(const base::Status& why) = 0;
};

class Connection {
 public:
  // The descriptor never blocks.
  Connection(base::EventLoop& loop, Side side, base::UniqueFd socket, SessionLimits limits,
             ConnectionHandler& handler);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  // What it is still sending is lost but for what the socket takes at once.
  ~Connection();

  // A client's, as Session has them. They are sent at once.
  base::Result<StreamId> Call(const std::string& method, std::string message,
                              base::Duration timeout);
  void Reset(StreamId stream);

  // A server's, as Session has them. They are sent in the loop's next turn.
  void Send(StreamId stream, std::shared_ptr<const std::string> message);
  void Finish(StreamId stream, const base::Status& status);

 private:
  static constexpr std::size_t kReadBytes = 32U << 10U;
  static constexpr std::size_t kWriteBytes = 64U << 10U;

  void ReadReady();
  void Read();
  void Turn();
  void TurnSoon();
  [[nodiscard]] bool TellHandler();
  void Tell(StreamEvent& event);
  void Flush();
  void Pack();
  void Break(base::Status why);
  void Wait();
  void WatchToWrite();
  void Stop(base::EventLoop::WatchId& watch);

  base::EventLoop& loop_;
  const Side side_;
  base::UniqueFd socket_;
  ConnectionHandler& handler_;
  Session session_;
  std::string unsent_;    // what the socket has not taken
  std::size_t sent_ = 0;  // of it, what it has
  std::optional<base::Status> broken_;
  bool in_turn_ = false;
  bool turn_posted_ = false;
  base::EventLoop::WatchId read_watch_ = 0;
  base::UniqueFd write_socket_;  // the same socket: a loop watches a descriptor for one thing
  base::EventLoop::WatchId write_watch_ = 0;
  base::WeakRunner runner_;  // the last member: destroyed first
};

}  // namespace tranche::rpc
