// A gRPC server on one Unix socket, with methods by name and messages as bytes. The device-plugin
// endpoint and the simulated kubelet are built on it.
//
// A client's deadline is the client's: it resets the call when that has passed.
//
// Threading: the loop's thread; there is no other. Nothing is called back after destruction.
// Errors: Start returns a Status; a server that fails later calls OnFailed.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/event_loop.h"
#include "base/status.h"

namespace tranche::rpc {

// One request being served. May be kept past the server's end; its methods then do nothing.
class ServerCall {
 public:
  virtual ~ServerCall() = default;

  [[nodiscard]] virtual const std::string& method() const = 0;   // "/package.Service/Method"
  [[nodiscard]] virtual const std::string& request() const = 0;  // serialized message

  // Ends the call: with one message when `status` is OK, else with the status alone. Once.
  virtual void Finish(const base::Status& status, std::string_view response) = 0;

  // A message of a server stream. While one is on its way only the newest waits, so a client that
  // does not read costs one message on the wire and one in waiting (shared between streams).
  virtual void Send(std::shared_ptr<const std::string> message) = 0;

  // Called once, when the client has gone or the call was finished; not from within Finish.
  virtual void OnClosed(std::function<void()> closed) = 0;
};

class Server {
 public:
  // More wait until one of these is closed.
  static constexpr std::size_t kMaxConnections = 32;

  struct Options {
    std::string socket_path;
    // Of one message, and of all that have not come whole yet.
    std::size_t max_request_bytes = 4 << 20;  // gRPC's own default
    int socket_mode = 0600;
  };
  using OnCall = std::function<void(std::shared_ptr<ServerCall>)>;
  using OnFailed = std::function<void(const std::string& why)>;

  // Replaces a stale socket at the path; anything else there is kAlreadyExists.
  static base::Result<std::unique_ptr<Server>> Start(base::EventLoop& loop, Options options,
                                                     OnCall on_call, OnFailed on_failed);

  // Ends every call at once; unlinks the socket only where it is still the one made at Start.
  virtual ~Server() = default;

  [[nodiscard]] virtual bool SocketInPlace() const = 0;
};

}  // namespace tranche::rpc
