// The whole program in virtual time: driver, API server, kubelet and /proc are stand-ins.
#include "node/node.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "apiserver/testing/fake_api.h"
#include "base/disk/testing/fake_worker.h"
#include "base/file.h"
#include "base/testing/fake_loop.h"
#include "base/testing/temp_dir.h"
#include "gpu/testing/inline_driver_thread.h"
#include "gpu/testing/inventories.h"
#include "node/identity/testing/fake_proc.h"
#include "node/sight/testing/sampled_gpu.h"

namespace tranche::node {
namespace {

using namespace std::chrono_literals;
using gpu::testing::FakeDriver;
using identity::testing::FakeProc;
using identity::testing::GroupText;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::uint64_t kStart = 1'700'000'000'000'000;
// A static pod's group has the hash of its manifest for a name: the API server of tests gives each
// object a UID of its own making.
const std::string kUid = "8d3c1e0f5a6b79c2d4e1f0a9b8c7d6e5";
const std::string kId(64, 'a');

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
    options_.new_lister = [this](base::EventLoop& loop) -> HoldingsLister {
      return [this, &loop](const std::string& /*socket*/, const auto& done) {
        loop.Post([this, done] { done(held_); });
      };
    };
    proc_->Put(7, GroupText(kUid, kId));
    proc_->Put(9, identity::testing::kHostGroup);
  }
  static void PutPod(apiserver::testing::FakeApi& api, const std::string& name) {
    api.Put(
        "/api/v1/namespaces/team/pods/" + name,
        base::Json::Parse(
            R"({"metadata": {"annotations": {"kubernetes.io/config.hash": ")" + kUid +
            R"(", "kubernetes.io/config.mirror": "m"}}, "spec": {"nodeName": "n"}, "status": {"containerStatuses": [
                              {"name": "main", "containerID": "containerd://)" +
            kId + R"("}]}})")
            .value());
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
    loop_.AdvanceBy(1s);
  }
  static double Value(const std::string& text, const std::string& series) {
    const auto at = text.find("\n" + series + " ");
    if (at == std::string::npos) {
      ADD_FAILURE() << series << " is not in\n" << text;
      return -1;
    }
    return std::stod(text.substr(at + series.size() + 2));
  }
  static std::string Series(const std::string& name, bool source = false) {
    return "tranche_pod_gpu_" + name +
           R"({gpu="GPU-0",index="0",namespace="team",pod="running",container="main")" +
           (source ? R"(,source="nvml"})" : "}");
  }

  base::testing::TempDir root_;
  base::testing::FakeLoop loop_;
  std::shared_ptr<FakeDriver> driver_;
  gpu::testing::InlineDriverThread* thread_ = nullptr;
  FakeProc* proc_ = nullptr;
  sight::testing::SampledGpu gpu_{kStart};
  base::Result<std::vector<kubelet::Holding>> held_ =
      std::vector<kubelet::Holding>{{"team", "running", "main", "nvidia.com/gpu", {"GPU-0::1"}}};
  NodeOptions options_;
};

TEST_F(NodeTest, APodsPartIsToldByItsNameAndTheRestBesideIt) {
  Run([&](Node& node) {
    for (int i = 0; i < 3; ++i) Second({});
    for (int i = 0; i < 20; ++i) Second({{7, 40}, {9, 10}});
    const std::string text = node.MetricsText();
    EXPECT_NEAR(Value(text, Series("seconds_total", true)), 8, 0.5);
    EXPECT_NEAR(Value(text, Series("busy_percent", true)), 40, 1);
    EXPECT_EQ(Value(text, Series("memory_used_bytes")), 4U << 20U);
    EXPECT_NEAR(Value(text, Series("memory_used_ratio")), 0.04, 1e-9);
    EXPECT_EQ(Value(text, Series("processes")), 1);
    EXPECT_EQ(Value(text, Series("granted")), 1);
    EXPECT_EQ(Value(text, Series("replicas")), 1);
    const std::string rest = R"({gpu="GPU-0",index="0",namespace="",pod="",container="")";
    EXPECT_EQ(Value(text, "tranche_pod_gpu_memory_used_bytes" + rest + "}"), 4U << 20U);
    EXPECT_NEAR(Value(text, "tranche_pod_gpu_seconds_total" + rest + R"(,source="nvml"})"), 2, 0.2);
    EXPECT_NEAR(Value(text, R"(tranche_gpu_busy_seconds_total{gpu="GPU-0",index="0"})"), 10, 0.6);
    EXPECT_TRUE(node.State().degraded.empty()) << node.State().degraded[0];
  });
}

TEST_F(NodeTest, TheNamesOfDcgmExporterAreTheDevices) {
  Run([&](Node& node) {
    for (int i = 0; i < 3; ++i) Second({{7, 40}});
    const std::string text = node.MetricsText();
    const std::string labels =
        R"({gpu="0",UUID="GPU-0",pci_bus_id="00000000:00:00.0",device="nvidia0",)"
        R"(modelName="NVIDIA A100-SXM4-80GB",GPU_I_PROFILE="",GPU_I_ID="",Hostname="gpu-node",)"
        R"(DCGM_FI_DRIVER_VERSION="570.172.08"})";
    EXPECT_EQ(Value(text, "DCGM_FI_DEV_GPU_UTIL" + labels), 44);
    EXPECT_EQ(Value(text, "DCGM_FI_DEV_POWER_USAGE" + labels), 123);
    EXPECT_EQ(Value(text, "DCGM_FI_DEV_FB_USED" + labels), 8);
    EXPECT_EQ(Value(text, "DCGM_FI_DEV_FB_FREE" + labels), 90);
    EXPECT_EQ(Value(text, "DCGM_FI_DEV_XID_ERRORS" + labels), 0);
    thread_->RaiseXid("GPU-0", 31);
    EXPECT_EQ(Value(node.MetricsText(), "DCGM_FI_DEV_XID_ERRORS" + labels), 31);
    EXPECT_THAT(text, Not(HasSubstr("DCGM_FI_DEV_GPU_TEMP"))) << "not told";
  });
}

TEST_F(NodeTest, WhereDcgmExporterRunsItsNamesAreLeftToIt) {
  Run([&](Node& node) {
    for (int i = 0; i < 3; ++i) Second({});
    EXPECT_THAT(node.MetricsText(), HasSubstr("DCGM_FI_DEV_FB_USED"));
    proc_->Put(99, identity::testing::kHostGroup);
    proc_->Name(99, "dcgm-exporter");
    loop_.AdvanceBy(60s);
    for (int i = 0; i < 3; ++i) Second({});
    EXPECT_THAT(node.MetricsText(), Not(HasSubstr("DCGM_FI_DEV_FB_USED")));
    proc_->End(99);
    loop_.AdvanceBy(60s);
    for (int i = 0; i < 3; ++i) Second({});
    EXPECT_THAT(node.MetricsText(), HasSubstr("DCGM_FI_DEV_FB_USED"));
  });
}

TEST_F(NodeTest, WithoutAnApiServerAndAKubeletUidsStandForNames) {
  options_.new_api = [](base::EventLoop& /*loop*/) -> base::Result<daemon::ApiConnection> {
    return base::Status(base::Code::kUnavailable, "no way to the API server");
  };
  held_ = base::Status(base::Code::kNotFound, "no such socket");
  Run([&](Node& node) {
    for (int i = 0; i < 5; ++i) Second({{7, 40}});
    const std::string text = node.MetricsText();
    EXPECT_EQ(Value(text, R"(tranche_pod_gpu_memory_used_bytes{gpu="GPU-0",index="0",namespace="",)"
                          R"(pod=")" +
                              kUid + R"(",container="aaaaaaaaaaaa"})"),
              4U << 20U);
    EXPECT_THAT(text, Not(HasSubstr("tranche_pod_gpu_granted")));
    EXPECT_THAT(node.State().degraded,
                ::testing::Contains(HasSubstr("UIDs stand for names: no way to the API server")));
    EXPECT_THAT(node.State().degraded, ::testing::Contains(HasSubstr("no such socket")));
    EXPECT_TRUE(node.State().ready) << "degraded is not unready";
  });
}

TEST_F(NodeTest, APodOnAGpuThatItWasNotGivenIsSaidOnce) {
  held_ = std::vector<kubelet::Holding>{};
  Run([&](Node& node) {
    for (int i = 0; i < 10; ++i) Second({});
    EXPECT_THAT(node.StatusJson().Dump(), Not(HasSubstr("GpuNotGiven")));
    for (int i = 0; i < 20; ++i) Second({});
    EXPECT_EQ(Value(node.MetricsText(), Series("granted")), 0);
    const std::string status = node.StatusJson().Dump();
    EXPECT_THAT(status, HasSubstr("pod team/running uses GPU-0"));
    EXPECT_THAT(status, HasSubstr(R"("count":1)"));
  });
}

TEST_F(NodeTest, ALostGpuIsSaidForAsLongAsItIs) {
  Run([&](Node& node) {
    const std::string lost = R"(tranche_gpu_lost{gpu="GPU-0",index="0"})";
    for (int i = 0; i < 3; ++i) Second({});
    EXPECT_EQ(Value(node.MetricsText(), lost), 0);
    driver_->SetInventory(gpu::testing::Gpus(0));
    for (int i = 0; i < 20; ++i) Second({});
    EXPECT_EQ(Value(node.MetricsText(), lost), 1);
    driver_->SetInventory(gpu::testing::Gpus(1));
    for (int i = 0; i < 20; ++i) Second({});
    EXPECT_EQ(Value(node.MetricsText(), lost), 0);
  });
}

TEST_F(NodeTest, ADriverThatHangsIsReportedAndWhatItSaidGrowsOld) {
  Run([&](Node& node) {
    for (int i = 0; i < 5; ++i) Second({{7, 40}});
    EXPECT_THAT(node.MetricsText(), HasSubstr("tranche_pod_gpu_memory_used_bytes"));
    thread_->Hang("ReadUsage");
    for (int i = 0; i < 20; ++i) Second({});
    const std::string text = node.MetricsText();
    EXPECT_THAT(text, Not(HasSubstr("tranche_pod_gpu_memory_used_bytes")));
    EXPECT_THAT(text, Not(HasSubstr("DCGM_FI_DEV_FB_USED")));
    EXPECT_THAT(text, HasSubstr("tranche_pod_gpu_seconds_total")) << "what was counted stays";
    EXPECT_NEAR(Value(text, "tranche_node_driver_call_stuck_seconds"), 20, 1);
    EXPECT_THAT(node.State().degraded, ::testing::Contains(HasSubstr("ReadUsage")));
    thread_->Hang("");
    for (int i = 0; i < 5; ++i) Second({});
    EXPECT_THAT(node.MetricsText(), HasSubstr("tranche_pod_gpu_memory_used_bytes"));
  });
}

TEST_F(NodeTest, EveryMetricIsInOneOfTheTablesAndHasItsHelp) {
  for (const auto* table : {&NodeMetricTexts(), &DcgmMetricTexts()}) {
    for (const daemon::MetricText& text : *table) {
      EXPECT_NE(text.help, "") << text.name;
      const bool counter = text.kind == daemon::MetricKind::kCounter;
      if (!text.name.starts_with("tranche_")) continue;
      EXPECT_EQ(text.name.ends_with("_total"), counter) << text.name;
    }
  }
}

}  // namespace
}  // namespace tranche::node
