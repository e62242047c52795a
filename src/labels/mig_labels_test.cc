#include "labels/mig_labels.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "labels/testing/made_labels.h"

namespace tranche::labels {
namespace {

using testing::A100;
using testing::Base;
using ::testing::Contains;
using testing::Cut;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Key;
using testing::Make;
using testing::Node;
using ::testing::Not;
using ::testing::Pair;
using testing::Shared;

Labels MigAttributes(const std::string& resource, Labels values) {
  Labels out;
  for (auto& [suffix, value] : values) out[resource + "." + suffix] = value;
  return out;
}

TEST(MigLabelsTest, StrategySingleTellsOfTheMigDevices) {
  gpu::Gpu first = A100(0);
  gpu::Gpu second = A100(1);
  Cut(first, "3g.40gb", 3, 40192, 2);
  Cut(second, "3g.40gb", 3, 40192, 2);
  Labels expected = MigAttributes("gpu", {{"memory", "40192"},
                                          {"multiprocessors", "42"},
                                          {"slices.gi", "3"},
                                          {"slices.ci", "3"},
                                          {"engines.copy", "3"},
                                          {"engines.decoder", "2"},
                                          {"engines.encoder", "0"},
                                          {"engines.jpeg", "0"},
                                          {"engines.ofa", "0"}});
  expected["mig.strategy"] = "single";
  expected["gpu.count"] = "4";
  expected["gpu.product"] = "NVIDIA-A100-SXM4-80GB-MIG-3g.40gb";
  const auto node = Node({first, second});
  EXPECT_EQ(Make("flags: {migStrategy: single}", node).labels, Base(expected));
  expected["gpu.product"] += "-SHARED";
  expected["gpu.replicas"] = "2";
  expected["gpu.sharing-strategy"] = "time-slicing";
  EXPECT_EQ(Make("flags: {migStrategy: single}\n" + Shared(2), node).labels, Base(expected));
}

TEST(MigLabelsTest, StrategySingleOnANodeThatDoesNotSuitItIsInvalid) {
  gpu::Gpu cut = A100(0);
  Cut(cut, "3g.40gb", 3, 40192, 2);
  gpu::Gpu empty = A100(1);
  empty.mig_enabled = true;
  gpu::Gpu two_types = cut;
  Cut(two_types, "1g.10gb", 1, 9728, 1);
  for (const auto& [node, why] :
       {std::pair(Node({cut, A100(1)}), "some have not"), std::pair(Node({cut, empty}), "no MIG"),
        std::pair(Node({two_types}), "more than one type")}) {
    const MadeLabels made = Make("flags: {migStrategy: single}\n" + Shared(4), node);
    EXPECT_EQ(made.labels, Base({{"mig.strategy", "single"},
                                 {"gpu.product", "NVIDIA-A100-SXM4-80GB-MIG-INVALID"},
                                 {"gpu.count", "0"},
                                 {"gpu.replicas", "0"},
                                 {"gpu.sharing-strategy", ""},
                                 {"gpu.memory", "0"}}));
    EXPECT_THAT(made.warnings, ElementsAre(HasSubstr(why)));
  }
}

TEST(MigLabelsTest, StrategyMixedTellsOfEachProfileByItsOriginalName) {
  gpu::Gpu cut = A100(0);
  Cut(cut, "3g.40gb", 3, 40192, 1);
  Cut(cut, "1g.10gb+me", 1, 9728, 2);
  const std::string strategy = "flags: {migStrategy: mixed}\n";
  Labels labels = Make(strategy + Shared(2, "renameByDefault: true, ", "nvidia.com/mig-1g.10gb.me"),
                       Node({cut, A100(1)}))
                      .labels;
  EXPECT_THAT(labels, Contains(Pair("gpu.count", "2")));
  EXPECT_THAT(labels, Contains(Pair("gpu.replicas", "1")));
  EXPECT_THAT(labels, Contains(Pair("mig-3g.40gb.count", "1")));
  EXPECT_THAT(labels, Contains(Pair("mig-3g.40gb.replicas", "1")));
  EXPECT_THAT(labels, Contains(Pair("mig-3g.40gb.slices.gi", "3")));
  EXPECT_THAT(labels, Contains(Pair("mig-1g.10gb.me.count", "2")));
  EXPECT_THAT(labels, Contains(Pair("mig-1g.10gb.me.replicas", "2")));
  EXPECT_THAT(labels,
              Contains(Pair("mig-1g.10gb.me.product", "NVIDIA-A100-SXM4-80GB-MIG-1g.10gb.me")));
  EXPECT_THAT(labels, Contains(Pair("mig-1g.10gb.me.sharing-strategy", "time-slicing")));
  EXPECT_THAT(labels, Not(Contains(Key(HasSubstr("shared")))));
  labels = Make(strategy + Shared(3, "", "nvidia.com/mig-3g.40gb"), Node({cut})).labels;
  EXPECT_THAT(labels,
              Contains(Pair("mig-3g.40gb.product", "NVIDIA-A100-SXM4-80GB-MIG-3g.40gb-SHARED")));
  EXPECT_THAT(labels, Contains(Pair("gpu.replicas", "0")));
}

}  // namespace
}  // namespace tranche::labels
