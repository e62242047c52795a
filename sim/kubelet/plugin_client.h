// The kubelet's side of one device plugin's socket (pkg/kubelet/cm/devicemanager/plugin/v1beta1,
// client.go and endpoint.go).
//
// Everything on the loop. Destruction drops what is under way without calling back. Like Go's
// client, it connects again for a call where the connection has gone.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/backoff.h"
#include "base/event_loop.h"
#include "base/status.h"
#include "base/timer.h"
#include "kubelet/device_plugin.h"
#include "rpc/client.h"

namespace tranche::sim {

struct PluginOptions {
  bool pre_start_required = false;
  bool preferred_available = false;
};

// One container's part of an Allocate answer: as it came, and read.
struct AllocateAnswer {
  std::string serialized;
  kubelet::ContainerAnswer read;
};

// Reads a serialized ContainerAllocateResponse. kDataLoss: it is none.
base::Result<kubelet::ContainerAnswer> ReadAnswer(const std::string& serialized);

// "rpc error: code = Unknown desc = …", as Go writes a status.
std::string GoErrorText(const base::Status& status);

class PluginClient {
 public:
  template <class T>
  using Done = std::function<void(base::Result<T>)>;

  PluginClient(base::EventLoop& loop, std::string resource, std::string socket_path);
  PluginClient(const PluginClient&) = delete;
  PluginClient& operator=(const PluginClient&) = delete;

  [[nodiscard]] const std::string& resource() const { return resource_; }
  [[nodiscard]] const std::string& socket_path() const { return socket_path_; }

  // Tries for 10 s, like the kubelet.
  void Dial(std::function<void(base::Status)> done);
  // Calls under way end with Canceled, as when Go's client closes its connection.
  void Close();

  void GetOptions(Done<PluginOptions> done);
  // The list whole, each time; then the end, once. A message over 4 MiB ends it.
  void Watch(std::function<void(std::vector<kubelet::PluginDevice>)> on_list,
             std::function<void(base::Status)> on_end);
  void Preferred(const std::vector<std::string>& available,
                 const std::vector<std::string>& must_include, int size,
                 Done<std::vector<std::string>> done);
  void Allocate(const std::vector<std::string>& ids, Done<AllocateAnswer> done);
  void PreStart(const std::vector<std::string>& ids, std::function<void(base::Status)> done);

 private:
  void TryDial(base::TimePoint give_up, std::function<void(base::Status)> done);
  base::Status Connect();
  void Call(const std::string& method, const std::string& request, base::Duration timeout,
            Done<std::string> done);

  base::EventLoop& loop_;
  std::string resource_;
  std::string socket_path_;
  base::Timer retry_;
  base::Backoff back_off_;
  std::unique_ptr<rpc::Channel> channel_;
  bool broken_ = false;
  std::uint64_t last_call_ = 0;
  std::map<std::uint64_t, Done<std::string>> calls_;
};

}  // namespace tranche::sim
