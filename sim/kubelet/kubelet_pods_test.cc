#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/file.h"
#include "kubelet/pod_resources.h"
#include "sim/kubelet/testing/kubelet_fixture.h"

namespace tranche::sim {
namespace {

using testing::Devices;
using ::testing::ElementsAre;
using testing::FakePlugin;
using ::testing::IsEmpty;
using testing::kGpu;
using testing::KubeletTest;
using ::testing::UnorderedElementsAre;

TEST_F(KubeletTest, GivesDevicesAsThePluginPrefers) {
  FakePlugin plugin(*loop_, plugins_, "gpu.sock");
  plugin.choose = [](const kubelet::PreferredQuery& query) {
    std::vector<std::string> sorted = query.available;
    std::sort(sorted.rbegin(), sorted.rend());
    sorted.resize(static_cast<std::size_t>(query.size));
    return sorted;
  };
  plugin.extra.mounts = {{"/c", "/h", true}};
  plugin.extra.annotations = {{"a", "b"}};
  plugin.extra.cdi_devices = {"nvidia.com/gpu=1"};
  plugin.Serve(Devices(4));
  Register(plugin);
  ASSERT_TRUE(Becomes(4, 4));
  const Pod pod = Run(Spec("two", 2));
  ASSERT_EQ(pod.phase, PodPhase::kRunning) << pod.message;
  ASSERT_EQ(plugin.queries.size(), 1U);
  EXPECT_THAT(plugin.queries[0].available,
              UnorderedElementsAre("GPU-0::0", "GPU-0::1", "GPU-0::2", "GPU-0::3"));
  EXPECT_THAT(plugin.queries[0].must_include, IsEmpty());
  EXPECT_EQ(plugin.queries[0].size, 2);
  EXPECT_THAT(plugin.allocated, ElementsAre(UnorderedElementsAre("GPU-0::3", "GPU-0::2")));
  EXPECT_EQ(pod.devices.size(), 2U);
  EXPECT_EQ(pod.given.env.at("NVIDIA_VISIBLE_DEVICES"), plugin.allocated[0][0]);
  EXPECT_EQ(pod.given.mounts[0].host_path, "/h");
  EXPECT_EQ(pod.given.annotations.at("a"), "b");
  EXPECT_THAT(pod.given.cdi_devices, ElementsAre("nvidia.com/gpu=1"));

  // What is held is not available; where there is no choice the plugin is asked all the same.
  Run(Spec("rest", 2));
  ASSERT_EQ(plugin.queries.size(), 2U);
  EXPECT_THAT(plugin.queries[1].available, UnorderedElementsAre("GPU-0::0", "GPU-0::1"));
}

TEST_F(KubeletTest, ThePodHasTheEnvironmentItWasGiven) {
  FakePlugin plugin(*loop_, plugins_, "gpu.sock");
  plugin.extra.env = {{"FROM_PLUGIN", "1"}, {"BOTH", "plugin"}};
  plugin.Serve(Devices(1));
  Register(plugin);
  ASSERT_TRUE(Becomes(1, 1));
  PodSpec spec = Spec("env");
  spec.command = {"sh", "-c", "echo $NVIDIA_VISIBLE_DEVICES $FROM_PLUGIN $BOTH $HOSTNAME"};
  spec.env = {{"BOTH", "pod"}};
  Run(spec);
  ASSERT_TRUE(loop_.RunUntil([&] { return kubelet_->FindPod("env")->ended(); }));
  EXPECT_EQ(kubelet_->FindPod("env")->phase, PodPhase::kSucceeded);
  EXPECT_EQ(base::ReadFile(folder_ / "state/pods/env/output", 4096).value(),
            "GPU-0::0 1 pod env\n");
}

TEST_F(KubeletTest, ARefusalReadsLikeTheKubelets) {
  FakePlugin plugin(*loop_, plugins_, "gpu.sock");
  plugin.error =
      "invalid allocation request for \"nvidia.com/gpu\": invalid request: maximum request size "
      "for "
      "shared resources is 1; found 2";
  plugin.Serve(Devices(4));
  Register(plugin);
  ASSERT_TRUE(Becomes(4, 4));
  const Pod pod = Run(Spec("two", 2));
  EXPECT_EQ(pod.phase, PodPhase::kFailed);
  EXPECT_EQ(pod.reason, "UnexpectedAdmissionError");
  EXPECT_EQ(pod.message,
            "Pod was rejected: Allocate failed due to rpc error: code = Unknown desc = invalid "
            "allocation request for \"nvidia.com/gpu\": invalid request: maximum request size for "
            "shared resources is 1; found 2, which is unexpected");
  EXPECT_EQ(pod.pid, 0);
  plugin.error.clear();
  EXPECT_EQ(Run(Spec("all", 4)).phase, PodPhase::kRunning) << "what was refused is free again";
}

TEST_F(KubeletTest, WhatDoesNotFitWaitsAndABoundPodIsRefused) {
  FakePlugin plugin(*loop_, plugins_, "gpu.sock");
  plugin.Serve(Devices(1));
  Register(plugin);
  ASSERT_TRUE(Becomes(1, 1));
  Run(Spec("first"));
  const Pod waiting = Run(Spec("second"));
  EXPECT_EQ(waiting.phase, PodPhase::kPending);
  EXPECT_EQ(waiting.message, "0/1 nodes are available: 1 Insufficient nvidia.com/gpu.");
  const Pod refused = Run(Spec("bound", 1, true));
  EXPECT_EQ(refused.reason, "UnexpectedAdmissionError");
  EXPECT_EQ(refused.message,
            "Pod was rejected: Allocate failed due to requested number of devices unavailable for "
            "nvidia.com/gpu. Requested: 1, Available: 0, which is unexpected");
  EXPECT_TRUE(Delete("first").ok());
  ASSERT_TRUE(
      loop_.RunUntil([&] { return kubelet_->FindPod("second")->phase == PodPhase::kRunning; }));
  EXPECT_EQ(Delete("nobody").code(), base::Code::kNotFound);
}

TEST_F(KubeletTest, ADeviceThatFallsSickIsShownOnItsPod) {
  FakePlugin plugin(*loop_, plugins_, "gpu.sock");
  plugin.Serve(Devices(1));
  Register(plugin);
  ASSERT_TRUE(Becomes(1, 1));
  Run(Spec("p"));
  EXPECT_THAT(kubelet_->FindPod("p")->unhealthy, IsEmpty());
  plugin.server->SetDevices(Devices(1, false));
  ASSERT_TRUE(Becomes(0, 1));
  const Pod pod = *kubelet_->FindPod("p");
  EXPECT_EQ(pod.phase, PodPhase::kRunning);
  EXPECT_THAT(pod.unhealthy, ElementsAre("GPU-0::0"));
}

TEST_F(KubeletTest, PodResourcesTellsWhoHoldsWhat) {
  FakePlugin plugin(*loop_, plugins_, "gpu.sock");
  plugin.Serve(Devices(4));
  Register(plugin);
  ASSERT_TRUE(Becomes(4, 4));
  const Pod pod = Run(Spec("p", 2));
  std::optional<base::Result<std::vector<kubelet::Holding>>> holdings;
  kubelet::ListHoldings(*caller_, folder_ / "pr/kubelet.sock",
                        [&](auto result) { holdings = std::move(result); });
  ASSERT_TRUE(loop_.RunUntil([&] { return holdings.has_value(); }));
  ASSERT_TRUE(holdings->ok()) << holdings->status().message();
  ASSERT_EQ((*holdings)->size(), 1U);
  const kubelet::Holding& holding = holdings->value()[0];
  EXPECT_EQ(holding.pod, "p");
  EXPECT_EQ(holding.pod_namespace, "default");
  EXPECT_EQ(holding.resource, kGpu);
  EXPECT_THAT(holding.ids, UnorderedElementsAre(pod.devices[0].id, pod.devices[1].id));

  // 10 at once, then 100 a second.
  int limited = 0;
  int answered = 0;
  for (int i = 0; i < 40; ++i) {
    kubelet::ListHoldings(*caller_, folder_ / "pr/kubelet.sock", [&](const auto& result) {
      ++answered;
      limited += result.status().code() == base::Code::kResourceExhausted ? 1 : 0;
    });
  }
  ASSERT_TRUE(loop_.RunUntil([&] { return answered == 40; }));
  EXPECT_GT(limited, 0);
}

}  // namespace
}  // namespace tranche::sim
