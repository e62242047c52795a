// The small kubelet in folders of the test's, and what plugins and people ask of it.
//
// Threading: the test's thread, which runs the loop.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "base/testing/real_loop.h"
#include "sim/kubelet/kubelet.h"
#include "sim/kubelet/testing/fake_plugin.h"

namespace tranche::sim::testing {

inline constexpr char kGpu[] = "nvidia.com/gpu";

class KubeletTest : public ::testing::Test {
 protected:
  void SetUp() override { StartKubelet(); }
  void TearDown() override {
    if (kubelet_ == nullptr) return;
    for (const Pod& pod : kubelet_->Pods()) EXPECT_TRUE(Delete(pod.spec.name).ok());
  }

  Kubelet::Options Options() {
    return {.plugin_directory = plugins_,
            .state_directory = folder_ / "state",
            .pod_resources_socket = folder_ / "pr/kubelet.sock",
            .on_event = [this](const Event& event) { events_.push_back(event); },
            .stop_grace = stop_grace_,
            .kill_grace = std::chrono::seconds(5)};
  }
  void StartKubelet() { kubelet_ = Kubelet::Start(*loop_, Options()).value(); }

  void Register(FakePlugin& plugin) {
    plugin.Register();
    ASSERT_TRUE(loop_.RunUntil([&] { return plugin.answer.has_value(); }));
  }
  bool Becomes(std::int64_t allocatable, std::int64_t capacity) {
    return loop_.RunUntil([&] {
      return kubelet_->Node()[kGpu] == ResourceCount{capacity, allocatable};
    });
  }
  static PodSpec Spec(const std::string& name, int count = 1, bool bound = false) {
    return {.name = name, .requests = {{kGpu, count}}, .bound = bound};
  }
  Pod Run(const PodSpec& spec) {
    std::optional<Pod> pod;
    kubelet_->RunPod(spec, [&](const base::Result<Pod>& result) { pod = result.value(); });
    EXPECT_TRUE(loop_.RunUntil([&] { return pod.has_value(); }));
    return *pod;
  }
  base::Status Delete(const std::string& name) {
    std::optional<base::Status> done;
    kubelet_->DeletePod(name, [&](base::Status status) { done = std::move(status); });
    EXPECT_TRUE(loop_.RunUntil([&] { return done.has_value(); }));
    return *done;
  }
  void Restart() {
    std::optional<base::Status> done;
    kubelet_->Restart({}, [&](base::Status status) { done = std::move(status); });
    ASSERT_TRUE(loop_.RunUntil([&] { return done.has_value(); }));
    ASSERT_TRUE(done->ok()) << done->message();
  }
  static std::string IdOf(const Pod& pod) { return pod.devices.empty() ? "" : pod.devices[0].id; }
  int CountEvents(const std::string& kind) {
    return static_cast<int>(std::count_if(events_.begin(), events_.end(),
                                          [&](const Event& event) { return event.kind == kind; }));
  }

  base::testing::TempDir folder_;
  std::string plugins_ = folder_ / "plugins";
  base::testing::RealLoop loop_;
  std::unique_ptr<rpc::Caller> caller_ = rpc::Caller::New(*loop_);
  base::Duration stop_grace_ = std::chrono::minutes(5);
  std::vector<Event> events_;
  std::unique_ptr<Kubelet> kubelet_;
};

}  // namespace tranche::sim::testing
