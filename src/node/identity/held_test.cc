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
  EXPECT_THAT(
      HeldDevices({{"ns", "a", "c", "nvidia.com/gpu.shared", {"GPU-0::1", "GPU-0::3"}},
                   {"ns", "a", "d", "nvidia.com/gpu", {"GPU-1"}}},
                  Node()),
      UnorderedElementsAre(Held{"ns", "a", "c", "GPU-0", 2}, Held{"ns", "a", "d", "GPU-1", 1}));
}

TEST(HeldTest, IndicesAndMigDevicesAreFound) {
  EXPECT_THAT(
      HeldDevices({{"ns", "a", "c", "nvidia.com/gpu", {"1::0"}},
                   {"ns", "b", "c", "nvidia.com/mig-1g.10gb", {"2:1"}},
                   {"ns", "e", "c", "nvidia.com/mig-1g.10gb", {"MIG-2-0"}}},
                  Node()),
      UnorderedElementsAre(Held{"ns", "a", "c", "GPU-1", 1}, Held{"ns", "b", "c", "MIG-2-1", 1},
                           Held{"ns", "e", "c", "MIG-2-0", 1}));
}

TEST(HeldTest, WhatIsNoGpuOfThisNodeIsLeftOut) {
  EXPECT_THAT(HeldDevices({{"ns", "a", "c", "example.com/nic", {"0", "1"}},
                           {"ns", "a", "c", "nvidia.com/gpu", {"GPU-9", "", "::", "17"}}},
                          Node()),
              IsEmpty());
}

}  // namespace
}  // namespace tranche::node::identity
