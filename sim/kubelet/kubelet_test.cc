#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/file.h"
#include "rpc/client.h"
#include "rpc/unix_socket.h"
#include "sim/kubelet/testing/kubelet_fixture.h"

namespace tranche::sim {
namespace {

using testing::Devices;
using testing::FakePlugin;
using ::testing::HasSubstr;
using testing::kGpu;
using testing::KubeletTest;

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
  caller_->Call({.socket_path = plugins_ + "/kubelet.sock",
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

TEST_F(KubeletTest, SurvivesNonsenseOnItsSockets) {
  for (const std::string& path : {plugins_ + "/kubelet.sock", folder_ / "pr/kubelet.sock"}) {
    const auto fd = rpc::ConnectToUnixSocket(path).value();
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

}  // namespace
}  // namespace tranche::sim
