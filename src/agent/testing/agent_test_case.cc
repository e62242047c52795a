#include "agent/testing/agent_test_case.h"

namespace tranche::agent::testing {

AgentTest::AgentTest() {
  EXPECT_TRUE(base::MakeDirectories(dir_ / "root/dev").ok());
  options_.overrides.command_line = {Flag("driver-root-ctr-path", dir_ / "root")};
  options_.config.config_file = dir_ / "config/config.yaml";
  options_.kubelet_socket = dir_ / "device-plugins/kubelet.sock";
  options_.run_directory = dir_ / "run";
  options_.cdi_directory = dir_ / "cdi";
  options_.rescan_interval = std::chrono::seconds(10);
  options_.version = "test";
  options_.node_name = "gpu-node";
  options_.sys_root = dir_ / "none";
  options_.gpus.start_driver = [this](base::EventLoop& loop, const std::string& root,
                                      gpu::DriverThread::Owner owner) {
    EXPECT_EQ(root, root_);
    auto thread =
        std::make_unique<gpu::testing::InlineDriverThread>(loop, driver_, std::move(owner));
    thread_ = thread.get();
    return thread;
  };
  options_.new_link = [this](base::EventLoop&) { return kubelet_.NewLink(); };
  options_.new_worker = [this](base::EventLoop&) {
    auto worker = std::make_unique<base::disk::testing::FakeWorker>(loop_);
    driver_root_ = std::exchange(disk_, worker.get());
    return worker;
  };
  options_.new_api = [this](base::EventLoop&) -> base::Result<daemon::ApiConnection> {
    if (!api_status_.ok()) return api_status_;
    auto api = std::make_unique<apiserver::testing::FakeApi>(loop_);
    api_ = api.get();
    api_->PutLabel(kNode, kLabel, label_);
    return daemon::ApiConnection{.client = std::move(api), .default_namespace = "default"};
  };
  Config(config::testing::Shared(4));
}

int AgentTest::Run(const std::function<void(Agent&)>& script) {
  auto agent = Agent::New(loop_, options_);
  EXPECT_TRUE(agent.ok()) << agent.status().message();
  if (!agent.ok()) return -1;
  loop_.SetScript([&] { script(**agent); });
  return (*agent)->Run();
}

std::vector<std::string> AgentTest::Reasons(const Agent& agent) {
  std::vector<std::string> reasons;
  for (const daemon::Event& event : agent.Snapshot().events) reasons.push_back(event.reason);
  return reasons;
}

}  // namespace tranche::agent::testing
