// The client of the API server: made when something first needs it, tried again until it can be.
//
// Threading: the loop's thread.
// Errors: status() says why there is no client (no libcurl, no token yet).
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "apiserver/client.h"
#include "base/event_loop.h"
#include "base/log.h"
#include "base/status.h"
#include "base/timer.h"

namespace tranche::daemon {

struct ApiConnection {
  std::unique_ptr<apiserver::ApiClient> client;
  std::string default_namespace;  // of the account; may be ""
};

// The API server that `kubeconfig` names or, where that is "", the pod's account or the user's own
// kubeconfig. Whatever is missing, the message says that there is no way to reach the API server.
base::Result<ApiConnection> ConnectToApi(base::EventLoop& loop, const std::string& kubeconfig,
                                         apiserver::ApiClientOptions options);

class ApiLink {
 public:
  struct Owner {
    // Once. The client lives as long as the link.
    std::function<void(apiserver::ApiClient&, const std::string& default_namespace)> connected;
    std::function<void(const base::Status&)> not_connected;  // each time that it cannot be made
  };

  // `connect` may be empty: then nobody asks the API server, and nothing below does anything.
  ApiLink(base::EventLoop& loop,
          std::function<base::Result<ApiConnection>(base::EventLoop&)> connect, Owner owner);

  // Loading libcurl takes a while, in which nothing else of the program gets on.
  void Connect();
  void ConnectWithin(base::Duration time);

  [[nodiscard]] bool wanted() const { return connect_ != nullptr; }
  [[nodiscard]] apiserver::ApiClient* client() const { return client_.get(); }
  [[nodiscard]] const base::Status& status() const { return status_; }

 private:
  void TryConnect();

  base::EventLoop& loop_;
  std::function<base::Result<ApiConnection>(base::EventLoop&)> connect_;
  Owner owner_;
  base::Status status_{base::Code::kUnavailable, "not asked yet"};
  bool tried_ = false;
  base::OncePer rarely_;
  base::Timer timer_;
  std::unique_ptr<apiserver::ApiClient> client_;
};

}  // namespace tranche::daemon
