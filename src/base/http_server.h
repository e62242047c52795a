// HttpServer is a small HTTP/1.1 server for /metrics, /livez and /readyz (civetweb does the
// protocol).
//
// It answers GET and HEAD only, and never reads a body.
//
// Threading: the loop's thread. Handlers run there and answer at once; the server's own threads
// only wait for them, so a handler needs no lock.
// Errors: a request that the loop does not answer within 5 s gets a 503 that says so, which makes a
// stuck loop visible.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/event_loop.h"
#include "base/status.h"

namespace tranche::base {

struct HttpAnswer {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
};

class HttpServer {
 public:
  virtual ~HttpServer() = default;
  [[nodiscard]] virtual int port() const = 0;  // the real one where 0 was asked for
  // `path` without query string, exact match. Call before requests may come (right after New).
  virtual void Handle(const std::string& path, std::function<HttpAnswer()> handler) = 0;
};

// `listen` is "9435", "127.0.0.1:0", "[::]:9435"… kUnavailable when the address is taken.
Result<std::unique_ptr<HttpServer>> NewHttpServer(EventLoop& loop, const std::string& listen);

}  // namespace tranche::base
