// Makes gRPC calls over a unix socket, with methods by name and messages as bytes. We connect the
// socket and hand it to gRPC, so there is no resolver, no load balancer and no reconnecting.
//
// Threading: the loop's thread. Callbacks run there.
// Errors: the Status of a failed call has gRPC's code and text.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/event_loop.h"
#include "base/status.h"

namespace tranche::kubelet {

struct UnaryCall {
  std::string socket_path;
  std::string method;  // "/package.Service/Method"
  std::string request;
  base::Duration timeout = std::chrono::seconds(5);
  int max_response_bytes = 4 << 20;
};

// Makes single calls, each on a connection of its own. All of them share one thread, which the
// first call makes: so only that call can fail for want of a thread. Destruction cancels the calls
// that are under way without calling back.
class RpcCaller {
 public:
  using Done = std::function<void(base::Result<std::string>)>;

  // The loop outlives the caller.
  static std::unique_ptr<RpcCaller> New(base::EventLoop& loop);
  virtual ~RpcCaller() = default;

  virtual void Call(const UnaryCall& call, Done done) = 0;
};

// A connection for many calls. Destruction cancels them without calling back.
class RpcChannel {
 public:
  using Done = std::function<void(base::Result<std::string>)>;
  using OnMessage = std::function<void(std::string)>;
  using OnEnd = std::function<void(base::Status)>;

  // kNotFound: no such socket. kUnavailable: nobody listens there.
  static base::Result<std::unique_ptr<RpcChannel>> Connect(base::EventLoop& loop,
                                                           const std::string& socket_path,
                                                           int max_message_bytes);
  virtual ~RpcChannel() = default;

  // timeout 0: none.
  virtual void Call(const std::string& method, const std::string& request, base::Duration timeout,
                    Done done) = 0;
  // A server stream: `on_message` for each message, then `on_end` once.
  virtual void Stream(const std::string& method, const std::string& request, OnMessage on_message,
                      OnEnd on_end) = 0;
};

}  // namespace tranche::kubelet
