// Server is a small HTTP/1.1 server for /metrics, /livez and /readyz (libmicrohttpd does the
// protocol).
//
// It answers GET and HEAD only, reads no body, and answers one request on a connection. Whatever
// else is asked of it, a probe is answered: a connection that is new always comes in, and where
// there are too many, the oldest of the address that holds most of them is cut off (Limits). So
// nobody can occupy the server by slowness, and a flood from one address cuts off only itself.
//
// Threading: the loop's thread, without any thread of its own. Handlers run there and answer at
// once.
// Errors: a connection beyond a limit is closed without an answer; a request that cannot be read is
// answered by libmicrohttpd (400, 414, 431 …).
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "base/event_loop.h"
#include "base/status.h"

namespace tranche::http {

struct Answer {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
};

struct Limits {
  static constexpr std::size_t kConnections = 32;
  static constexpr std::size_t kConnectionsPerAddress = 8;
  // From the moment a connection is accepted to the last byte of its answer.
  static constexpr base::Duration kRequest = std::chrono::seconds(10);
  // What a connection costs beside its answer: its request line and headers have to fit.
  static constexpr std::size_t kHeadBytes = 8192;
};

class Server {
 public:
  virtual ~Server() = default;
  [[nodiscard]] virtual int port() const = 0;  // the real one where 0 was asked for
  // How many connections there are just now.
  [[nodiscard]] virtual std::size_t connections() const = 0;
  // `path` without query string, exact match. Call before requests may come (right after New).
  virtual void Handle(const std::string& path, std::function<Answer()> handler) = 0;
};

// `listen` is an address as ListenOnTcp takes it. Errors as there: kUnavailable where it is taken.
base::Result<std::unique_ptr<Server>> NewServer(base::EventLoop& loop, const std::string& listen);

}  // namespace tranche::http
