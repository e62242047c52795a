// For tests: the whole agent in virtual time. Its parts are real, what lies around them is in
// memory but for the files that a kubelet and a driver leave on a node.
//
// Threading: one thread.
// Errors: those of the test.
#pragma once

#include <gtest/gtest.h>

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
  AgentTest();

  static config::Override Flag(const std::string& name, const std::string& value) {
    return config::testing::Flag(name, {value});
  }
  void Config(const std::string& body) {
    EXPECT_TRUE(base::WriteFileAtomic(options_.config.config_file, "version: v1\n" + body).ok());
  }
  // Runs an agent through the script; its exit status.
  int Run(const std::function<void(Agent&)>& script);
  bool Ended() { return loop_.stops() > 0; }
  static std::vector<std::string> Reasons(const Agent& agent);
  bool StatusFileIsThere() const { return base::Exists(dir_ / "run/status.json"); }

  base::testing::TempDir dir_;
  std::string root_ = dir_ / "root";  // the driver's
  base::testing::FakeLoop loop_;
  kubelet::testing::InlineKubelet kubelet_{loop_, dir_ / "device-plugins/kubelet.sock"};
  std::shared_ptr<gpu::testing::FakeDriver> driver_ =
      std::make_shared<gpu::testing::FakeDriver>(gpu::testing::Gpus(2));
  gpu::testing::InlineDriverThread* thread_ = nullptr;
  base::disk::testing::FakeWorker* driver_root_ = nullptr;  // looks at the driver's files
  base::disk::testing::FakeWorker* disk_ = nullptr;         // and at ours
  apiserver::testing::FakeApi* api_ = nullptr;
  base::Status api_status_;
  std::optional<std::string> label_;
  AgentOptions options_;
};

}  // namespace tranche::agent::testing
