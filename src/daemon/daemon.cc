#include "daemon/daemon.h"

#include <chrono>

namespace tranche::daemon {

using base::Status;

Daemon::Daemon(base::EventLoop& loop, Options options, Owner owner)
    : options_(std::move(options)),
      owner_(std::move(owner)),
      life_(loop),
      status_file_(loop, options_.run_directory, owner_.status),
      api_(loop, options_.new_api,
           {.connected =
                [this](apiserver::ApiClient& api, const std::string& default_namespace) {
                  owner_.connected(api, default_namespace);
                  events_.Connect(api);
                  StatusChanged();
                },
            .not_connected =
                [this](const Status& why) {
                  owner_.not_connected(why);
                  StatusChanged();
                }}),
      events_(loop, options_.events_node, [this] { StatusChanged(); }),
      endpoints_(loop, {.listen = options_.listen,
                        .first_try = {},
                        .retry = std::chrono::seconds(1),
                        .unavailable = [this](const Status& why) {
                          events_.Raise(EventType::kWarning, "NoHttp", why.message());
                        }}) {}

}  // namespace tranche::daemon
