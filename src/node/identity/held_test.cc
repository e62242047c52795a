#include "node/identity/held.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gpu/testing/inventories.h"

namespace tranche::node::identity {
namespace {

using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

gpu::Inventory Node() {
  gpu::Inventory inventory = gpu::testing::Gpus(3);
  gpu::testing::Cut(inventory, 2, {"1g.10gb", "1g.10gb"});
  return inventory;
}

TEST(HeldTest, ReplicasOfADeviceAreCountedUnderItsUuid) {
  EXPECT_THAT(HeldDevices({{"ns", "a", "c", "nvidia.com/gpu.shared", {"GPU-0::1", "GPU-0::3"}},
                           {"ns", "a", "d", "nvidia.com/gpu", {"GPU-1"}}},
                          Node()),
              UnorderedElementsAre(Held{"ns", "a", "c", "GPU-0", 2, 2, ""},
                                   Held{"ns", "a", "d", "GPU-1", 1, 1, ""}));
}

TEST(HeldTest, AnIdThatTwoContainersOfAPodNameIsOneShareOfThePod) {
  EXPECT_THAT(HeldDevices({{"ns", "a", "init", "nvidia.com/gpu", {"GPU-0::1"}},
                           {"ns", "a", "main", "nvidia.com/gpu", {"GPU-0::1", "GPU-0::2"}}},
                          Node()),
              UnorderedElementsAre(Held{"ns", "a", "init", "GPU-0", 1, 2, ""},
                                   Held{"ns", "a", "main", "GPU-0", 2, 2, ""}));
}

TEST(HeldTest, IndicesAndMigDevicesAreFound) {
  EXPECT_THAT(HeldDevices({{"ns", "a", "c", "nvidia.com/gpu", {"1::0"}},
                           {"ns", "b", "c", "nvidia.com/mig-1g.10gb", {"2:1"}},
                           {"ns", "e", "c", "nvidia.com/mig-1g.10gb", {"MIG-2-0"}}},
                          Node()),
              UnorderedElementsAre(Held{"ns", "a", "c", "GPU-1", 1, 1, ""},
                                   Held{"ns", "b", "c", "MIG-2-1", 1, 1, ""},
                                   Held{"ns", "e", "c", "MIG-2-0", 1, 1, ""}));
}

TEST(HeldTest, AGpuIsFoundByItsUuidWhateverItsResourceIsCalled) {
  EXPECT_THAT(HeldDevices({{"ns", "a", "c", "example.com/fast.shared", {"GPU-0::1"}}}, Node()),
              UnorderedElementsAre(Held{"ns", "a", "c", "GPU-0", 1, 1, ""}));
}

TEST(HeldTest, WhatIsNoGpuOfThisNodeIsLeftOut) {
  EXPECT_THAT(HeldDevices({{"ns", "a", "c", "example.com/nic", {"0", "1"}},
                           {"ns", "a", "c", "nvidia.com/gpu", {"GPU-9", "", "::", "17"}}},
                          Node()),
              IsEmpty());
}

TEST(SharesTest, SharesAreCountedByDevice) {
  const auto shares = SharesOf(
      {{"nvidia.com/gpu.shared", {"GPU-0::0", "GPU-0::1", "GPU-0::2", "GPU-1::0", "GPU-1::1"}},
       {"nvidia.com/mig-1g.10gb", {"MIG-2-0", "MIG-2-1"}},
       {"example.com/nic", {"0", "1"}}},
      {{"ns", "a", "c", "nvidia.com/gpu.shared", {"GPU-0::1", "GPU-0::2"}},
       {"ns", "b", "c", "nvidia.com/mig-1g.10gb", {"MIG-2-1"}}},
      Node());
  EXPECT_EQ(shares.at("GPU-0"), (Shares{"nvidia.com/gpu.shared", 3, 2, 1, true}));
  EXPECT_EQ(shares.at("GPU-1"), (Shares{"nvidia.com/gpu.shared", 2, 0, 2, true}));
  EXPECT_EQ(shares.at("MIG-2-0"), (Shares{"nvidia.com/mig-1g.10gb", 1, 0, 1, false}));
  EXPECT_EQ(shares.at("MIG-2-1"), (Shares{"nvidia.com/mig-1g.10gb", 1, 1, 0, false}));
  EXPECT_FALSE(shares.contains("GPU-2")) << "it is given in parts only";
}

TEST(SharesTest, WhatIsHeldOfAnUnhealthyDeviceIsHeldStill) {
  const auto shares = SharesOf({}, {{"ns", "a", "c", "nvidia.com/gpu", {"GPU-0::1"}}}, Node());
  EXPECT_EQ(shares.at("GPU-0"), (Shares{"nvidia.com/gpu", 0, 1, 0, true}));
}

TEST(SharesTest, AnIdThatIsNamedTwiceIsOne) {
  const auto shares = SharesOf(
      {{"nvidia.com/gpu", {"0", "0", "1::0"}}},
      {{"ns", "a", "init", "nvidia.com/gpu", {"0"}}, {"ns", "a", "main", "nvidia.com/gpu", {"0"}}},
      Node());
  EXPECT_EQ(shares.at("GPU-0"), (Shares{"nvidia.com/gpu", 1, 1, 0, false}));
  EXPECT_EQ(shares.at("GPU-1"), (Shares{"nvidia.com/gpu", 1, 0, 1, true}));
}

}  // namespace
}  // namespace tranche::node::identity
