// RpcServer is a gRPC server on one unix socket, with methods by name and messages as bytes. The
// device-plugin endpoint and the simulated kubelet are built on it. The gRPC headers stay in the
// .cc file.
//
// Threading: callbacks and methods run on the loop's thread; a thread of its own only moves bytes.
// Nothing is called back after destruction.
// Errors: Start returns a Status; a server that fails later calls OnFailed.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/event_loop.h"
#include "base/status.h"

namespace tranche::kubelet {

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

  // Called once, when the client has gone or the call was finished.
  virtual void OnClosed(std::function<void()> closed) = 0;
};

class RpcServer {
 public:
  // gRPC lets a client have 64 calls at a time. Only a client that resets its calls can have begun
  // more than twice as many, and a kubelet resets none.
  static constexpr long kMaxOpenCalls = 128;
  // More wait until one of these is closed.
  static constexpr std::size_t kMaxConnections = 32;

  struct Options {
    std::string socket_path;
    int max_request_bytes = 4 << 20;  // gRPC's own default
    int socket_mode = 0600;
    // How many calls of one connection may be unanswered, those that the client has reset included.
    long max_open_calls = kMaxOpenCalls;
  };
  using OnCall = std::function<void(std::shared_ptr<ServerCall>)>;
  using OnFailed = std::function<void(const std::string& why)>;

  // Replaces a stale socket at the path; anything else there is kAlreadyExists.
  static base::Result<std::unique_ptr<RpcServer>> Start(base::EventLoop& loop, Options options,
                                                        OnCall on_call, OnFailed on_failed);

  // Ends every call at once; unlinks the socket only where it is still the one made at Start.
  virtual ~RpcServer() = default;

  [[nodiscard]] virtual bool SocketInPlace() const = 0;
};

}  // namespace tranche::kubelet
