#include "labels/gpu_labels.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "labels/label_text.h"
#include "labels/testing/made_labels.h"

namespace tranche::labels {
namespace {

using testing::A100;
using testing::Base;
using ::testing::Contains;
using testing::Cut;
using ::testing::Key;
using testing::Make;
using testing::Node;
using ::testing::Pair;
using testing::Shared;
using testing::T4;

TEST(GpuLabelsTest, GpusCutByMigAreWholeToStrategyNoneAndNeverShared) {
  gpu::Gpu cut = A100(0);
  Cut(cut, "3g.40gb", 3, 40192, 2);
  EXPECT_EQ(Make(Shared(4), Node({cut})).labels, Base({{"gpu.count", "1"}, {"gpu.replicas", "0"}}));
  // A whole GPU of the same model tells for both.
  EXPECT_EQ(Make(Shared(4), Node({cut, A100(1)})).labels,
            Base({{"gpu.product", "NVIDIA-A100-SXM4-80GB-SHARED"},
                  {"gpu.replicas", "4"},
                  {"gpu.sharing-strategy", "time-slicing"}}));
}

TEST(GpuLabelsTest, OfSeveralModelsTheOneWithMostGpusIsToldAndEachByItself) {
  const Labels labels = Make(Shared(2), Node({T4(0), A100(1), A100(2)})).labels;
  EXPECT_EQ(labels, Base({{"gpu.product", "NVIDIA-A100-SXM4-80GB-SHARED"},
                          {"gpu.replicas", "2"},
                          {"gpu.sharing-strategy", "time-slicing"},
                          {"tranche.dev/gpu.models", "2"},
                          {"tranche.dev/gpu.Tesla-T4.count", "1"},
                          {"tranche.dev/gpu.Tesla-T4.memory", "15360"},
                          {"tranche.dev/gpu.NVIDIA-A100-SXM4-80GB.count", "2"},
                          {"tranche.dev/gpu.NVIDIA-A100-SXM4-80GB.memory", "81920"}}));
  // As many of each: the first. Whole ones before cut ones.
  EXPECT_THAT(Make("", Node({T4(0), A100(1)})).labels, Contains(Pair("gpu.product", "Tesla-T4")));
  gpu::Gpu first = A100(0);
  gpu::Gpu second = A100(1);
  Cut(first, "3g.40gb", 3, 40192, 2);
  Cut(second, "3g.40gb", 3, 40192, 2);
  EXPECT_THAT(Make("flags: {migStrategy: mixed}", Node({first, second, T4(2)})).labels,
              Contains(Pair("gpu.product", "Tesla-T4")));
}

TEST(GpuLabelsTest, ModelsWhoseNamesDoNotFitAreToldApart) {
  const std::string longest(70, 'x');
  gpu::Gpu a = A100(0);
  gpu::Gpu b = A100(1);
  gpu::Gpu c = A100(2);
  a.name = longest + "1";
  b.name = longest + "2";
  c.name = "(...)";
  gpu::Gpu d = A100(3);
  d.name = "[...]";
  const Labels labels = Make("", Node({a, b, c, d})).labels;
  constexpr std::size_t kRoom = 63 - std::string_view("gpu..memory").size();
  for (const std::string& name : {a.name, b.name}) {
    EXPECT_THAT(labels, Contains(Key("tranche.dev/gpu." + FitLabel(name, 0, kRoom) + ".memory")));
  }
  EXPECT_THAT(labels, Contains(Key("tranche.dev/gpu.unnamed.count")));
  EXPECT_THAT(labels, Contains(Key("tranche.dev/gpu.unnamed-2.count")));
  for (const auto& [key, value] : labels) {
    EXPECT_LE(value.size(), 63U) << key;
    EXPECT_LE(key.substr(key.find('/') + 1).size(), 63U) << key;
  }
}

TEST(GpuLabelsTest, ReplicasAreThoseOfThePlanNotOnlyOfTheConfig) {
  const std::string own =
      Shared(4) + "tranche: {resources: [{name: nvidia.com/gpu, replicasPerDevice: {\"0\": 6}}]}\n";
  EXPECT_THAT(Make(own, Node({A100(0), A100(1)})).labels, Contains(Pair("gpu.replicas", "6")));
  const std::string renamed =
      Shared(4) + "tranche: {resources: [{name: nvidia.com/gpu, rename: slice}]}\n";
  EXPECT_THAT(Make(renamed, Node({A100(0)})).labels,
              Contains(Pair("gpu.product", "NVIDIA-A100-SXM4-80GB")));
}

// Upstream labels by the first of them, and serves the larger number.
TEST(GpuLabelsTest, AResourceListedTwiceIsLabelledAsItIsServed) {
  for (const auto& [first, second] : {std::pair(2, 4), std::pair(4, 2), std::pair(1, 4)}) {
    const std::string twice =
        "sharing: {timeSlicing: {resources: [{name: gpu, replicas: " + std::to_string(first) +
        "}, {name: nvidia.com/gpu, replicas: " + std::to_string(second) + "}]}}\n";
    const auto plan = plan::BuildPlan(testing::Config(twice), Node({A100(0)}));
    ASSERT_TRUE(plan.ok());
    ASSERT_EQ(plan->resources.size(), 1U);
    ASSERT_EQ(plan->resources[0].advertised.devices.size(), 1U);
    EXPECT_EQ(plan->resources[0].advertised.devices[0].replicas, 4);
    const Labels labels = Make(twice, Node({A100(0)})).labels;
    EXPECT_THAT(labels, Contains(Pair("gpu.replicas", "4")));
    EXPECT_THAT(labels, Contains(Pair("gpu.product", "NVIDIA-A100-SXM4-80GB-SHARED")));
    // Where nothing can be served, the config says the same.
    const MadeLabels without =
        MakeLabels(testing::Config(twice), Node({A100(0)}), nullptr, {.machine = "x"});
    EXPECT_EQ(without.labels.at("nvidia.com/gpu.replicas"), "4");
  }
}

TEST(GpuLabelsTest, Families) {
  const auto family = [](int major, int minor) {
    gpu::Gpu gpu = A100(0);
    gpu.compute_major = major;
    gpu.compute_minor = minor;
    return Make("", Node({gpu})).labels["gpu.family"];
  };
  for (const auto& [major, minor, name] :
       {std::tuple(3, 5, "kepler"), std::tuple(5, 2, "maxwell"), std::tuple(6, 0, "pascal"),
        std::tuple(7, 0, "volta"), std::tuple(7, 5, "turing"), std::tuple(8, 6, "ampere"),
        std::tuple(8, 9, "ada-lovelace"), std::tuple(9, 0, "hopper"),
        std::tuple(10, 0, "blackwell"), std::tuple(12, 0, "blackwell"), std::tuple(13, 0, "rubin"),
        std::tuple(11, 0, "undefined"), std::tuple(0, 0, "")}) {
    EXPECT_EQ(family(major, minor), name) << major << '.' << minor;
  }
}

}  // namespace
}  // namespace tranche::labels
