// What the kubelet and the sharing config say of shares, and what bounds the answers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/testing/heap.h"
#include "node/testing/node_case.h"

namespace tranche::node {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::Not;
using NodeTest = testing::NodeTest;

TEST_F(NodeTest, SharesAreToldByGpu) {
  Run([&](Node& node) {
    for (int i = 0; i < 3; ++i) Second({});
    const std::string gpu = R"({gpu="GPU-0",index="0"})";
    EXPECT_EQ(Value(node.MetricsText(), "tranche_gpu_replicas_advertised" + gpu), 4);
    EXPECT_EQ(Value(node.MetricsText(), "tranche_gpu_replicas_held" + gpu), 1);
    EXPECT_EQ(Value(node.MetricsText(), "tranche_gpu_replicas_free" + gpu), 3);
    EXPECT_EQ(Value(node.MetricsText(), "tranche_gpu_healthy" + gpu), 1);
    EXPECT_THAT(node.StatusJson().Dump(),
                HasSubstr(R"("resource":"nvidia.com/gpu","replicas":{"advertised":4,"held":1,)"
                          R"("free":3})"));
    EXPECT_THAT(node.MetricsText(), Not(HasSubstr("limit_bytes"))) << "no config is read";
    offers_.reset();
    loop_.AdvanceBy(KubeletWatch::kAsk);
    for (int i = 0; i < 3; ++i) Second({});
    EXPECT_THAT(node.MetricsText(), Not(HasSubstr("replicas_advertised"))) << "it does not tell";
    EXPECT_EQ(Value(node.MetricsText(), "tranche_gpu_replicas_held" + gpu), 1);
  });
}

TEST_F(NodeTest, TheLimitOfTheConfigIsToldAndWhatGoesOverItCounted) {
  const std::string file = root_ / "config.yaml";
  const auto write = [&](const std::string& limit) {
    EXPECT_TRUE(
        base::WriteFileAtomic(
            file, "version: v1\ntranche:\n  memory:\n    reserve: 0\n    limit: " + limit + "\n")
            .ok());
    node_->OnSignal(SIGHUP);
    for (int i = 0; i < 3; ++i) Second({});
  };
  options_.config.files.config_file = file;
  Run([&](Node& node) {
    node_ = &node;
    for (int i = 0; i < 3; ++i) Second({});
    EXPECT_THAT(node.State().degraded, ::testing::Contains(HasSubstr("config: "))) << "no file yet";
    EXPECT_EQ(Value(node.MetricsText(), R"(tranche_node_degraded_reasons{part="config"})"), 1);
    EXPECT_EQ(Value(node.MetricsText(), "tranche_node_config_usable"), 0);
    EXPECT_EQ(Value(node.MetricsText(), "tranche_node_config_rejected_total"), 1);
    write("10%");
    std::string text = node.MetricsText();
    EXPECT_EQ(Value(text, "tranche_node_config_usable"), 1);
    EXPECT_EQ(Value(text, R"(tranche_node_degraded_reasons{part="config"})"), 0);
    EXPECT_EQ(Value(text, Series("memory_limit_bytes")), 10U << 20U);
    EXPECT_EQ(Value(text, Series("memory_would_refuse_total")), 0);
    EXPECT_NEAR(Value(text, R"(tranche_gpu_memory_oversubscription_ratio{gpu="GPU-0",index="0"})"),
                0.1, 1e-9);
    write("3Mi");
    text = node.MetricsText();
    EXPECT_EQ(Value(text, Series("memory_limit_bytes")), 3U << 20U);
    EXPECT_EQ(Value(text, Series("memory_would_refuse_total")), 1);
    EXPECT_EQ(Value(text, "tranche_node_config_applied_total"), 2);
    EXPECT_THAT(node.StatusJson().Dump(),
                HasSubstr(R"("memoryLimitBytes":3145728,"wouldRefuse":1)"));
    write("[]");
    text = node.MetricsText();
    EXPECT_EQ(Value(text, "tranche_node_config_rejected_total"), 2);
    EXPECT_EQ(Value(text, Series("memory_limit_bytes")), 3U << 20U) << "the last one stays";
    EXPECT_THAT(node.State().degraded, ::testing::Contains(HasSubstr("config: ")));
  });
}

TEST_F(NodeTest, AMigDeviceHasMemoryByPodAndNoTimeAndWhy) {
  gpu::Inventory cut = gpu::testing::Gpus(1);
  gpu::testing::Cut(cut, 0, {"3g.40gb", "3g.40gb"});
  driver_->SetInventory(cut);
  driver_->AnswerUsage([](const gpu::UsageQuery& query) {
    gpu::DeviceUsage usage{.uuid = query.uuid};
    usage.processes = {{{.pid = 7, .memory_bytes = 5, .gpu_instance = 1}}};
    usage.mig = {{"MIG-0-0", gpu::MemoryUse{.total = 40, .used = 9}}, {"MIG-0-1", std::nullopt}};
    usage.unread = {{"nvmlDeviceGetProcessUtilization", base::Code::kUnimplemented, ""}};
    return usage;
  });
  held_ = std::vector<kubelet::Holding>{
      {"team", "running", "main", "nvidia.com/mig-3g.40gb", {"MIG-0-0"}}};
  Run([&](Node& node) {
    for (int i = 0; i < 5; ++i) Second({});
    const std::string text = node.MetricsText();
    const std::string pod =
        R"({gpu="MIG-0-0",index="0:0",namespace="team",pod="running",container="main"})";
    EXPECT_EQ(Value(text, "tranche_pod_gpu_memory_used_bytes" + pod), 5);
    EXPECT_EQ(Value(text, "tranche_pod_gpu_granted" + pod), 1);
    EXPECT_EQ(Value(text, R"(tranche_gpu_unmeasured{gpu="MIG-0-0",index="0:0",reason="mig"})"), 1);
    for (const char* absent :
         {"pod_gpu_seconds_total{", "pod_gpu_busy_percent{", "pod_gpu_energy_joules_total{",
          "pod_gpu_last_active_timestamp_seconds{", "gpu_busy_seconds_total{"}) {
      EXPECT_THAT(text, Not(HasSubstr(std::string("\ntranche_") + absent)));
    }
  });
}

TEST_F(NodeTest, ThousandsOfPodsMakeABoundedNumberOfSeries) {
  constexpr int kPods = 5000;
  std::vector<kubelet::Holding> many;
  const std::string hostile(4000, '"');
  for (int i = 0; i < kPods; ++i) {
    many.push_back({"ns\n" + std::to_string(i),
                    std::to_string(i) + hostile,
                    "c\\\x01",
                    "nvidia.com/gpu",
                    {"GPU-0::" + std::to_string(i)}});
  }
  held_ = many;
  Run([&](Node& node) {
    for (int i = 0; i < 5; ++i) Second({{7, 40}});
    const std::string text = node.MetricsText();
    std::map<std::string, std::size_t> series;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = text.find('\n', at);
      const std::string line = text.substr(at, end - at);
      EXPECT_LT(line.size(), 2048U);
      if (!line.starts_with('#')) ++series[line.substr(0, line.find_first_of("{ "))];
      at = end + 1;
    }
    EXPECT_EQ(series.at("tranche_pod_gpu_granted"), sight::kMaxPods);
    for (const auto& [name, count] : series) EXPECT_LE(count, sight::kMaxPods + 1) << name;
    EXPECT_GT(Value(text, R"(tranche_gpu_pods_left_out_total{gpu="GPU-0",index="0"})"), 0);
    EXPECT_LT(node.StatusJson().Dump().size(), 16U << 20U);
  });
}

TEST_F(NodeTest, TenThousandScrapesTakeNoMoreThanAHundred) {
  Run([&](Node& node) {
    for (int i = 0; i < 20; ++i) Second({{7, 40}});
    const auto scrape = [&](int times) {
      const base::testing::HeapWatch watch;
      for (int i = 0; i < times; ++i) {
        EXPECT_FALSE(node.MetricsText().empty());
        EXPECT_FALSE(node.StatusJson().is_null());
      }
      return watch.Most();
    };
    const std::size_t few = scrape(100);
    EXPECT_GT(few, 0U);
    EXPECT_LT(scrape(10'000), few + 1024) << "nothing of a scrape is kept";
  });
}

}  // namespace
}  // namespace tranche::node
