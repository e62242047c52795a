// What a kubelet sees of the device plugins on a stage, as JSON, and the requests it is drawn from.
//
// One thread; asking runs the stage's loop. An answer that does not come within 20 s is kept as an
// error text, so that a program that hangs is a difference and no end of the test.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/status.h"
#include "kubelet/device_plugin.h"
#include "rpc/server.h"
#include "sim/kubelet/plugin_client.h"
#include "sim/stage/stage.h"

namespace tranche::peer {

// A registration as it was sent, word for word.
struct SeenRegistration {
  std::string version;
  std::string endpoint;
  std::string resource;
  bool pre_start_required = false;
  bool preferred_available = false;
};

// kubelet.sock, where every registration is welcome.
class Registrations {
 public:
  static base::Result<std::unique_ptr<Registrations>> Start(base::EventLoop& loop);
  [[nodiscard]] const std::vector<SeenRegistration>& seen() const { return seen_; }

 private:
  void Answer(rpc::ServerCall& call);

  std::vector<SeenRegistration> seen_;
  std::unique_ptr<rpc::Server> server_;
};

// One resource's endpoint, watched and asked as the kubelet does.
class Endpoint {
 public:
  Endpoint(sim::Stage& stage, SeenRegistration registration);

  // Connects and waits for the first list.
  base::Status Open();
  [[nodiscard]] int unhealthy() const;
  [[nodiscard]] base::Json Registered() const;
  // Options, the list, and answers to a plan of requests drawn from the list.
  // Each preferred allocation is asked for so many times.
  base::Json Observe(int times);
  // The newest list, and what is then handed out.
  base::Json ObserveAgain();

 private:
  using Ids = std::vector<std::string>;
  struct Preference {
    std::string name;
    Ids available;
    Ids must_include;
    int size = 0;
  };

  [[nodiscard]] Ids AllIds() const;  // sorted
  [[nodiscard]] base::Json Devices() const;
  base::Json Allocations();
  base::Json Preferences(int times);
  [[nodiscard]] std::vector<Preference> PlanPreferences() const;
  base::Json Allocate(const Ids& ids);
  base::Json Prefer(const Preference& preference);
  base::Json Options();
  base::Json PreStart();

  sim::Stage& stage_;
  SeenRegistration registration_;
  sim::PluginClient client_;
  std::vector<kubelet::PluginDevice> devices_;
  int lists_ = 0;
};

}  // namespace tranche::peer
