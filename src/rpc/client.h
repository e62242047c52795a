// Makes gRPC calls over a Unix socket, with methods by name and messages as bytes.
//
// Threading: the loop's thread; there is no other. Callbacks run from the loop, never from within a
// call to these classes.
// Errors: the Status of a failed call has gRPC's code and text.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "base/event_loop.h"
#include "base/status.h"

namespace tranche::rpc {

struct UnaryCall {
  std::string socket_path;
  std::string method;  // "/package.Service/Method"
  std::string request;
  base::Duration timeout = std::chrono::seconds(5);
  std::size_t max_response_bytes = 4 << 20;
};

// Makes single calls, each on a connection of its own. Destruction ends those that are under way
// without calling back.
class Caller {
 public:
  using Done = std::function<void(base::Result<std::string>)>;

  // The loop outlives the caller.
  static std::unique_ptr<Caller> New(base::EventLoop& loop);
  virtual ~Caller() = default;

  virtual void Call(const UnaryCall& call, Done done) = 0;
};

// A connection for many calls. Destruction ends them without calling back.
class Channel {
 public:
  using Done = std::function<void(base::Result<std::string>)>;
  using OnMessage = std::function<void(std::string)>;
  using OnEnd = std::function<void(base::Status)>;

  // kNotFound: no such socket. kUnavailable: nobody listens there.
  static base::Result<std::unique_ptr<Channel>> Connect(base::EventLoop& loop,
                                                        const std::string& socket_path,
                                                        std::size_t max_message_bytes);
  virtual ~Channel() = default;

  // timeout 0: none.
  virtual void Call(const std::string& method, const std::string& request, base::Duration timeout,
                    Done done) = 0;
  // A server stream: `on_message` for each message, then `on_end` once.
  virtual void Stream(const std::string& method, const std::string& request, OnMessage on_message,
                      OnEnd on_end) = 0;
};

}  // namespace tranche::rpc
