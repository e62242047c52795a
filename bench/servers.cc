#include "bench/servers.h"

#include <csignal>
#include <memory>
#include <utility>

#include "base/event_loop.h"
#include "bench/plain_allocation.h"
#include "kubelet/device_plugin.h"
#include "rpc/server.h"

namespace tranche::bench {
namespace {

class PlainHandler final : public kubelet::PluginHandler {
 public:
  base::Result<kubelet::ContainerAnswer> Allocate(const std::vector<std::string>&) override {
    return kubelet::ContainerAnswer{};
  }
  base::Result<std::vector<std::string>> Preferred(const kubelet::PreferredQuery& query) override {
    return PlainPreferred(query.available, query.size);
  }
  void StreamChanged(Stream /*change*/) override {}
  void ServerFailed(const std::string&) override {}
};

// Runs what `start` makes (of the loop) until told to end.
template <class Start>
int Serve(Start start) {
  auto loop = base::NewEpollLoop();
  if (!loop.ok()) return 1;
  const auto signals = base::WatchSignals(**loop, {SIGINT, SIGTERM}, [&](int) { (*loop)->Stop(); });
  const auto server = start(**loop);
  if (!signals.ok() || !server.ok()) return 1;
  (*loop)->Run();
  return 0;
}

}  // namespace

int ServeEmpty(const std::string& socket_path) {
  return Serve([&](base::EventLoop& loop) {
    return rpc::Server::Start(
        loop, {.socket_path = socket_path, .max_request_bytes = 16 << 20},
        [](const std::shared_ptr<rpc::ServerCall>& call) { call->Finish(base::Status::Ok(), ""); },
        [](const std::string&) {});
  });
}

int ServePlain(const std::string& socket_path) {
  PlainHandler handler;
  return Serve([&](base::EventLoop& loop) {
    return kubelet::PluginServer::Start(loop, socket_path, handler);
  });
}

}  // namespace tranche::bench
