#include <gtest/gtest.h>

#include <string>

#include "config/load.h"

namespace tranche::config {
namespace {

constexpr char kSharing[] = "sharing: {timeSlicing: {resources: [{name: gpu, replicas: 4}]}}\n";

base::Result<Loaded> Load(const std::string& tranche) {
  return LoadConfig(kSharing + tranche, "f", {}, {});
}

std::string ErrorOf(const std::string& tranche) {
  const auto loaded = Load(tranche);
  return loaded.ok() ? "accepted" : loaded.status().message();
}

TEST(TrancheOptionsTest, AnEntryMayHaveMemoryOfItsOwn) {
  const auto loaded = Load(R"(tranche:
  memory: {mode: observe}
  resources:
  - {name: nvidia.com/gpu, devices: [0], memory: {mode: enforce, limit: 10Gi}})");
  ASSERT_TRUE(loaded.ok()) << loaded.status().message();
  const auto& memory = loaded->config.tranche.resources.at(0).memory;
  ASSERT_TRUE(memory.has_value());
  EXPECT_EQ(memory->mode, EnforceMode::kEnforce);
  EXPECT_EQ(memory->limit, MemoryAmount(Bytes{10ULL << 30U}));
  EXPECT_EQ(loaded->config.tranche.memory->mode, EnforceMode::kObserve);
}

TEST(TrancheOptionsTest, ReadsEveryKey) {
  const auto loaded = Load(R"(tranche:
  resources:
  - name: nvidia.com/gpu
    devices: [GPU-b1028956-cfa2-0990-bf4a-5da9abb51763, 0]
    rename: nvidia.com/gpu.small
    replicasPerDevice: {GPU-b1028956-cfa2-0990-bf4a-5da9abb51763: 2}
    allocationPolicy: spread
    drainBeforeExclusive: true
  health: {recovery: reset, quietPeriod: 5m}
  memory: {mode: enforce, limit: 25%, max: 50%, reserve: 512Mi, arbiterAway: closed}
  time: {mode: off, weight: 50, maxWeight: 100, min: 10%, max: 90%, class: best-effort, classes: [standard, best-effort]}
)");
  ASSERT_TRUE(loaded.ok()) << loaded.status().message();
  EXPECT_TRUE(loaded->warnings.empty());
  const TrancheOptions& options = loaded->config.tranche;
  ASSERT_EQ(options.resources.size(), 1U);
  EXPECT_EQ(options.resources[0].rename, "nvidia.com/gpu.small");
  ASSERT_TRUE(options.resources[0].devices.has_value());
  EXPECT_EQ((*options.resources[0].devices)[1].text, "0");
  EXPECT_EQ(options.resources[0].replicas_per_device.begin()->second, 2);
  EXPECT_EQ(options.resources[0].allocation_policy, AllocationPolicy::kSpread);
  EXPECT_TRUE(options.resources[0].drain_before_exclusive);
  EXPECT_EQ(options.health.recovery, Recovery::kReset);
  EXPECT_EQ(options.health.quiet_period, std::chrono::minutes(5));
  EXPECT_EQ(options.memory->mode, EnforceMode::kEnforce);
  EXPECT_EQ(options.memory->limit, MemoryAmount(Milli{250}));
  EXPECT_EQ(options.memory->reserve, MemoryAmount(Bytes{512ULL << 20U}));
  EXPECT_FALSE(options.memory->arbiter_away_open);
  EXPECT_EQ(options.time->mode, EnforceMode::kOff);  // a bare off is false in YAML 1.1
  EXPECT_EQ(options.time->min.thousandths, 100);
  EXPECT_EQ(options.time->time_class, "best-effort");
}

TEST(TrancheOptionsTest, KeyAloneMeansObserve) {
  const auto loaded = Load("tranche: {memory: {}, time: {}}\n");
  ASSERT_TRUE(loaded.ok());
  EXPECT_EQ(loaded->config.tranche.memory->mode, EnforceMode::kObserve);
  EXPECT_EQ(loaded->config.tranche.time->mode, EnforceMode::kObserve);
  EXPECT_FALSE(Load("")->config.tranche.memory.has_value());
}

TEST(TrancheOptionsTest, MaxWeightFollowsWeight) {
  EXPECT_EQ(Load("tranche: {time: {weight: 300}}\n")->config.tranche.time->max_weight, 300);
}

struct Refused {
  const char* text;
  const char* why;
};

class TrancheRefusedTest : public testing::TestWithParam<Refused> {};

TEST_P(TrancheRefusedTest, SaysPathReasonAndLine) {
  const std::string error = ErrorOf(std::string("tranche: ") + GetParam().text + "\n");
  EXPECT_NE(error.find(GetParam().why), std::string::npos) << error;
  EXPECT_NE(error.find("f:2:"), std::string::npos) << error;
}

INSTANTIATE_TEST_SUITE_P(
    Values, TrancheRefusedTest,
    testing::Values(
        Refused{"{memory: {limit: 512}}", "tranche.memory.limit: 512 without a unit"},
        Refused{"{memory: {limit: '1000000'}}", "write 1000000Mi"},
        Refused{"{memory: {limit: 101%}}", "'101%' is more than 100%"},
        Refused{"{memory: {limit: 0}}", "nothing fits in 0"},
        Refused{"{memory: {limit: 10.55%}}", "more than one decimal"},
        Refused{"{memory: {limit: -1Gi}}", "is not a quantity"},
        Refused{"{memory: {limit: 60%, max: 50%}}", "limit is more than max"},
        Refused{"{memory: {limit: 4Gi, max: 2Gi}}", "limit is more than max"},
        Refused{"{memory: {max: 0%}}", "max: nothing fits in 0"},
        Refused{"{memory: {max: 40}}", "tranche.memory.max: 40 without a unit"},
        Refused{"{memory: {maximum: 40%, limit: []}}", "neither a quantity"},
        Refused{"{memory: {reserve: 100%}}", "reserve: nothing is left"},
        Refused{"{resources: [{name: gpu, memory: {limit: 2Gi, max: 1Gi}}]}",
                "limit is more than max"},
        Refused{"{memory: {limit: 99999Ei}}", "more bytes than fit"},
        Refused{"{memory: {mode: enforced}}", "did you mean 'enforce'?"},
        Refused{"{memory: {arbiterAway: shut}}", "is not one of open, closed"},
        Refused{"{memory: [x]}", "tranche.memory: a map is wanted"},
        Refused{"{time: {weight: 0}}", "0 is not a whole number from 1 to"},
        Refused{"{time: {weight: 1.5}}", "1.5 is not a whole number"},
        Refused{"{time: {weight: 200, maxWeight: 100}}", "weight is more than maxWeight"},
        Refused{"{time: {min: 10}}", "write 10%"},
        Refused{"{time: {min: 60%, max: 50%}}", "min is more than max"},
        Refused{"{time: {class: gold}}", "class 'gold' is not one of classes"},
        Refused{"{time: {classes: []}}", "write a list of 1 to"},
        Refused{"{time: {classes: [a, a]}}", "listed twice"},
        Refused{"{health: {recovery: maybe}}", "is not one of auto, reset, never"},
        Refused{"{health: {quietPeriod: 60}}", "write \"60s\""},
        Refused{"{health: {quietPeriod: 0s}}", "is not above zero"},
        Refused{"{resources: [{rename: a}]}", "no resource name specified"},
        Refused{"{resources: [{name: gpu, rename: A_b}]}", "'A_b' is no resource name"},
        Refused{"{resources: [{name: gpu}, {name: nvidia.com/gpu}]}", "listed twice"},
        Refused{"{resources: [{name: gpu, allocationPolicy: spred}]}", "did you mean 'spread'?"},
        Refused{"{resources: [{name: gpu, devices: [x]}]}", "no GPU index"},
        Refused{"{resources: [{name: gpu, devices: [0, '0']}]}", "listed twice"},
        Refused{"{resources: [{name: gpu, replicasPerDevice: {0: 0}}]}", "0 is not a whole number"},
        Refused{"{resources: [{name: gpu, replicasPerDevice: {x: 2}}]}", "'x' is no GPU index"},
        Refused{"{resources: {name: gpu}}", "write a list of resources"},
        Refused{"[x]", "a map is"}));

TEST(TrancheOptionsTest, WarnsOfUnknownKeysAndUnsharedResources) {
  const auto loaded = Load("tranche: {memry: {}, resources: [{name: gpus}]}\n");
  ASSERT_TRUE(loaded.ok());
  ASSERT_EQ(loaded->warnings.size(), 2U);
  EXPECT_EQ(loaded->warnings[0].message,
            "resource 'nvidia.com/gpus' of tranche.resources is not in "
            "sharing.timeSlicing.resources");
  EXPECT_EQ(loaded->warnings[0].instead, "did you mean 'nvidia.com/gpu'?");
  EXPECT_EQ(loaded->warnings[1].message, "unknown key 'memry' in tranche");
  EXPECT_EQ(loaded->warnings[1].instead, "did you mean 'memory'?");
  EXPECT_EQ(loaded->warnings[1].severity, Severity::kCannotBeMeant);
}

}  // namespace
}  // namespace tranche::config
