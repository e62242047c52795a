// For tests: the whole agent in virtual time on a driver root with libraries and device nodes,
// which need no rights to be made.
//
// Threading: one thread.
// Errors: those of the test.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "agent/testing/agent_test_case.h"
#include "base/file.h"
#include "cdi/testing/driver_tree.h"

namespace tranche::agent::testing {

inline constexpr char kLibraries[] = "usr/lib/x86_64-linux-gnu";

class AgentPartsTest : public AgentTest {
 protected:
  AgentPartsTest() {
    root_ = tree_.path();
    options_.overrides.command_line = {Flag("driver-root-ctr-path", root_)};
    options_.own_root = dir_ / "own";
    options_.stat_char_device = [this](const std::string& path) {
      auto node = stat_(path);
      if (node && path.ends_with("/nvidia-uvm")) node->major = uvm_major_;
      return node;
    };
    Own("nvidiactl");
    Own("nvidia-uvm");
  }

  void Strategy(const std::string& strategy) {
    options_.overrides.command_line.push_back(Flag("device-list-strategy", strategy));
  }
  void Flags(const std::string& name) {
    options_.overrides.command_line.push_back(Flag(name, "true"));
  }
  void Own(const std::string& node) {
    EXPECT_TRUE(base::WriteFileAtomic(dir_ / ("own/dev/" + node), "").ok());
  }
  void Settle() { loop_.AdvanceBy(std::chrono::milliseconds(100)); }
  std::string SpecPath(const std::string& device_class = "gpu") const {
    return dir_ / ("cdi/k8s.device-plugin.nvidia.com-" + device_class + ".json");
  }
  std::string Spec(const std::string& device_class = "gpu") const {
    const auto text = base::ReadFile(SpecPath(device_class), 1U << 20U);
    return text.ok() ? *text : "";
  }
  std::vector<std::string> CdiNames() {
    const auto answer = kubelet_.Allocate(kGpu, {"GPU-0::0"});
    EXPECT_TRUE(answer.ok()) << answer.status().message();
    return answer.ok() ? answer->cdi_devices : std::vector<std::string>();
  }
  std::vector<std::string> DevicePaths() {
    const auto answer = kubelet_.Allocate(kGpu, {"GPU-0::0"});
    EXPECT_TRUE(answer.ok()) << answer.status().message();
    std::vector<std::string> paths;
    if (!answer.ok()) return paths;
    for (const auto& device : answer->devices) paths.push_back(device.container_path);
    return paths;
  }

  cdi::testing::TestDriverTree tree_{kLibraries};
  std::function<std::optional<cdi::CharDevice>(const std::string&)> stat_ =
      tree_.roots("/").stat_char_device;
  std::int64_t uvm_major_ = 510;
};

class AgentCdiTest : public AgentPartsTest {
 protected:
  AgentCdiTest() { Strategy("cdi-cri"); }
};

}  // namespace tranche::agent::testing
