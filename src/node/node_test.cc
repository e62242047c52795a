// The whole program in virtual time.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "http/testing/client.h"
#include "node/testing/node_case.h"

namespace tranche::node {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using testing::kId;
using testing::kUid;
using ::testing::Not;
using NodeTest = testing::NodeTest;

TEST_F(NodeTest, APodsPartIsToldByItsNameAndTheRestBesideIt) {
  Run([&](Node& node) {
    for (int i = 0; i < 3; ++i) Second({});
    for (int i = 0; i < 20; ++i) Second({{7, 40}, {9, 10}});
    const std::string text = node.MetricsText();
    EXPECT_NEAR(Value(text, TimedSeries("seconds_total")), 8, 0.5);
    EXPECT_NEAR(Value(text, TimedSeries("busy_percent")), 40, 1);
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

TEST_F(NodeTest, ThePageHasWhatStatusSaysAndTheLastMinutes) {
  options_.page_listen = "127.0.0.1:0";
  Run([&](Node& node) {
    for (int i = 0; i < 20; ++i) Second({{7, 40}, {9, 10}});
    const auto ask = [&](const std::string& path) {
      return http::testing::Exchange(node.page_port(), http::testing::Request("GET", path),
                                     [this] { loop_.RunPosted(); });
    };
    EXPECT_THAT(ask("/"), HasSubstr("<title>Tranche</title>"));
    EXPECT_THAT(ask("/api/v1/node"), ::testing::EndsWith(node.StatusJson().Dump() + "\n"));
    const std::string history = ask("/api/v1/history");
    EXPECT_THAT(history, HasSubstr("40.0,40.0,40.0"));
    EXPECT_THAT(history, HasSubstr("50.0,50.0,50.0")) << "the GPU's own";
    EXPECT_THAT(history, HasSubstr(R"("pod":"running","container":"main")"));
  });
}

TEST_F(NodeTest, WithoutAPageNoHistoryIsKept) {
  Run([&](Node& node) {
    for (int i = 0; i < 5; ++i) Second({{7, 40}});
    EXPECT_EQ(node.page_port(), 0);
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

TEST_F(NodeTest, WhatAContainerDidBeforeItsIdWasToldIsItsOwn) {
  apiserver::testing::FakeApi* api = nullptr;
  const auto pod = [](const std::string& status) {
    return base::Json::Parse(
               R"({"metadata": {"annotations": {"kubernetes.io/config.hash": ")" + kUid +
               R"(", "kubernetes.io/config.mirror": "m"}}, "spec": {)" +
               R"("nodeName": "n", "containers": [{"name": "main"}, {"name": "b"}]},)" +
               R"("status": )" + status + "}")
        .value();
  };
  const std::string path = "/api/v1/namespaces/team/pods/running";
  options_.new_api = [&](base::EventLoop& loop) -> base::Result<daemon::ApiConnection> {
    auto fake = std::make_unique<apiserver::testing::FakeApi>(loop);
    api = fake.get();
    api->Put(path, pod("{}"));
    return daemon::ApiConnection{.client = std::move(fake), .default_namespace = ""};
  };
  Run([&](Node& node) {
    for (int i = 0; i < 3; ++i) Second({});
    for (int i = 0; i < 10; ++i) Second({{7, 40}});
    const std::string busy = R"(tranche_gpu_busy_seconds_total{gpu="GPU-0",index="0"})";
    const std::string nameless =
        R"({gpu="GPU-0",index="0",namespace="team",pod="running",container="")";
    std::string text = node.MetricsText();
    EXPECT_EQ(Value(text, "tranche_pod_gpu_memory_used_bytes" + nameless + "}"), 4U << 20U);
    EXPECT_EQ(Value(text, busy), 0) << "nobody's yet, and so not the device's";
    api->Put(path, pod(R"({"containerStatuses": [{"name": "main", "containerID": "containerd://)" +
                       kId + R"("}]})"));
    for (int i = 0; i < 3; ++i) Second({{7, 40}});
    text = node.MetricsText();
    EXPECT_NEAR(Value(text, TimedSeries("seconds_total")), 5.2, 0.5);
    EXPECT_NEAR(Value(text, busy), 5.2, 0.5);
    EXPECT_THAT(text, Not(HasSubstr(nameless)));
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
  for (const auto* table : {&status::NodeMetricTexts(), &status::DcgmMetricTexts()}) {
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
