// The HTTP endpoints of a program: /livez, /readyz and whatever else it answers, and /metrics, to
// which each of its parts adds its own.
//
// Threading: the loop's thread.
// Errors: an address that is taken is tried again until it is free: two agents share the port of a
// host while one hands over to the other. `unavailable` is called each time.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "base/status.h"
#include "base/timer.h"
#include "http/server.h"

namespace tranche::daemon {

class Endpoints {
 public:
  struct Options {
    std::string listen;  // "9435", "127.0.0.1:0"; "": no endpoints at all
    base::Duration first_try{};
    base::Duration retry = std::chrono::seconds(1);
    std::function<void(const base::Status&)> unavailable;  // may be empty
  };

  Endpoints(base::EventLoop& loop, Options options);

  // Before Start. An answer is made on the loop, at each request.
  void Answer(const std::string& path, std::function<http::Answer()> answer);
  // Text in the Prometheus exposition format (version 0.0.4) for /metrics, which is what all parts
  // say, one after the other. No two parts may name the same metric.
  void AddMetrics(std::function<std::string()> text);

  void Start();
  [[nodiscard]] int port() const;  // 0 while nothing listens

 private:
  struct Route {
    std::string path;
    std::function<http::Answer()> answer;
  };
  void Listen();
  [[nodiscard]] http::Answer Metrics() const;

  base::EventLoop& loop_;
  const Options options_;
  std::vector<Route> routes_;
  std::vector<std::function<std::string()>> metrics_;
  base::Timer timer_;
  std::unique_ptr<http::Server> server_;
};

}  // namespace tranche::daemon
