#include "node/status/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "base/json_read.h"
#include "daemon/testing/status_differences.h"
#include "gpu/testing/inventories.h"
#include "node/sight/testing/sampled_gpu.h"

namespace tranche::node::status {
namespace {

using base::Json;
using base::TextAt;
using base::ValueAt;
using ::testing::Contains;
using ::testing::IsEmpty;

constexpr std::uint64_t kStart = 1'700'000'000'000'000;
constexpr std::uint64_t kMi = 1U << 20U;

class ReportTest : public ::testing::Test {
 protected:
  ReportTest() {
    state_.fresh = true;
    for (const gpu::Gpu& gpu : inventory_.gpus) {
      state_.gpus.push_back({.uuid = gpu.uuid, .index = std::to_string(gpu.index)});
      for (const gpu::MigDevice& mig : gpu.mig_devices) {
        state_.gpus.push_back({.uuid = mig.uuid, .index = "1:" + std::to_string(mig.index)});
      }
    }
  }
  // GPU 0 is shared by a pod; GPU 1 is cut, and its one instance has a process of the host.
  static gpu::Inventory Node() {
    gpu::Inventory inventory = gpu::testing::Gpus(2);
    gpu::testing::Cut(inventory, 1, {"1g.10gb"});
    return inventory;
  }
  void Look() {
    gpu_.Run({{7, 50}}, 6);
    const std::vector<gpu::UsageQuery> queries = sight_.Queries(inventory_);
    gpu::DeviceUsage whole{.uuid = "GPU-0"};
    whole.memory = {.total = 100 * kMi, .used = 8 * kMi, .free = 92 * kMi, .reserved = 0};
    whole.readings.power_milliwatts = 123'500;
    whole.readings.power_limit_milliwatts = 400'000;
    whole.readings.celsius = 44;
    whole.readings.energy_millijoules = energy_ += 100'000;
    whole.processes = {{{.pid = 7, .memory_bytes = 6 * kMi}}};
    whole.process_samples = gpu_.ProcessSamples(queries[0].process_samples_after_us);
    whole.busy_samples = gpu_.BusySamples(queries[0].busy_samples_after_us);
    gpu::DeviceUsage cut{.uuid = "GPU-1"};
    cut.mig = {{.uuid = "MIG-1-0", .memory = gpu::MemoryUse{.total = 10, .used = 1, .free = 9}}};
    cut.processes = {{{.pid = 9, .memory_bytes = 1, .gpu_instance = 1}}};
    sight_.Add(inventory_, {.status = {}, .time_us = gpu_.now_us(), .devices = {whole, cut}});
  }
  [[nodiscard]] Json Status() const { return NodeStatusJson(state_, inventory_, sight_); }
  [[nodiscard]] Json Device(std::size_t number) const {
    return ValueAt(Status(), "devices").as_array().at(number);
  }

  gpu::Inventory inventory_ = Node();
  sight::testing::SampledGpu gpu_{kStart};
  std::uint64_t energy_ = 0;
  NodeState state_;
  sight::Sight sight_{{.whose =
                           [](unsigned pid) {
                             sight::Whose whose{.kind = sight::Whose::Kind::kHost, .holder = {}};
                             if (pid == 7) whose.kind = sight::Whose::Kind::kPod;
                             if (pid == 7) whose.holder = {"team", "a\x1b[31m", "main", "uid"};
                             return whose;
                           },
                       .alive = [](const sight::Holder&) { return true; }}};
};

TEST_F(ReportTest, TheTableHasEveryFieldAndNoOther) {
  const Json nothing = Status();
  EXPECT_THAT(daemon::testing::StatusDifferences(nothing, NodeStatusFields(), false), IsEmpty());
  for (int i = 0; i < 4; ++i) Look();
  state_.config = NodeConfig{.generation = 1, .profile = "p", .error = "", .warnings = {"w"}};
  state_.degraded = {"d"};
  state_.walls = {.asked_for = true, .walls = {walls::Wall{.refused_lately = true}}};
  state_.events.push_back({});
  state_.shares["GPU-0"] = {.resource = "nvidia.com/gpu", .advertised = 4, .held = 1, .free = 3};
  EXPECT_THAT(daemon::testing::StatusDifferences(Status(), NodeStatusFields(), true), IsEmpty());
  Json other = Status();
  other.Set("extra", 1);
  EXPECT_THAT(daemon::testing::StatusDifferences(other, NodeStatusFields(), true),
              Contains("not in the table: extra"));
}

TEST_F(ReportTest, WhatIsKnownIsANumberAndTheRestIsNull) {
  for (int i = 0; i < 20; ++i) Look();
  const Json gpu = Device(0);
  EXPECT_EQ(TextAt(gpu, "index"), "0");
  EXPECT_EQ(TextAt(gpu, "health"), "Healthy");
  EXPECT_EQ(TextAt(gpu, "model"), "NVIDIA A100-SXM4-80GB");
  EXPECT_NEAR(ValueAt(gpu, "busyPercent").as_double(), 50, 1);
  EXPECT_EQ(ValueAt(gpu, "contendedPercent").as_double(), 0);
  EXPECT_EQ(ValueAt(gpu, "powerWatts").as_double(), 123.5);
  EXPECT_EQ(ValueAt(gpu, "powerLimitWatts").as_double(), 400);
  EXPECT_EQ(ValueAt(gpu, "temperatureCelsius").as_int(), 44);
  EXPECT_GT(ValueAt(gpu, "energyJoules").as_double(), 1000);
  EXPECT_TRUE(ValueAt(gpu, "replicas").is_null());
  EXPECT_TRUE(ValueAt(gpu, "resource").is_null());
  const Json pod = ValueAt(gpu, "pods").as_array().at(0);
  EXPECT_EQ(ValueAt(pod, "memoryBytes").as_int(), 6 * kMi);
  EXPECT_TRUE(ValueAt(pod, "memoryLimitBytes").is_null());
  EXPECT_TRUE(ValueAt(pod, "wouldRefuse").is_null());
  EXPECT_GT(ValueAt(pod, "gpuSeconds").as_double(), 5);
  EXPECT_EQ(ValueAt(gpu, {"rest", "memoryBytes"}).as_int(), 2 * kMi);
}

TEST_F(ReportTest, AMigDeviceHasNeitherTimeNorSensors) {
  for (int i = 0; i < 4; ++i) Look();
  const Json mig = Device(2);
  EXPECT_EQ(TextAt(mig, "uuid"), "MIG-1-0");
  EXPECT_EQ(TextAt(mig, "index"), "1:0");
  EXPECT_EQ(TextAt(mig, "gpu"), "GPU-1");
  EXPECT_EQ(TextAt(mig, "migProfile"), "1g.10gb");
  EXPECT_EQ(TextAt(mig, "unmeasured"), "mig");
  EXPECT_EQ(ValueAt(mig, "memoryUsedBytes").as_int(), 1);
  EXPECT_EQ(ValueAt(mig, "hostProcesses").as_int(), 1);
  for (const char* name : {"busyPercent", "busySeconds", "contendedSeconds", "contendedPercent",
                           "powerWatts", "temperatureCelsius", "energyJoules"}) {
    EXPECT_TRUE(ValueAt(mig, name).is_null()) << name;
  }
  EXPECT_TRUE(ValueAt(mig, {"rest", "gpuSeconds"}).is_null());
}

TEST_F(ReportTest, HealthIsSaidInOneWordAndWhy) {
  Look();
  state_.gpus[0].healthy = false;
  state_.gpus[0].reason = "XID 79";
  state_.gpus.push_back({.uuid = "GPU-9", .index = "9", .name = "m", .healthy = false});
  state_.gpus.back().lost = true;
  state_.gpus.back().reason = "gone";
  EXPECT_EQ(TextAt(Device(0), "health"), "Unhealthy");
  EXPECT_EQ(TextAt(Device(0), "healthReason"), "XID 79");
  EXPECT_EQ(TextAt(Device(3), "uuid"), "GPU-9");
  EXPECT_EQ(TextAt(Device(3), "health"), "Lost");
  EXPECT_TRUE(ValueAt(Device(3), "memoryUsedBytes").is_null());
  EXPECT_THAT(daemon::testing::StatusDifferences(Status(), NodeStatusFields(), false), IsEmpty());
  state_.fresh = false;
  EXPECT_EQ(TextAt(Device(0), "health"), "Unhealthy");
  EXPECT_EQ(TextAt(Device(1), "health"), "Unknown") << "nobody has said so lately";
}

TEST_F(ReportTest, WhatComesFromOutsideIsPrintable) {
  Look();
  state_.degraded = {"bad\x1b[2J"};
  state_.pods = base::Status(base::Code::kUnavailable, "no\x07 way");
  const std::string text = Status().Dump();
  EXPECT_EQ(text.find("\\u001b"), std::string::npos) << text;
  EXPECT_EQ(text.find("\\u0007"), std::string::npos) << text;
  EXPECT_NE(text.find("[31m"), std::string::npos) << "the name is there all the same";
}

}  // namespace
}  // namespace tranche::node::status
