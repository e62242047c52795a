#include "plan/as_advertised.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/testing/configs.h"
#include "gpu/testing/inventories.h"

namespace tranche::plan {
namespace {

using config::testing::Configured;
using config::testing::Flag;
using gpu::testing::Cut;
using gpu::testing::Gpus;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

config::Config Mig(const std::string& strategy) {
  return Configured("flags: {migStrategy: " + strategy + "}\n");
}

Unfit Judged(const config::Config& config, const gpu::Inventory& planned,
             const gpu::Inventory& now) {
  return NoLongerAsAdvertised(config, BuildPlan(config, planned).value(), now);
}

gpu::Inventory OneCut(const std::vector<std::string>& profiles) {
  gpu::Inventory inventory = Gpus(2);
  Cut(inventory, 1, profiles);
  return inventory;
}

TEST(AsAdvertisedTest, NothingChangedIsNothingUnfit) {
  for (const char* strategy : {"none", "mixed"}) {
    const auto inventory = OneCut({"1g.10gb", "2g.20gb"});
    EXPECT_THAT(Judged(Mig(strategy), inventory, inventory), IsEmpty()) << strategy;
  }
}

TEST(AsAdvertisedTest, AGpuThatIsGoneOrBroken) {
  gpu::Inventory now = Gpus(1);
  EXPECT_THAT(Judged(Mig("none"), Gpus(2), now),
              ElementsAre(Pair("GPU-1", "the driver does not list it any more")));
  now.broken.push_back({.index = 1, .uuid = "GPU-1", .error = "no memory"});
  EXPECT_THAT(Judged(Mig("none"), Gpus(2), now),
              ElementsAre(Pair("GPU-1", "the driver fails to describe it: no memory")));
}

TEST(AsAdvertisedTest, AGpuThatIsCutIsWholeOnlyWithoutAStrategy) {
  EXPECT_THAT(Judged(Mig("none"), Gpus(2), OneCut({"1g.10gb"})), IsEmpty());
  for (const char* strategy : {"single", "mixed"}) {
    EXPECT_THAT(Judged(Mig(strategy), Gpus(2), OneCut({})),
                ElementsAre(Pair("GPU-1", "it is cut by MIG now, and was advertised whole")))
        << strategy;
  }
}

TEST(AsAdvertisedTest, MigDevices) {
  const auto planned = OneCut({"1g.10gb", "1g.10gb"});
  EXPECT_THAT(Judged(Mig("mixed"), planned, OneCut({"1g.10gb"})),
              ElementsAre(Pair("MIG-1-1", "GPU 1 is cut by MIG in another way now")));
  EXPECT_THAT(Judged(Mig("mixed"), planned, OneCut({"1g.10gb", "2g.20gb"})),
              ElementsAre(Pair("MIG-1-1", "it is a 2g.20gb now, and was advertised as a 1g.10gb")));
  EXPECT_THAT(Judged(Mig("mixed"), planned, Gpus(2)),
              ElementsAre(Pair("MIG-1-0", "GPU 1 is not cut by MIG any more"),
                          Pair("MIG-1-1", "GPU 1 is not cut by MIG any more")));
  EXPECT_THAT(Judged(Mig("mixed"), planned, Gpus(1)),
              ElementsAre(Pair("MIG-1-0", "the driver does not list it any more"),
                          Pair("MIG-1-1", "the driver does not list it any more")));
  auto broken = OneCut({"1g.10gb"});
  broken.broken.push_back({.index = 1, .uuid = "MIG-1-1", .error = "odd"});
  EXPECT_THAT(Judged(Mig("mixed"), planned, broken),
              ElementsAre(Pair("MIG-1-1", "the driver fails to describe it: odd")));
}

TEST(AsAdvertisedTest, OtherNodesAreAnotherDevice) {
  gpu::Inventory now = Gpus(2);
  now.gpus[1].device_paths = {"/dev/nvidia7"};
  EXPECT_THAT(Judged(Mig("none"), Gpus(2), now),
              ElementsAre(Pair("GPU-1", "it has other device nodes now")));
}

TEST(AsAdvertisedTest, AnIndexMattersOnlyWhereItIsGiven) {
  gpu::Inventory now = Gpus(2);
  now.gpus[1].index = 2;
  EXPECT_THAT(Judged(Mig("none"), Gpus(2), now), IsEmpty());
  const auto by_index = Configured("", {Flag("device-id-strategy", {"index"})});
  EXPECT_THAT(Judged(by_index, Gpus(2), now),
              ElementsAre(Pair("GPU-1", "its index is 2 now, and was 1")));
}

TEST(AsAdvertisedTest, WhatIsServedIsWhatThePlanHasAndTheNodeStillHas) {
  const config::Config config = Mig("mixed");
  const auto planned = OneCut({"1g.10gb", "1g.10gb"});
  const Plan plan = BuildPlan(config, planned).value();
  auto now = OneCut({"1g.10gb", "2g.20gb", "3g.40gb"});
  const auto served = OnlyServed(plan, NoLongerAsAdvertised(config, plan, now), now);
  ASSERT_EQ(served.gpus.size(), 2U);
  ASSERT_EQ(served.gpus[1].mig_devices.size(), 1U);
  EXPECT_EQ(served.gpus[1].mig_devices[0].uuid, "MIG-1-0");
  now = OneCut({"3g.40gb"});
  EXPECT_EQ(OnlyServed(plan, NoLongerAsAdvertised(config, plan, now), now).gpus.size(), 1U);
}

}  // namespace
}  // namespace tranche::plan
