#include "sim/kubelet/kubelet.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <set>

#include "base/file.h"
#include "base/testing/real_loop.h"
#include "kubelet/pod_resources.h"
#include "kubelet/rpc_client.h"
#include "kubelet/unix_socket.h"
#include "sim/kubelet/checkpoint.h"
#include "sim/kubelet/testing/fake_plugin.h"

namespace tranche::sim {
namespace {

using testing::Devices;
using ::testing::ElementsAre;
using testing::FakePlugin;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

constexpr char kGpu[] = "nvidia.com/gpu";

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
  base::Duration stop_grace_ = std::chrono::minutes(5);
  std::vector<Event> events_;
  std::unique_ptr<Kubelet> kubelet_;
};

TEST_F(KubeletTest, CountsWhatAPluginAdvertises) {
  FakePlugin plugin(*loop_, plugins_, "gpu.sock");
  plugin.Serve(Devices(8));
  Register(plugin);
  EXPECT_TRUE(plugin.answer->ok()) << plugin.answer->message();
  ASSERT_TRUE(Becomes(8, 8));
  auto devices = Devices(8);
  devices[0].healthy = devices[1].healthy = false;
  plugin.server->SetDevices(devices);
  ASSERT_TRUE(Becomes(6, 8));
  EXPECT_FALSE(kubelet_->DeviceHealth(kGpu).at("GPU-0::0"));
  plugin.server->SetDevices(Devices(3));
  ASSERT_TRUE(Becomes(3, 3));
  EXPECT_EQ(CountEvents("registered"), 1);
  EXPECT_EQ(CountEvents("devices"), 3);
  EXPECT_EQ(events_.back().total, 3);
  EXPECT_EQ(events_.back().healthy, 3);
}

TEST_F(KubeletTest, RefusesBadVersionsAndNames) {
  FakePlugin plugin(*loop_, plugins_, "gpu.sock", "gpu");
  plugin.Serve(Devices(1));
  Register(plugin);
  EXPECT_EQ(plugin.answer->code(), base::Code::kUnknown);
  EXPECT_EQ(plugin.answer->message(), "the ResourceName \"gpu\" is invalid");
  EXPECT_EQ(CountEvents("registration-refused"), 1);

  EXPECT_TRUE(IsExtendedResourceName("nvidia.com/mig-1g.10gb.shared"));
  for (const char* bad : {"", "nvidia.com/", "/gpu", "Nvidia.com/gpu", "kubernetes.io/gpu",
                          "requests.nvidia.com/gpu", "nvidia.com/gpu/x", "nvidia.com/-gpu"}) {
    EXPECT_FALSE(IsExtendedResourceName(bad)) << bad;
  }
  std::optional<base::Result<std::string>> answer;
  kubelet::CallOnce(*loop_,
                    {.socket_path = plugins_ + "/kubelet.sock",
                     .method = "/v1beta1.Registration/Register",
                     .request = std::string("\x0a\x02v2")},
                    [&](base::Result<std::string> result) { answer = std::move(result); });
  ASSERT_TRUE(loop_.RunUntil([&] { return answer.has_value(); }));
  EXPECT_EQ(answer->status().message(),
            "requested API version \"v2\" is not supported by kubelet. Supported version is "
            "[\"v1beta1\"]");
}

TEST_F(KubeletTest, AnEndedStreamMakesEverythingUnhealthyUntilThePluginIsBack) {
  FakePlugin plugin(*loop_, plugins_, "gpu.sock");
  plugin.Serve(Devices(4));
  Register(plugin);
  ASSERT_TRUE(Becomes(4, 4));
  plugin.server.reset();
  ASSERT_TRUE(Becomes(0, 4));
  EXPECT_EQ(CountEvents("stream-lost"), 1);
  plugin.Serve(Devices(4));
  Register(plugin);
  EXPECT_TRUE(plugin.answer->ok());
  ASSERT_TRUE(Becomes(4, 4));
}

TEST_F(KubeletTest, AResourceGoesAfterTheGracePeriod) {
  kubelet_.reset();
  stop_grace_ = std::chrono::milliseconds(20);
  StartKubelet();
  FakePlugin plugin(*loop_, plugins_, "gpu.sock");
  plugin.Serve(Devices(4));
  Register(plugin);
  ASSERT_TRUE(Becomes(4, 4));
  plugin.server.reset();
  ASSERT_TRUE(loop_.RunUntil([&] { return kubelet_->Node().count(kGpu) == 0; }));
}

TEST_F(KubeletTest, AnotherEndpointTakesOverWithoutAGap) {
  FakePlugin older(*loop_, plugins_, "old.sock");
  older.Serve(Devices(4));
  Register(older);
  ASSERT_TRUE(Becomes(4, 4));
  FakePlugin newer(*loop_, plugins_, "new.sock");
  newer.Serve(Devices(6));
  Register(newer);
  EXPECT_TRUE(newer.answer->ok()) << newer.answer->message();
  ASSERT_TRUE(Becomes(6, 6));
  older.server.reset();
  ASSERT_TRUE(loop_.RunUntil([&] { return CountEvents("stream-lost") == 1; }));
  EXPECT_EQ(kubelet_->Node()[kGpu].allocatable, 6);
  const Pod pod = Run(Spec("p"));
  EXPECT_EQ(pod.phase, PodPhase::kRunning);
  EXPECT_EQ(newer.allocated.size(), 1U);
}

// Seen with the real device manager of Kubernetes 1.37.
TEST_F(KubeletTest, RegisteringOverAnOpenStreamWedgesTheResource) {
  FakePlugin plugin(*loop_, plugins_, "gpu.sock");
  plugin.Serve(Devices(4));
  Register(plugin);
  ASSERT_TRUE(Becomes(4, 4));
  Register(plugin);
  EXPECT_EQ(plugin.answer->code(), base::Code::kUnknown);
  const std::string refusal = "device plugin already connected: " + plugins_ + "/gpu.sock";
  EXPECT_EQ(plugin.answer->message(), refusal);
  plugin.server.reset();
  ASSERT_TRUE(loop_.RunUntil([&] { return CountEvents("stream-lost") == 1; }));
  EXPECT_EQ(kubelet_->Node()[kGpu].allocatable, 4) << "nobody serves, and nobody knows";
  plugin.Serve(Devices(2));
  Register(plugin);
  EXPECT_EQ(plugin.answer->message(), refusal);
  FakePlugin elsewhere(*loop_, plugins_, "other.sock");
  elsewhere.Serve(Devices(3));
  Register(elsewhere);
  EXPECT_TRUE(elsewhere.answer->ok());
  ASSERT_TRUE(Becomes(3, 3));
}

TEST_F(KubeletTest, AListOverFourMebibytesEndsTheStream) {
  FakePlugin plugin(*loop_, plugins_, "gpu.sock");
  plugin.Serve(Devices(10));
  Register(plugin);
  ASSERT_TRUE(Becomes(10, 10));
  std::vector<kubelet::PluginDevice> devices;
  for (int i = 0; i < 100'000; ++i) devices.push_back({std::string(40, 'x') + std::to_string(i)});
  plugin.server->SetDevices(devices);
  ASSERT_TRUE(Becomes(0, 10));
  EXPECT_THAT(events_.back().detail, HasSubstr("rpc error: code = ResourceExhausted desc = "));
}

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

TEST_F(KubeletTest, PodResourcesTellsWhoHoldsWhat) {
  FakePlugin plugin(*loop_, plugins_, "gpu.sock");
  plugin.Serve(Devices(4));
  Register(plugin);
  ASSERT_TRUE(Becomes(4, 4));
  const Pod pod = Run(Spec("p", 2));
  std::optional<base::Result<std::vector<kubelet::Holding>>> holdings;
  kubelet::ListHoldings(*loop_, folder_ / "pr/kubelet.sock",
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
    kubelet::ListHoldings(*loop_, folder_ / "pr/kubelet.sock", [&](const auto& result) {
      ++answered;
      limited += result.status().code() == base::Code::kResourceExhausted ? 1 : 0;
    });
  }
  ASSERT_TRUE(loop_.RunUntil([&] { return answered == 40; }));
  EXPECT_GT(limited, 0);
}

TEST_F(KubeletTest, SurvivesNonsenseOnItsSockets) {
  for (const std::string& path : {plugins_ + "/kubelet.sock", folder_ / "pr/kubelet.sock"}) {
    const auto fd = kubelet::ConnectToUnixSocket(path).value();
    const std::string nonsense(100'000, '\xff');
    [[maybe_unused]] const auto sent =
        ::send(fd.get(), nonsense.data(), nonsense.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  }
  ASSERT_TRUE(base::WriteFileAtomic(folder_ / "state/pods.json", "{nonsense").ok());
  ASSERT_TRUE(base::WriteFileAtomic(plugins_ + "/kubelet_internal_checkpoint", "nonsense").ok());
  kubelet_.reset();
  StartKubelet();
  FakePlugin plugin(*loop_, plugins_, "gpu.sock");
  plugin.Serve(Devices(1));
  Register(plugin);
  EXPECT_TRUE(plugin.answer->ok());
  ASSERT_TRUE(Becomes(1, 1));
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
  EXPECT_LE(base::testing::OpenFiles(), files + 2);
  EXPECT_LE(base::testing::Threads(), threads + 3) << "gRPC's own pool may breathe";
}

}  // namespace
}  // namespace tranche::sim
