#include "cli/sim/kubelet.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <iostream>
#include <sstream>
#include <thread>

#include "base/file.h"
#include "base/json.h"
#include "base/testing/real_loop.h"
#include "sim/kubelet/control.h"
#include "sim/kubelet/testing/fake_plugin.h"

namespace tranche::cli::sim {
namespace {

using ::testing::HasSubstr;

// A kubelet and a plugin on a loop in another thread; the commands are typed in this one.
class SimKubeletTest : public ::testing::Test {
 protected:
  void SetUp() override {
    control_ = tranche::sim::ControlServer::Start(*loop_, socket_).value();
    kubelet_ =
        tranche::sim::Kubelet::Start(
            *loop_,
            {.plugin_directory = folder_ / "plugins",
             .state_directory = folder_ / "state",
             .pod_resources_socket = "",
             .on_event = [this](const tranche::sim::Event& event) { control_->OnEvent(event); }})
            .value();
    control_->SetKubelet(*kubelet_);
    plugin_ = std::make_unique<tranche::sim::testing::FakePlugin>(*loop_, folder_ / "plugins",
                                                                  "gpu.sock");
    plugin_->Serve(tranche::sim::testing::Devices(2));
    plugin_->Register();
    thread_ = std::thread([this] { loop_->Run(); });
  }
  void TearDown() override {
    loop_->Post([this] { loop_->Stop(); });
    thread_.join();
  }

  int Type(const std::string& line) {
    CLI::App app;
    int exit_code = -1;
    AddSimKubeletCommands(app, exit_code);
    std::ostringstream out;
    std::streambuf* before = std::cout.rdbuf(out.rdbuf());
    try {
      app.parse(line);
    } catch (const CLI::Error& error) {
      exit_code = 100 + error.get_exit_code();
    }
    std::cout.rdbuf(before);
    output_ = out.str();
    return exit_code;
  }

  base::testing::TempDir folder_;
  std::string socket_ = folder_ / "control.sock";
  base::testing::RealLoop loop_;
  std::unique_ptr<tranche::sim::ControlServer> control_;
  std::unique_ptr<tranche::sim::Kubelet> kubelet_;
  std::unique_ptr<tranche::sim::testing::FakePlugin> plugin_;
  std::thread thread_;
  std::string output_;
};

TEST_F(SimKubeletTest, TypedCommandsDriveTheKubelet) {
  ::setenv("TRANCHE_SIM_KUBELET_CONTROL", socket_.c_str(), 1);
  EXPECT_EQ(Type("wait nvidia.com/gpu=2 --timeout 20"), 0);
  EXPECT_EQ(Type("node-status"), 0);
  EXPECT_THAT(output_, HasSubstr("nvidia.com/gpu  2         2            0"));
  EXPECT_EQ(Type("pod run one --request nvidia.com/gpu=1 --env A=b"), 0);
  EXPECT_THAT(output_, HasSubstr("Running"));
  EXPECT_EQ(Type("pod run two --request nvidia.com/gpu=1 -- sh -c 'exit 0'"), 0);
  EXPECT_EQ(Type("pod run three --request nvidia.com/gpu=2"), 3);
  EXPECT_THAT(output_, HasSubstr("1 Insufficient nvidia.com/gpu"));
  EXPECT_EQ(Type("pod run four --bound --request nvidia.com/gpu=3"), 1);
  EXPECT_THAT(output_, HasSubstr("requested number of devices unavailable"));
  EXPECT_EQ(Type("pod show one -o json"), 0);
  const auto pod = base::Json::Parse(output_);
  ASSERT_TRUE(pod.ok());
  EXPECT_EQ(pod->Find("ids")->as_array().size(), 1U);
  EXPECT_EQ(pod->Find("given")->Find("env")->Find("NVIDIA_VISIBLE_DEVICES")->as_string(),
            pod->Find("ids")->as_array().at(0).as_string());
  EXPECT_EQ(Type("pod restart-container one"), 0);
  EXPECT_EQ(Type("kubelet-restart"), 0);
  EXPECT_EQ(Type("wait nvidia.com/gpu=2 --timeout 0.01"), 3) << "the plugin has not come back";
  EXPECT_EQ(Type("pod list -o json"), 0);
  EXPECT_EQ(base::Json::Parse(output_)->as_array().size(), 4U);
  EXPECT_EQ(Type("pod delete one"), 0);
  EXPECT_EQ(Type("pod delete one"), 1);
  EXPECT_EQ(Type("pod run bad --request nvidia.com/gpu"), 1);
  ::unsetenv("TRANCHE_SIM_KUBELET_CONTROL");
}

TEST_F(SimKubeletTest, SaysWhereThereIsNobody) {
  EXPECT_EQ(Type("node-status --control " + (folder_ / "nobody.sock")), 2);
  EXPECT_EQ(Type("node-status -o yaml"), 100 + 105);
}

TEST_F(SimKubeletTest, DoesNotTakeAKubeletsPlaceUnasked) {
  const base::Status refused = ServeSimKubelet({.directory = folder_ / "plugins",
                                                .state = folder_ / "other-state",
                                                .pod_resources = "",
                                                .control = folder_ / "other.sock"});
  EXPECT_EQ(refused.code(), base::Code::kFailedPrecondition);
  EXPECT_THAT(refused.message(), HasSubstr("--force"));
}

}  // namespace
}  // namespace tranche::cli::sim
