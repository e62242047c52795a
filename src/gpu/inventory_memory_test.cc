#include "gpu/inventory_memory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gpu/testing/inventories.h"

namespace tranche::gpu {
namespace {

using gpu::testing::Cut;
using gpu::testing::Gpus;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class InventoryMemoryTest : public ::testing::Test {
 protected:
  static std::vector<std::string> Uuids(const InventoryMemory::Merged& merged) {
    std::vector<std::string> uuids;
    for (const gpu::Gpu& gpu : merged.inventory.gpus) uuids.push_back(gpu.uuid);
    return uuids;
  }
  static gpu::Inventory Without(gpu::Inventory inventory, std::size_t index) {
    inventory.gpus.erase(inventory.gpus.begin() + static_cast<std::ptrdiff_t>(index));
    return inventory;
  }
  InventoryMemory memory_;
  InventoryMemory::Time now_{std::chrono::hours(1)};
};

TEST_F(InventoryMemoryTest, WhatIsThereIsPassedOn) {
  const auto merged = memory_.Merge(Gpus(2), now_);
  EXPECT_EQ(merged.inventory, Gpus(2));
  EXPECT_THAT(merged.missing, IsEmpty());
}

TEST_F(InventoryMemoryTest, AGpuThatIsGoneStaysInItsPlace) {
  gpu::Inventory all = Gpus(3);
  Cut(all, 1, {"1g.10gb"});
  memory_.Merge(all, now_);
  now_ += std::chrono::seconds(10);
  const auto merged = memory_.Merge(Without(all, 1), now_);
  EXPECT_EQ(merged.inventory.gpus, all.gpus);
  EXPECT_THAT(merged.missing, ElementsAre("GPU-1"));
}

TEST_F(InventoryMemoryTest, ItIsMissedEvenWithinOneTickOfTheClock) {
  memory_.Merge(Gpus(2), now_);
  EXPECT_THAT(memory_.Merge(Gpus(1), now_).missing, ElementsAre("GPU-1"));
}

TEST_F(InventoryMemoryTest, AfterTheGraceItIsForgotten) {
  memory_.Merge(Gpus(2), now_);
  now_ += kMissingGrace;
  EXPECT_THAT(memory_.Merge(Gpus(1), now_).missing, ElementsAre("GPU-1"));
  now_ += std::chrono::seconds(1);
  const auto merged = memory_.Merge(Gpus(1), now_);
  EXPECT_THAT(merged.missing, IsEmpty());
  EXPECT_THAT(Uuids(merged), ElementsAre("GPU-0"));
  now_ -= std::chrono::seconds(1);
  EXPECT_THAT(memory_.Merge(Gpus(1), now_).missing, IsEmpty()) << "and does not come back";
}

TEST_F(InventoryMemoryTest, BeingSeenStartsTheGraceAnew) {
  memory_.Merge(Gpus(2), now_);
  for (int i = 0; i < 5; ++i) {
    now_ += kMissingGrace - std::chrono::seconds(1);
    EXPECT_THAT(memory_.Merge(Gpus(1), now_).missing, ElementsAre("GPU-1"));
    EXPECT_THAT(memory_.Merge(Gpus(2), now_).missing, IsEmpty());
  }
}

TEST_F(InventoryMemoryTest, WhatComesBackIsAsItIsNow) {
  memory_.Merge(Gpus(2), now_);
  memory_.Merge(Gpus(1), now_);
  gpu::Inventory changed = Gpus(2);
  Cut(changed, 1, {"1g.10gb"});
  EXPECT_EQ(memory_.Merge(changed, now_).inventory, changed);
}

TEST_F(InventoryMemoryTest, BrokenGpusAndTheDriverArePassedOn) {
  gpu::Inventory inventory = Gpus(1);
  inventory.broken.push_back({.index = 1, .uuid = "GPU-1", .error = "unknown error"});
  memory_.Merge(Gpus(2), now_);
  const auto merged = memory_.Merge(inventory, now_);
  EXPECT_EQ(merged.inventory.broken, inventory.broken);
  EXPECT_EQ(merged.inventory.driver_version, "570.172.08");
  EXPECT_THAT(merged.missing, ElementsAre("GPU-1"));
}

TEST_F(InventoryMemoryTest, AllGpusGoneAtOnce) {
  memory_.Merge(Gpus(8), now_);
  const auto merged = memory_.Merge(gpu::Inventory(), now_);
  EXPECT_EQ(merged.missing.size(), 8U);
  EXPECT_EQ(merged.inventory.gpus.size(), 8U);
}

}  // namespace
}  // namespace tranche::gpu
