// A device plugin for the kubelet's tests: the product's own endpoint with a scripted owner.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/file.h"
#include "kubelet/device_plugin.h"

namespace tranche::sim::testing {

class FakePlugin : public kubelet::PluginHandler {
 public:
  FakePlugin(base::EventLoop& loop, std::string directory, std::string endpoint,
             std::string resource = "nvidia.com/gpu")
      : loop_(loop),
        caller_(rpc::Caller::New(loop)),
        directory_(std::move(directory)),
        endpoint_(std::move(endpoint)),
        resource_(std::move(resource)) {}

  void Serve(std::vector<kubelet::PluginDevice> devices) {
    server =
        kubelet::PluginServer::Start(loop_, base::JoinPath(directory_, endpoint_), *this).value();
    server->SetDevices(std::move(devices));
  }
  void Register() {
    answer.reset();
    kubelet::RegisterWithKubelet(*caller_,
                                 {base::JoinPath(directory_, "kubelet.sock"), endpoint_, resource_},
                                 [this](base::Status status) { answer = std::move(status); });
  }

  base::Result<kubelet::ContainerAnswer> Allocate(const std::vector<std::string>& ids) override {
    allocated.push_back(ids);
    if (!error.empty()) return base::Status(base::Code::kUnknown, error);
    kubelet::ContainerAnswer given = extra;
    given.env["NVIDIA_VISIBLE_DEVICES"] = ids.front();
    return given;
  }
  base::Result<std::vector<std::string>> Preferred(const kubelet::PreferredQuery& query) override {
    queries.push_back(query);
    if (choose) return choose(query);
    return std::vector<std::string>();
  }
  void StreamChanged(Stream /*change*/) override {}
  void ServerFailed(const std::string& why) override { FAIL() << why; }

  std::unique_ptr<kubelet::PluginServer> server;
  std::optional<base::Status> answer;  // to the registration
  std::vector<std::vector<std::string>> allocated;
  std::vector<kubelet::PreferredQuery> queries;
  std::function<std::vector<std::string>(const kubelet::PreferredQuery&)> choose;
  kubelet::ContainerAnswer extra;
  std::string error;

 private:
  base::EventLoop& loop_;
  std::unique_ptr<rpc::Caller> caller_;
  std::string directory_;
  std::string endpoint_;
  std::string resource_;
};

inline std::vector<kubelet::PluginDevice> Devices(int count, bool healthy = true) {
  std::vector<kubelet::PluginDevice> devices;
  for (int i = 0; i < count; ++i) {
    devices.push_back({"GPU-0::" + std::to_string(i), healthy, i % 2});
  }
  return devices;
}

}  // namespace tranche::sim::testing
