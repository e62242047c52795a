#include "cli/node/cleanup.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "agent/serve/endpoint_names.h"
#include "base/file.h"
#include "base/testing/fake_loop.h"
#include "base/testing/real_loop.h"
#include "daemon/handover/handover.h"
#include "daemon/status_file.h"
#include "profile/last_good.h"
#include "rpc/unix_socket.h"

namespace tranche::cli::node {
namespace {

namespace fs = std::filesystem;
using base::Code;
using base::Status;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kState[] = "/var/lib/kubelet/device-plugins/tranche";
constexpr char kPlugins[] = "/var/lib/kubelet/device-plugins";
constexpr char kCdiFile[] = "/var/run/cdi/k8s.device-plugin.nvidia.com-gpu.json";
constexpr char kFeatures[] = "/etc/kubernetes/node-feature-discovery/features.d";

class CleanupTest : public ::testing::Test {
 protected:
  CleanupTest() {
    options_.root = root_.path();
    Write(std::string(kPlugins) + "/kubelet.sock.txt");  // somebody else's
    Write(kCdiFile);
    Write("/run/tranche/status.json");
    Write(std::string(kFeatures) + "/gfd");
    MakeState();
  }
  void Write(const std::string& path) {
    fs::create_directories(fs::path(root_.path() + path).parent_path());
    std::ofstream(root_.path() + path) << "x";
  }
  [[nodiscard]] bool There(const std::string& path) const {
    return fs::symlink_status(root_.path() + path).type() != fs::file_type::not_found;
  }
  // By the agent's own parts, so that a file that they come to write is missed here.
  void MakeState() {
    const std::string state = root_.path() + kState;
    ASSERT_TRUE(base::MakeDirectories(state).ok());
    ASSERT_TRUE(profile::SaveLastGood(state, {.profile = "p", .source = "s", .text = "t"}).ok());
    agent::serve::EndpointNames(state, root_ / "kubelet.sock").Next("nvidia.com/gpu");
    base::testing::FakeLoop loop;
    const auto handover = daemon::handover::Handover::New(loop, state, {.host = "pod-x"}, {});
    handover->Announce();
  }
  std::unique_ptr<daemon::handover::Handover> Agent() {
    return daemon::handover::Handover::New(loop_, root_.path() + kState, {.host = "pod-x"}, {});
  }
  base::UniqueFd Socket(const std::string& name) {
    auto fd = rpc::ListenOnUnixSocket(root_.path() + kPlugins + "/" + name, 0600, 1);
    EXPECT_TRUE(fd.ok()) << fd.status().message();
    return fd.ok() ? *std::move(fd) : base::UniqueFd();
  }
  int Run() {
    out_.str("");
    errors_.str("");
    return RunCleanup(
        options_, [this](const std::string& socket) { return Holdings(socket); }, out_, errors_);
  }
  base::Result<std::vector<kubelet::Holding>> Holdings(const std::string& socket) {
    EXPECT_EQ(socket, root_.path() + "/var/lib/kubelet/pod-resources/kubelet.sock");
    if (!holdings_status_.ok()) return holdings_status_;
    return holdings_;
  }

  base::testing::TempDir root_;
  base::testing::FakeLoop loop_;
  CleanupOptions options_;
  std::vector<kubelet::Holding> holdings_;
  Status holdings_status_;
  std::ostringstream out_;
  std::ostringstream errors_;
};

TEST_F(CleanupTest, LeavesNothingOfOursAndEverythingOfOthers) {
  Write("/var/run/cdi/nvidia.yaml");
  Write(std::string(kCdiFile) + ".tmp.1234567890");
  Write("/run/tranche/status.json.tmp.99");
  Write(std::string(kState) + "/last-good.json.tmp.7");
  Write(std::string(kFeatures) + "/.gfd.new.tmp.8");
  Write(std::string(kFeatures) + "/mine");
  EXPECT_EQ(Run(), 0) << errors_.str();
  EXPECT_FALSE(There(kState)) << out_.str();
  EXPECT_FALSE(There("/run/tranche"));
  EXPECT_FALSE(There(kCdiFile));
  EXPECT_EQ(base::testing::CountEntries(root_.path() + "/var/run/cdi"), 1);
  EXPECT_EQ(base::testing::CountEntries(root_.path() + kFeatures), 1);
  EXPECT_TRUE(There(std::string(kPlugins) + "/kubelet.sock.txt"));
  EXPECT_EQ(Run(), 0);
  EXPECT_THAT(out_.str(), HasSubstr("nothing to remove"));
}

TEST_F(CleanupTest, DryIsDry) {
  options_.dry_run = true;
  EXPECT_EQ(Run(), 0);
  EXPECT_THAT(out_.str(), HasSubstr("would remove " + root_.path() + kCdiFile));
  EXPECT_TRUE(There(std::string(kState) + "/last-good.json"));
  EXPECT_TRUE(There(kCdiFile));
}

TEST_F(CleanupTest, ARunningAgentIsLeftInPeace) {
  const auto agent = Agent();
  ASSERT_TRUE(agent->incumbent());
  EXPECT_EQ(Run(), 1);
  EXPECT_THAT(errors_.str(), HasSubstr("the agent pod-x runs on this node"));
  EXPECT_TRUE(There(kCdiFile));
  EXPECT_TRUE(There(std::string(kState) + "/agent.lock"));
  options_.force = true;
  EXPECT_EQ(Run(), 0);
  EXPECT_FALSE(There(kCdiFile));
}

TEST_F(CleanupTest, AnAgentThatHasOnlyAnnouncedItselfIsOneThatRuns) {
  auto older = daemon::handover::Handover::New(loop_, root_.path() + kState, {.host = "older"}, {});
  const auto newer = Agent();
  newer->Announce();
  older.reset();
  EXPECT_EQ(Run(), 1);
  EXPECT_THAT(errors_.str(), HasSubstr("the agent pod-x runs on this node"));
}

TEST_F(CleanupTest, AnAgentThatIsLeavingIsNone) {
  const auto agent = Agent();
  agent->Leave();
  EXPECT_EQ(Run(), 0) << errors_.str();
}

TEST_F(CleanupTest, CdiSpecsStayWhilePodsHoldGpus) {
  holdings_ = {{.pod_namespace = "default", .pod = "train", .resource = "nvidia.com/gpu"}};
  EXPECT_EQ(Run(), 0);
  EXPECT_TRUE(There(kCdiFile));
  EXPECT_FALSE(There(kState));
  EXPECT_THAT(out_.str(), HasSubstr("running pods hold GPUs (default/train)"));
  options_.all = true;
  EXPECT_EQ(Run(), 0);
  EXPECT_FALSE(There(kCdiFile));
}

TEST_F(CleanupTest, PodsOfOtherDevicesAreNoReason) {
  holdings_ = {{.pod_namespace = "default", .pod = "fpga", .resource = "xilinx.com/fpga"}};
  EXPECT_EQ(Run(), 0);
  EXPECT_FALSE(There(kCdiFile));
}

TEST_F(CleanupTest, AKubeletThatDoesNotAnswerIsAReasonToKeepAndNoneIsNot) {
  holdings_status_ = {Code::kUnavailable, "connection refused"};
  EXPECT_EQ(Run(), 0);
  EXPECT_TRUE(There(kCdiFile));
  holdings_status_ = {Code::kNotFound, "no such file"};
  EXPECT_EQ(Run(), 0);
  EXPECT_FALSE(There(kCdiFile));
}

TEST_F(CleanupTest, OnlyDeadSocketsGoAndAnotherPluginsFilesStay) {
  { const base::UniqueFd dead = Socket("nvidia-gpu.1.sock"); }
  EXPECT_TRUE(There(std::string(kPlugins) + "/nvidia-gpu.1.sock"));
  const base::UniqueFd served = Socket("nvidia-gpu.sock");
  { const base::UniqueFd others = Socket("other.sock"); }
  EXPECT_EQ(Run(), 0);
  EXPECT_FALSE(There(std::string(kPlugins) + "/nvidia-gpu.1.sock"));
  EXPECT_TRUE(There(std::string(kPlugins) + "/nvidia-gpu.sock"));
  EXPECT_TRUE(There(std::string(kPlugins) + "/other.sock"));
  EXPECT_TRUE(There(kCdiFile));
  EXPECT_TRUE(There(std::string(kFeatures) + "/gfd"));
  EXPECT_THAT(out_.str(), HasSubstr("another plugin serves this node"));
}

// ---- what tranche node leaves ----

constexpr const char* kOfNode[] = {"/var/lib/tranche/shim/tranche-hook",
                                   "/var/lib/tranche/shim/libcuda.tranche-12000.so.1",
                                   "/var/lib/tranche/shim/libcuda.tranche-12000.so.1.tmp.77",
                                   "/var/lib/tranche/walls/arbiter.sock",
                                   "/var/lib/tranche/walls/arbiter-away",
                                   "/run/tranche/walls/arbiter-away",
                                   "/etc/cdi/tranche.dev-shim.json",
                                   "/var/run/cdi/tranche.dev-shim.json"};

TEST_F(CleanupTest, WhatTheNodeProgramLeavesGoesToo) {
  for (const char* path : kOfNode) Write(path);
  Write("/run/tranche/node/walls.json");
  Write("/etc/cdi/mine.json");
  EXPECT_EQ(Run(), 0) << errors_.str();
  for (const char* path : kOfNode) EXPECT_FALSE(There(path)) << path;
  EXPECT_FALSE(There("/var/lib/tranche")) << out_.str();
  EXPECT_FALSE(There("/run/tranche")) << out_.str();
  EXPECT_TRUE(There("/etc/cdi/mine.json"));
}

TEST_F(CleanupTest, WhatARunningPodRefersToStays) {
  for (const char* path : kOfNode) Write(path);
  Write("/run/tranche/node/walls.json");
  holdings_ = {{.pod_namespace = "default", .pod = "train", .resource = "nvidia.com/gpu"}};
  EXPECT_EQ(Run(), 0);
  for (const char* path : kOfNode) EXPECT_TRUE(There(path)) << path;
  EXPECT_FALSE(There("/run/tranche/node"));
  EXPECT_THAT(out_.str(), HasSubstr("kept " + root_.path() +
                                    "/var/lib/tranche/shim/tranche-hook: running pods hold GPUs"));
  holdings_status_ = {Code::kUnavailable, "connection refused"};
  EXPECT_EQ(Run(), 0);
  EXPECT_TRUE(There(kOfNode[0])) << "nobody knows what pods hold";
  options_.all = true;
  EXPECT_EQ(Run(), 0);
  for (const char* path : kOfNode) EXPECT_FALSE(There(path)) << path;
}

TEST_F(CleanupTest, ANodeProgramThatRunsKeepsItsOwn) {
  for (const char* path : kOfNode) Write(path);
  base::testing::FakeLoop loop;
  auto status = std::make_unique<daemon::StatusFile>(loop, root_.path() + "/run/tranche/node",
                                                     [] { return base::Json(); });
  status->Changed();
  loop.AdvanceBy(std::chrono::seconds(1));
  options_.all = true;
  EXPECT_EQ(Run(), 0);
  for (const char* path : kOfNode) EXPECT_TRUE(There(path)) << path;
  EXPECT_TRUE(There("/run/tranche/node/status.json"));
  EXPECT_THAT(out_.str(), HasSubstr("tranche node runs"));
  EXPECT_FALSE(There(kCdiFile)) << "what is the agent's goes";
  status.reset();
  EXPECT_EQ(Run(), 0);
  for (const char* path : kOfNode) EXPECT_FALSE(There(path)) << path;
}

TEST_F(CleanupTest, AFolderThatHoldsMoreStays) {
  Write(std::string(kState) + "/notes.txt");
  EXPECT_EQ(Run(), 0);
  EXPECT_TRUE(There(std::string(kState) + "/notes.txt"));
  EXPECT_FALSE(There(std::string(kState) + "/last-good.json"));
  EXPECT_THAT(out_.str(), HasSubstr("it holds other files"));
}

TEST_F(CleanupTest, ALinkInTheRootLeadsNowhereElse) {
  const base::testing::TempDir elsewhere;
  fs::remove_all(root_ / "var/run");
  fs::create_directories(elsewhere / "cdi");
  const std::string outside = elsewhere / "cdi/k8s.device-plugin.nvidia.com-gpu.json";
  std::ofstream(outside) << "x";
  fs::create_symlink(elsewhere.path(), root_ / "var/run");  // absolute, as /run is on a host
  Write("/run/cdi/k8s.device-plugin.nvidia.com-gpu.json");
  EXPECT_EQ(Run(), 0);
  EXPECT_TRUE(fs::exists(outside));
  EXPECT_FALSE(There("/run/cdi/k8s.device-plugin.nvidia.com-gpu.json"));
}

TEST_F(CleanupTest, WhatCannotBeRemovedIsAFailure) {
  fs::remove(root_.path() + kCdiFile);
  fs::create_directories(root_.path() + kCdiFile);
  EXPECT_EQ(Run(), 1);
  EXPECT_THAT(errors_.str(), HasSubstr("remove " + root_.path() + kCdiFile));
}

}  // namespace
}  // namespace tranche::cli::node
