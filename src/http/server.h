// Server is a small HTTP/1.1 server for /metrics, /livez and /readyz (libmicrohttpd does the
// protocol).
//
// It answers GET and HEAD only, reads no body, and answers one request on a connection. Whatever
// else is asked of it, a probe is answered: a connection that is new always comes in, and where
// there are too many, the oldest of the address that holds most of them is cut off (Limits). So
// nobody can occupy the server by slowness, and a flood from one address cuts off only itself.
//
// A path may also be a stream of server-sent events, which stays open. Streams are few and counted
// apart from the rest: one that is too many is told so (503), and a client that does not take what
// it is sent is cut off. So whoever holds all of the streams keeps nobody from an answer.
//
// Threading: the loop's thread, without any thread of its own. Handlers run there and answer at
// once.
// Errors: a connection beyond a limit is closed without an answer; a request that cannot be read is
// answered by libmicrohttpd (400, 414, 431 …); one from elsewhere, where that is looked at, by 403.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

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

  static constexpr std::size_t kStreams = 8;
  // How many events of a stream may wait for a client that is slow.
  static constexpr std::size_t kWaitingEvents = 4;
  // What the kernel may hold for a stream beside these (SO_SNDBUF).
  static constexpr int kStreamSocketBytes = 65536;
};

struct ServerOptions {
  // Answers only what was meant for this machine itself (http/local_names.h): for a server that
  // has to be safe from other pages in the same browser.
  bool local_names_only = false;
  std::vector<std::pair<std::string, std::string>> headers;  // of each answer
};

class Server {
 public:
  virtual ~Server() = default;
  [[nodiscard]] virtual int port() const = 0;  // the real one where 0 was asked for
  // How many connections there are just now, those of streams not counted; and how many of those.
  [[nodiscard]] virtual std::size_t connections() const = 0;
  [[nodiscard]] virtual std::size_t streams() const = 0;
  // `path` without query string, exact match. Call before requests may come (right after New).
  virtual void Handle(const std::string& path, std::function<Answer()> handler) = 0;
  // Serves a stream of events. `first` makes what a new client is sent at once (http/event_text.h).
  virtual void HandleStream(const std::string& path, std::function<std::string()> first) = 0;
  // Sends `text` to every client that has the stream open.
  virtual void Send(const std::string& path, const std::string& text) = 0;
};

// `listen` is an address as ListenOnTcp takes it. Errors as there: kUnavailable where it is taken.
base::Result<std::unique_ptr<Server>> NewServer(base::EventLoop& loop, const std::string& listen,
                                                ServerOptions options = {});

}  // namespace tranche::http
