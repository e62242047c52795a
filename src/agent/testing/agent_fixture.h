// The whole agent in virtual time: its parts are real, what lies around them is in memory but for
// the files that a kubelet and a driver leave on a node.
//
// Threading: the test's thread, which runs the loop.
// Errors: a failed expectation.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent/agent.h"
#include "apiserver/testing/fake_api.h"
#include "base/disk/testing/fake_worker.h"
#include "base/file.h"
#include "base/testing/fake_loop.h"
#include "base/testing/temp_dir.h"
#include "config/testing/configs.h"
#include "gpu/testing/inline_driver_thread.h"
#include "gpu/testing/inventories.h"
#include "kubelet/testing/inline_kubelet.h"

namespace tranche::agent::testing {

inline constexpr char kGpu[] = "nvidia.com/gpu";
inline constexpr char kNode[] = "/api/v1/nodes/gpu-node";
inline constexpr char kLabel[] = "nvidia.com/device-plugin.config";

class AgentTest : public ::testing::Test {
 protected:
  AgentTest() {
    EXPECT_TRUE(base::MakeDirectories(dir_ / "root/dev").ok());
    options_.overrides.command_line = {Flag("driver-root-ctr-path", dir_ / "root")};
    options_.config.config_file = dir_ / "config/config.yaml";
    options_.kubelet_socket = dir_ / "device-plugins/kubelet.sock";
    options_.run_directory = dir_ / "run";
    options_.cdi_directory = dir_ / "cdi";
    options_.rescan_interval = std::chrono::seconds(10);
    options_.version = "test";
    options_.node_name = "gpu-node";
    options_.sys_root = dir_ / "none";
    options_.gpus.start_driver = [this](base::EventLoop& loop, const std::string& root,
                                        gpu::DriverThread::Listener listener) {
      EXPECT_EQ(root, dir_ / "root");
      auto thread =
          std::make_unique<gpu::testing::InlineDriverThread>(loop, driver_, std::move(listener));
      thread_ = thread.get();
      return thread;
    };
    options_.new_link = [this](base::EventLoop&) { return kubelet_.NewLink(); };
    options_.new_worker = [this](base::EventLoop&) {
      auto worker = std::make_unique<base::disk::testing::FakeWorker>(loop_);
      disk_ = worker.get();
      return worker;
    };
    options_.new_api = [this](base::EventLoop&) -> base::Result<daemon::ApiConnection> {
      if (!api_status_.ok()) return api_status_;
      auto api = std::make_unique<apiserver::testing::FakeApi>(loop_);
      api_ = api.get();
      api_->PutLabel(kNode, kLabel, label_);
      return daemon::ApiConnection{.client = std::move(api), .default_namespace = "default"};
    };
    Config(config::testing::Shared(4));
  }

  static config::Override Flag(const std::string& name, const std::string& value) {
    return config::testing::Flag(name, {value});
  }
  void Config(const std::string& body) {
    EXPECT_TRUE(base::WriteFileAtomic(options_.config.config_file, "version: v1\n" + body).ok());
  }
  // Runs an agent through the script; its exit status.
  int Run(const std::function<void(Agent&)>& script) {
    auto agent = Agent::New(loop_, options_);
    EXPECT_TRUE(agent.ok()) << agent.status().message();
    if (!agent.ok()) return -1;
    loop_.SetScript([&] { script(**agent); });
    return (*agent)->Run();
  }
  bool Ended() { return loop_.stops() > 0; }
  static std::vector<std::string> Reasons(const Agent& agent) {
    std::vector<std::string> reasons;
    for (const daemon::Event& event : agent.Snapshot().events) reasons.push_back(event.reason);
    return reasons;
  }
  bool StatusFileIsThere() const { return base::Exists(dir_ / "run/status.json"); }

  base::testing::TempDir dir_;
  base::testing::FakeLoop loop_;
  kubelet::testing::InlineKubelet kubelet_{loop_, dir_ / "device-plugins/kubelet.sock"};
  std::shared_ptr<gpu::testing::FakeDriver> driver_ =
      std::make_shared<gpu::testing::FakeDriver>(gpu::testing::Gpus(2));
  gpu::testing::InlineDriverThread* thread_ = nullptr;
  base::disk::testing::FakeWorker* disk_ = nullptr;
  apiserver::testing::FakeApi* api_ = nullptr;
  base::Status api_status_;
  std::optional<std::string> label_;
  AgentOptions options_;
};

}  // namespace tranche::agent::testing
