#include "daemon/api_link.h"

#include <utility>

#include "apiserver/config.h"

namespace tranche::daemon {

namespace {
constexpr base::Duration kRetry = std::chrono::seconds(10);
}

base::Result<ApiConnection> ConnectToApi(base::EventLoop& loop, const std::string& kubeconfig,
                                         apiserver::ApiClientOptions options) {
  auto where = apiserver::FindApiConfig(kubeconfig);
  if (!where.ok()) return where.status().Wrap("no way to reach the API server");
  ApiConnection connection{.client = nullptr, .default_namespace = where->default_namespace};
  auto client = apiserver::NewApiClient(loop, std::move(*where), std::move(options));
  if (!client.ok()) return client.status();
  connection.client = std::move(*client);
  return connection;
}

ApiLink::ApiLink(base::EventLoop& loop,
                 std::function<base::Result<ApiConnection>(base::EventLoop&)> connect, Owner owner)
    : loop_(loop),
      connect_(std::move(connect)),
      owner_(std::move(owner)),
      rarely_(std::chrono::minutes(5)),
      timer_(loop) {}

void ApiLink::Connect() { ConnectWithin(base::Duration::zero()); }

void ApiLink::ConnectWithin(base::Duration time) {
  if (!wanted() || tried_) return;
  timer_.Start(time, [this] { TryConnect(); });
}

void ApiLink::TryConnect() {
  tried_ = true;
  auto connection = connect_(loop_);
  if (!connection.ok()) {
    status_ = connection.status();
    if (rarely_(status_.message(), loop_.Now())) {
      base::LogWarning("cannot ask the API server", {base::Kv("error", status_.message())});
    }
    timer_.Start(kRetry, [this] { TryConnect(); });
    return owner_.not_connected(status_);
  }
  status_ = base::Status::Ok();
  client_ = std::move(connection->client);
  owner_.connected(*client_, connection->default_namespace);
}

}  // namespace tranche::daemon
