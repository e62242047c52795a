// Daemon is what every long-running program of ours has, and what belongs together in it: its life,
// its status file, its link to the API server, what has happened to it, and its HTTP endpoints.
//
// It is a program's first part, and so is destroyed after all others: they raise events, say that
// the status has changed, and use the client of the API server until their end. What a program does
// without is left out of the options.
//
// Threading: the loop's thread.
// Errors: those of its parts. An address that is taken becomes the event NoHttp.
#pragma once

#include <functional>
#include <string>
#include <utility>

#include "apiserver/client.h"
#include "base/event_loop.h"
#include "base/json.h"
#include "base/status.h"
#include "daemon/api_link.h"
#include "daemon/endpoints.h"
#include "daemon/event_log.h"
#include "daemon/life.h"
#include "daemon/status_file.h"

namespace tranche::daemon {

class Daemon {
 public:
  struct Options {
    std::string version;
    std::string run_directory;  // of status.json; "": none is written
    std::string listen;         // of HTTP; "": none
    std::string events_node;    // on which Kubernetes Events are raised; "": none are
    // Makes the client of the API server; empty: nobody asks that.
    std::function<base::Result<ApiConnection>(base::EventLoop&)> new_api;
  };
  // Each may be empty where the options leave out what calls it.
  struct Owner {
    std::function<base::Json()> status;  // for the status file
    // As ApiLink::Owner says. Events are sent from then on.
    std::function<void(apiserver::ApiClient&, const std::string& default_namespace)> connected;
    std::function<void(const base::Status&)> not_connected;
  };

  Daemon(base::EventLoop& loop, Options options, Owner owner);
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  // As Life::Run.
  int Run(std::function<void()> begin) { return life_.Run(options_.version, std::move(begin)); }
  void End(int exit_status) { life_.End(exit_status); }
  [[nodiscard]] bool ending() const { return life_.ending(); }

  // Something that the status reports has changed.
  void StatusChanged() { status_file_.Changed(); }
  void RemoveStatus() { status_file_.Remove(); }

  [[nodiscard]] ApiLink& api() { return api_; }
  [[nodiscard]] const ApiLink& api() const { return api_; }
  [[nodiscard]] EventLog& events() { return events_; }
  [[nodiscard]] const EventLog& events() const { return events_; }
  [[nodiscard]] Endpoints& endpoints() { return endpoints_; }
  [[nodiscard]] const Endpoints& endpoints() const { return endpoints_; }

 private:
  const Options options_;
  const Owner owner_;
  // Each comes before those that use it, and so is destroyed after them.
  Life life_;
  StatusFile status_file_;
  ApiLink api_;
  EventLog events_;
  Endpoints endpoints_;
};

}  // namespace tranche::daemon
