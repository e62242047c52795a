// ResourcePlugin connects one advertised resource with the kubelet: it serves, registers, waits for
// the kubelet's stream, and does so again when the kubelet has restarted or the stream is lost.
//
// Only a ListAndWatch stream counts as registered. A pair of resource and endpoint name is never
// registered while its stream may be open (see endpoint_names.h): a registration that may have
// reached the kubelet is followed by one under the next name. A change of the device list never
// touches the stream.
//
// Threading: the loop's thread.
// Errors: failures are retried with back-off; error() says what failed last.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "agent/serve/endpoint_names.h"
#include "base/backoff.h"
#include "base/event_loop.h"
#include "base/file.h"
#include "base/status.h"
#include "base/timer.h"
#include "base/weak_runner.h"
#include "kubelet/device_plugin.h"

namespace tranche::agent::serve {

class ResourcePlugin : public kubelet::PluginHandler {
 public:
  enum class Phase { kStarting, kRegistering, kWaiting, kServing };

  // What the owner decides, and what it wants to know.
  struct Owner {
    std::function<base::Result<kubelet::ContainerAnswer>(const std::string& resource,
                                                         const std::vector<std::string>& ids)>
        allocate;
    std::function<base::Result<std::vector<std::string>>(const std::string& resource,
                                                         const kubelet::PreferredQuery& query)>
        preferred;
    std::function<void()> changed;  // phase, counters or error
  };

  struct Counters {
    std::uint64_t registrations = 0;  // that ended in a stream
    std::uint64_t allocations = 0;
    std::uint64_t refusals = 0;
  };

  // An empty `kubelet_socket` serves without registering (upstream's way to be tested).
  ResourcePlugin(base::EventLoop& loop, kubelet::PluginLink& link, std::string resource,
                 std::string socket_directory, std::string kubelet_socket, EndpointNames& names,
                 Owner owner);

  // The first call starts serving; later ones send the new list where it differs.
  void SetDevices(std::vector<kubelet::PluginDevice> devices);
  // Something happened to the kubelet's socket: try now what would be tried later.
  void KubeletSocketChanged();

  [[nodiscard]] Phase phase() const { return phase_; }
  [[nodiscard]] const std::string& endpoint() const { return endpoint_; }
  [[nodiscard]] const std::string& error() const { return error_; }
  [[nodiscard]] const Counters& counters() const { return counters_; }
  [[nodiscard]] const std::vector<kubelet::PluginDevice>& devices() const { return devices_; }

  base::Result<kubelet::ContainerAnswer> Allocate(const std::vector<std::string>& ids) override;
  base::Result<std::vector<std::string>> Preferred(const kubelet::PreferredQuery& query) override;
  void StreamChanged(Stream change) override;
  void ServerFailed(const std::string& why) override;

 private:
  void ServeAndRegister();
  base::Status StartServer();
  void Registered(const base::Status& status);
  void RetryAfterFailure(const base::Status& status);
  void RetryAfter(base::Duration delay);
  void SetPhase(Phase phase);

  base::EventLoop& loop_;
  kubelet::PluginLink& link_;
  const std::string resource_;
  const std::string socket_directory_;
  const std::string kubelet_socket_;
  EndpointNames& names_;
  Owner owner_;

  std::vector<kubelet::PluginDevice> devices_;
  std::unique_ptr<kubelet::PluginServer> server_;
  base::FileIdentity kubelet_;  // the kubelet that endpoint_ was chosen for
  std::string endpoint_;
  bool endpoint_spent_ = true;  // the kubelet may have heard of endpoint_
  Phase phase_ = Phase::kStarting;
  std::string error_;
  Counters counters_;
  base::Backoff back_off_;
  base::Timer timer_{loop_};
  std::uint64_t attempt_ = 0;       // an answer to an earlier registration is no news
  base::WeakRunner runner_{loop_};  // the last member: destroyed first
};

std::string_view PhaseName(ResourcePlugin::Phase phase);

}  // namespace tranche::agent::serve
