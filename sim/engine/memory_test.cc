#include "sim/engine/memory.h"

#include <gtest/gtest.h>

namespace tranche::sim::engine {
namespace {

constexpr std::uint64_t kMiB = 1U << 20U;

TEST(DeviceMemory, IsGivenOutInWholePieces) {
  DeviceMemory memory(100 * kMiB);
  const auto one = memory.Reserve(1, 3 * kMiB);
  ASSERT_TRUE(one);
  EXPECT_EQ(one->taken, 4 * kMiB);
  EXPECT_EQ(one->chunk, 0U);
  EXPECT_EQ(memory.Free(), 96 * kMiB);
  EXPECT_EQ(memory.Of(1).asked, 3 * kMiB);
  EXPECT_EQ(memory.Of(1).taken, 4 * kMiB);
  memory.Release(one->id, 1);
  EXPECT_EQ(memory.Free(), 100 * kMiB);
}

}  // namespace
}  // namespace tranche::sim::engine
