#include "node/walls/grants.h"

#include <gmock/gmock.h>

namespace tranche::node::walls {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr char kGpu[] = "GPU-1";

identity::Held Holds(const std::string& pod, int replicas, const std::string& container = "main") {
  return {.pod_namespace = "team",
          .pod = pod,
          .container = container,
          .device = kGpu,
          .replicas = replicas};
}

std::uint64_t LimitOf(const Grants& grants, const std::string& pod) {
  const auto* found = grants.Find({"team", pod});
  return found == nullptr ? UINT64_MAX : found->at(kGpu).limit_bytes;
}

const Rules kQuarter{{kGpu, {.device_bytes = 100, .reserve_bytes = 20, .replicas = 4}}};

TEST(GrantsTest, APodHasTheSharesOfAllItsContainers) {
  Grants grants;
  EXPECT_THAT(grants.Update(kQuarter, {Holds("a", 1), Holds("b", 1), Holds("b", 2, "other")}),
              IsEmpty());
  EXPECT_EQ(LimitOf(grants, "a"), 20U);
  EXPECT_EQ(LimitOf(grants, "b"), 60U);
}

TEST(GrantsTest, ALimitStaysWhenTheProfileChangesAndANewPodGetsWhatIsLeft) {
  Grants grants;
  EXPECT_THAT(grants.Update(kQuarter, {Holds("a", 1)}), IsEmpty());
  const Rules large{
      {kGpu, {.device_bytes = 100, .reserve_bytes = 20, .limit_bytes = 70, .replicas = 4}}};
  EXPECT_THAT(grants.Update(large, {Holds("a", 1), Holds("b", 1)}),
              ElementsAre(PodName{"team", "b"}));
  EXPECT_EQ(LimitOf(grants, "a"), 20U);
  EXPECT_EQ(LimitOf(grants, "b"), 60U);
  EXPECT_EQ(grants.GrantedOn(kGpu), 80U);
  // Enforced no longer for new pods; those that have a wall keep it.
  EXPECT_THAT(grants.Update({}, {Holds("a", 1), Holds("b", 1), Holds("c", 1)}), IsEmpty());
  EXPECT_EQ(LimitOf(grants, "a"), 20U);
  EXPECT_EQ(grants.Find({"team", "c"}), nullptr);
}

TEST(GrantsTest, WhatAPodHadIsFreeWhenItHasGone) {
  Grants grants;
  EXPECT_THAT(grants.Update(kQuarter, {Holds("a", 4)}), IsEmpty());
  EXPECT_THAT(grants.Update(kQuarter, {Holds("b", 4)}), IsEmpty());
  EXPECT_EQ(grants.Find({"team", "a"}), nullptr);
  EXPECT_EQ(LimitOf(grants, "b"), 80U);
}

}  // namespace
}  // namespace tranche::node::walls
