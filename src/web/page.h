// Page is what a person looks at in a browser: one page, the documents that it shows, and a stream
// of what is new. It only shows, and whoever reaches it may look.
//
//   /                 the page; page.css, page.js and icon.svg beside it
//   /api/v1/node      NodeStatus, as the program's own /status
//   /api/v1/history   NodeHistory, the last minutes
//   /api/v1/events    a stream: at once, and each second, an `update` with both of them
//
// It is served on the machine's own loopback interface, to pages of that machine (http/server.h,
// local_names_only). The page itself is part of the program, and loads nothing from elsewhere.
//
// Threading: the loop's thread.
// Errors: an address that is taken is tried again until it is free; `unavailable` hears of it.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "base/event_loop.h"
#include "base/json.h"
#include "base/status.h"
#include "base/timer.h"
#include "http/server.h"

namespace tranche::web {

class Page {
 public:
  static constexpr base::Duration kUpdate = std::chrono::seconds(1);

  struct Sources {
    std::function<base::Json()> node;
    std::function<base::Json()> history;
    std::function<base::Json()> newest;  // the end of the history
  };
  struct Options {
    std::string listen;  // "127.0.0.1:9437"; "": no page
    std::function<void(const base::Status&)> unavailable;
  };

  Page(base::EventLoop& loop, Options options, Sources sources);

  void Start();
  [[nodiscard]] int port() const;  // 0 while nothing listens

 private:
  void Listen();
  void SendUpdates();
  [[nodiscard]] std::string Update(const base::Json& history) const;

  base::EventLoop& loop_;
  const Options options_;
  const Sources sources_;
  base::Timer timer_;
  std::unique_ptr<http::Server> server_;
};

// Whether a page may be served there: on the loopback interface alone. kInvalidArgument otherwise.
base::Status CheckPageAddress(const std::string& listen);

}  // namespace tranche::web
