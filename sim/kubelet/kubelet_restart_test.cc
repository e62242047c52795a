#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <optional>

#include "base/file.h"
#include "sim/kubelet/checkpoint.h"
#include "sim/kubelet/testing/kubelet_fixture.h"

namespace tranche::sim {
namespace {

using testing::Devices;
using testing::FakePlugin;
using testing::kGpu;
using testing::KubeletTest;

TEST_F(KubeletTest, ARestartWipesSocketsOnlyAndKeepsPodsAndStaleIds) {
  FakePlugin plugin(*loop_, plugins_, "gpu.sock");
  plugin.Serve(Devices(8));
  Register(plugin);
  ASSERT_TRUE(Becomes(8, 8));
  const Pod before = Run(Spec("p"));
  ASSERT_TRUE(base::MakeDirectories(plugins_ + "/tranche").ok());
  ASSERT_TRUE(base::WriteFileAtomic(plugins_ + "/file", "x").ok());
  Restart();
  EXPECT_FALSE(plugin.server->SocketInPlace());
  EXPECT_TRUE(base::Exists(plugins_ + "/tranche"));
  EXPECT_TRUE(base::Exists(plugins_ + "/file"));
  ASSERT_TRUE(Becomes(0, 0)) << "known, and zero, until the plugin is back";
  const Pod after = *kubelet_->FindPod("p");
  EXPECT_EQ(after.pid, before.pid);
  EXPECT_EQ(IdOf(after), IdOf(before));

  // Back with other ids: the old one stays in the checkpoint, and its pod keeps running.
  plugin.Serve({{"GPU-1"}, {"GPU-2"}});
  Register(plugin);
  ASSERT_TRUE(Becomes(2, 2));
  EXPECT_EQ(IdOf(*kubelet_->FindPod("p")), IdOf(before));
  const auto checkpoint = LoadCheckpoint(plugins_ + "/kubelet_internal_checkpoint").value();
  ASSERT_EQ(checkpoint.entries.size(), 1U);
  EXPECT_EQ(checkpoint.entries[0].pod_uid, before.uid);
  EXPECT_EQ(checkpoint.registered.at(kGpu).size(), 2U);
  EXPECT_EQ(plugin.allocated.size(), 1U) << "nothing is allocated again";
}

TEST_F(KubeletTest, AContainerRestartReplaysTheStoredAnswerAlsoAfterARestart) {
  FakePlugin plugin(*loop_, plugins_, "gpu.sock");
  plugin.extra.env = {{"KEPT", "yes"}};
  plugin.Serve(Devices(1));
  Register(plugin);
  ASSERT_TRUE(Becomes(1, 1));
  const Pod before = Run(Spec("p"));
  plugin.server.reset();
  Restart();
  std::optional<Pod> after;
  kubelet_->RestartContainer("p", [&](const base::Result<Pod>& pod) { after = pod.value(); });
  ASSERT_TRUE(loop_.RunUntil([&] { return after.has_value(); }));
  EXPECT_EQ(after->phase, PodPhase::kRunning);
  EXPECT_NE(after->pid, before.pid);
  EXPECT_EQ(after->restarts, 1);
  EXPECT_EQ(after->given.env.at("KEPT"), "yes");
  EXPECT_EQ(plugin.allocated.size(), 1U);
}

TEST_F(KubeletTest, PodsOutliveTheKubeletAndAreTakenUpAgain) {
  FakePlugin plugin(*loop_, plugins_, "gpu.sock");
  plugin.Serve(Devices(2));
  Register(plugin);
  ASSERT_TRUE(Becomes(2, 2));
  const Pod lives = Run(Spec("lives"));
  const Pod dies = Run(Spec("dies"));
  kubelet_.reset();
  EXPECT_FALSE(base::Exists(plugins_ + "/kubelet.sock"));
  ASSERT_EQ(::kill(static_cast<pid_t>(dies.pid), SIGKILL), 0);
  StartKubelet();
  ASSERT_TRUE(loop_.RunUntil([&] { return kubelet_->FindPod("dies")->ended(); }));
  EXPECT_EQ(kubelet_->FindPod("dies")->exit_code, 128 + SIGKILL);
  EXPECT_EQ(kubelet_->FindPod("lives")->pid, lives.pid);
  EXPECT_EQ(IdOf(*kubelet_->FindPod("lives")), IdOf(lives));
}

TEST_F(KubeletTest, TwoHundredRestartsLeakNothing) {
  FakePlugin plugin(*loop_, plugins_, "gpu.sock");
  int files = 0;
  int threads = 0;
  plugin.Serve(Devices(8));
  Register(plugin);
  ASSERT_TRUE(Becomes(8, 8));
  const Pod pod = Run(Spec("p"));
  for (int round = 0; round < 200; ++round) {
    Restart();
    plugin.server.reset();
    plugin.Serve(Devices(8));
    Register(plugin);
    ASSERT_TRUE(plugin.answer->ok()) << plugin.answer->message();
    ASSERT_TRUE(Becomes(8, 8));
    if (round == 20) {
      files = base::testing::OpenFiles();
      threads = base::testing::Threads();
    }
  }
  EXPECT_EQ(kubelet_->FindPod("p")->pid, pod.pid);
  // Connections of the last rounds may still be closing; a leak would be one a round.
  EXPECT_LE(base::testing::OpenFiles(), files + 20);
  EXPECT_EQ(base::testing::Threads(), threads);
}

}  // namespace
}  // namespace tranche::sim
