// The whole program in virtual time: driver, API server, kubelet and /proc are stand-ins. The
// fixture of the tests of Node.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "apiserver/testing/fake_api.h"
#include "base/disk/testing/fake_worker.h"
#include "base/file.h"
#include "base/testing/fake_loop.h"
#include "base/testing/temp_dir.h"
#include "gpu/testing/inline_driver_thread.h"
#include "gpu/testing/inventories.h"
#include "node/identity/testing/fake_proc.h"
#include "node/node.h"
#include "node/sight/testing/sampled_gpu.h"
#include "node/testing/pod_object.h"

namespace tranche::node::testing {

using gpu::testing::FakeDriver;
using identity::testing::FakeProc;
using identity::testing::GroupText;

inline constexpr std::uint64_t kStart = 1'700'000'000'000'000;
// Of a static pod (pod_object.h).
inline const std::string kUid = "8d3c1e0f5a6b79c2d4e1f0a9b8c7d6e5";
inline const std::string kId(64, 'a');

class NodeTest : public ::testing::Test {
 protected:
  NodeTest() {
    EXPECT_TRUE(base::MakeDirectories(root_ / "dev").ok());
    driver_ = std::make_shared<FakeDriver>(gpu::testing::Gpus(1));
    driver_->AnswerUsage([this](const gpu::UsageQuery& query) { return Answer(query); });
    auto proc = std::make_unique<FakeProc>();
    proc_ = proc.get();
    options_.driver_root = root_.path();
    options_.version = "1.2.3";
    options_.hostname = "gpu-node";
    options_.node_name = "n";
    options_.pod_resources_socket = "/kubelet.sock";
    options_.gpus.start_driver = [this](base::EventLoop& loop, const std::string& /*root*/,
                                        gpu::DriverThread::Owner owner) {
      auto thread =
          std::make_unique<gpu::testing::InlineDriverThread>(loop, driver_, std::move(owner));
      thread_ = thread.get();
      return thread;
    };
    options_.new_proc = [held = std::make_shared<std::unique_ptr<FakeProc>>(std::move(proc))] {
      return std::move(*held);
    };
    options_.new_worker = [](base::EventLoop& loop) {
      return std::make_unique<base::disk::testing::FakeWorker>(loop);
    };
    options_.new_api = [](base::EventLoop& loop) -> base::Result<daemon::ApiConnection> {
      auto api = std::make_unique<apiserver::testing::FakeApi>(loop);
      PutPod(*api, "running");
      return daemon::ApiConnection{.client = std::move(api), .default_namespace = ""};
    };
    options_.new_lister = [this](base::EventLoop& loop) -> KubeletLister {
      return [this, &loop](const std::string& /*socket*/, const auto& done) {
        loop.Post([this, done] {
          if (!held_.ok()) return done(held_.status());
          done(std::optional(KubeletAnswer{.holdings = *held_, .offers = offers_}));
        });
      };
    };
    proc_->Put(7, GroupText(kUid, kId));
    proc_->Put(9, identity::testing::kHostGroup);
  }
  static void PutPod(apiserver::testing::FakeApi& api, const std::string& name) {
    api.Put("/api/v1/namespaces/team/pods/" + name, PodObject({.hash = kUid, .ids = {kId}}));
  }
  // Runs the program through this script.
  void Run(const std::function<void(Node&)>& script) {
    Node node(loop_, options_);
    loop_.SetScript([&] {
      script(node);
      node.OnSignal(SIGTERM);
    });
    EXPECT_EQ(node.Run(), 0);
  }
  gpu::DeviceUsage Answer(const gpu::UsageQuery& query) {
    gpu::DeviceUsage usage{.uuid = query.uuid};
    usage.processes = {
        {{.pid = 7, .memory_bytes = 4U << 20U}, {.pid = 9, .memory_bytes = 1U << 20U}}};
    usage.process_samples = gpu_.ProcessSamples(query.process_samples_after_us);
    usage.busy_samples = gpu_.BusySamples(query.busy_samples_after_us);
    usage.memory = {
        .total = 100U << 20U, .used = 8U << 20U, .free = 90U << 20U, .reserved = 2U << 20U};
    usage.readings.gpu_percent = 44;
    usage.readings.power_milliwatts = 123000;
    return usage;
  }
  // A second in which these compute.
  void Second(const std::map<unsigned, double>& percents) {
    gpu_.Run(percents, 6);
    driver_->SetNowUs(gpu_.now_us());
    loop_.AdvanceBy(std::chrono::seconds(1));
  }
  static double Value(const std::string& text, const std::string& series) {
    const auto at = text.find("\n" + series + " ");
    if (at == std::string::npos) {
      ADD_FAILURE() << series << " is not in\n" << text;
      return -1;
    }
    return std::stod(text.substr(at + series.size() + 2));
  }
  static std::string Series(const std::string& name) { return SeriesWith(name, "}"); }
  // One that has the source of time.
  static std::string TimedSeries(const std::string& name) {
    return SeriesWith(name, R"(,source="nvml"})");
  }
  static std::string SeriesWith(const std::string& name, const std::string& end) {
    return "tranche_pod_gpu_" + name +
           R"({gpu="GPU-0",index="0",namespace="team",pod="running",container="main")" + end;
  }

  base::testing::TempDir root_;
  base::testing::FakeLoop loop_;
  std::shared_ptr<FakeDriver> driver_;
  gpu::testing::InlineDriverThread* thread_ = nullptr;
  FakeProc* proc_ = nullptr;
  Node* node_ = nullptr;  // the one that runs
  sight::testing::SampledGpu gpu_{kStart};
  base::Result<std::vector<kubelet::Holding>> held_ =
      std::vector<kubelet::Holding>{{"team", "running", "main", "nvidia.com/gpu", {"GPU-0::1"}}};
  std::optional<std::vector<kubelet::Offer>> offers_{
      {{"nvidia.com/gpu", {"GPU-0::0", "GPU-0::1", "GPU-0::2", "GPU-0::3"}}}};
  NodeOptions options_;
};

}  // namespace tranche::node::testing
