#include "sim/kubelet/control.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <atomic>
#include <optional>
#include <thread>

#include "base/file.h"
#include "base/testing/real_loop.h"
#include "rpc/unix_socket.h"
#include "sim/kubelet/testing/fake_plugin.h"

namespace tranche::sim {
namespace {

using base::Json;
using testing::Devices;
using testing::FakePlugin;
using ::testing::HasSubstr;

class ControlTest : public ::testing::Test {
 protected:
  void SetUp() override {
    server_ = ControlServer::Start(*loop_, socket_).value();
    kubelet_ = Kubelet::Start(*loop_,
                              {.plugin_directory = folder_ / "plugins",
                               .state_directory = folder_ / "state",
                               .pod_resources_socket = "",
                               .on_event = [this](const Event& event) { server_->OnEvent(event); }})
                   .value();
    server_->SetKubelet(*kubelet_);
  }

  // From a thread, as another process would; the loop serves it meanwhile.
  base::Result<Json> Call(const std::string& text) {
    std::optional<base::Result<Json>> answer;
    std::thread caller([&] {
      auto result = CallControl(socket_, Json::Parse(text).value());
      loop_->Post([&, result = std::move(result)] { answer = result; });
    });
    EXPECT_TRUE(loop_.RunUntil([&] { return answer.has_value(); }));
    caller.join();
    return *answer;
  }

  base::testing::TempDir folder_;
  std::string socket_ = folder_ / "control.sock";
  base::testing::RealLoop loop_;
  std::unique_ptr<ControlServer> server_;
  std::unique_ptr<Kubelet> kubelet_;
};

TEST_F(ControlTest, DrivesAPodFromEndToEnd) {
  FakePlugin plugin(*loop_, folder_ / "plugins", "gpu.sock");
  plugin.Serve(Devices(2));
  plugin.Register();
  ASSERT_TRUE(
      Call(R"({"verb":"wait","resource":"nvidia.com/gpu","count":2,"timeoutMs":20000})").ok());
  const auto node = Call(R"({"verb":"node-status"})");
  ASSERT_TRUE(node.ok());
  const Json* gpu = node->Find("resources")->Find("nvidia.com/gpu");
  EXPECT_EQ(gpu->Find("allocatable")->as_int(), 2);
  EXPECT_EQ(gpu->Find("capacity")->as_int(), 2);

  const auto pod = Call(R"({"verb":"pod-run","pod":{"name":"p","requests":{"nvidia.com/gpu":1}}})");
  ASSERT_TRUE(pod.ok()) << pod.status().message();
  EXPECT_EQ(pod->Find("phase")->as_string(), "Running");
  const std::string id = pod->Find("ids")->as_array().at(0).as_string();
  EXPECT_THAT(id, HasSubstr("GPU-0::"));
  EXPECT_EQ(pod->Find("given")->Find("env")->Find("NVIDIA_VISIBLE_DEVICES")->as_string(), id);
  EXPECT_EQ(Call(R"({"verb":"pod-run","pod":{"name":"p"}})").status().code(),
            base::Code::kAlreadyExists);
  EXPECT_EQ(Call(R"({"verb":"pod-list"})")->as_array().size(), 1U);
  EXPECT_EQ(Call(R"({"verb":"pod-restart-container","name":"p"})")->Find("restarts")->as_int(), 1);
  EXPECT_TRUE(Call(R"({"verb":"kubelet-restart"})").ok());
  EXPECT_EQ(Call(R"({"verb":"pod-show","name":"p"})")->Find("ids")->as_array().at(0).as_string(),
            id);
  EXPECT_TRUE(Call(R"({"verb":"pod-delete","name":"p"})").ok());
  EXPECT_EQ(Call(R"({"verb":"pod-show","name":"p"})").status().code(), base::Code::kNotFound);
}

TEST_F(ControlTest, AWaitThatIsNotMetEnds) {
  const auto waited =
      Call(R"({"verb":"wait","resource":"nvidia.com/gpu","count":2,"timeoutMs":10})");
  EXPECT_EQ(waited.status().code(), base::Code::kDeadlineExceeded);
  EXPECT_EQ(waited.status().message(), "nvidia.com/gpu is 0, not 2");
}

TEST_F(ControlTest, NonsenseIsAnsweredOrDropped) {
  EXPECT_FALSE(Call("[]").ok());
  EXPECT_FALSE(Call(R"({"verb":"what"})").ok());
  EXPECT_FALSE(Call(R"({"verb":"pod-run"})").ok());
  EXPECT_FALSE(Call(R"({"verb":"pod-run","pod":{"name":"../x"}})").ok());
  EXPECT_FALSE(Call(R"({"verb":"pod-run","pod":{"name":"x","requests":{"a/b":"many"}}})").ok());
  EXPECT_FALSE(Call(R"({"verb":"pod-run","pod":{"name":"x","command":[1]}})").ok());
  EXPECT_TRUE(kubelet_->Pods().empty());

  const auto endless = rpc::ConnectToUnixSocket(socket_).value();
  const std::string chunk(1 << 16, 'x');
  bool dropped = false;
  ASSERT_TRUE(loop_.RunUntil([&] {
    const auto sent =
        ::send(endless.get(), chunk.data(), chunk.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    dropped = sent < 0 && errno != EAGAIN;
    return dropped;
  }));
}

TEST_F(ControlTest, TraceShowsEventsAndAReaderThatStopsIsDropped) {
  std::vector<std::string> lines;
  std::atomic<bool> traced = false;
  std::thread tracer([&] {
    const auto status = TraceControl(socket_, [&](const std::string& line) {
      lines.push_back(line);
      return lines.size() < 2;
    });
    loop_->Post([&, status] { EXPECT_TRUE(status.ok()); });
    traced = true;
  });
  const auto mute = rpc::ConnectToUnixSocket(socket_).value();
  ASSERT_GT(::send(mute.get(), "{\"verb\":\"trace\"}\n", 17, MSG_NOSIGNAL), 0);
  ASSERT_TRUE(Call(R"({"verb":"node-status"})").ok());
  // The tracer may come late, and sees what happens from then on.
  while (!traced) EXPECT_TRUE(Call(R"({"verb":"kubelet-restart"})").ok());
  tracer.join();
  EXPECT_THAT(lines[0], HasSubstr("{\"event\":\"kubelet-st"));
  EXPECT_THAT(lines[0], HasSubstr("\"at\":"));

  const int before = base::testing::OpenFiles();
  const Event big{.kind = "devices", .detail = std::string(1 << 20, 'x')};
  for (int i = 0; i < 12; ++i) server_->OnEvent(big);
  EXPECT_LT(base::testing::OpenFiles(), before);
  EXPECT_TRUE(Call(R"({"verb":"node-status"})").ok());
}

}  // namespace
}  // namespace tranche::sim
