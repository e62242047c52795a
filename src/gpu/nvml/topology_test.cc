#include "gpu/nvml/topology.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gpu/nvml/testing/driver_fixture.h"

namespace tranche::gpu::nvml {
namespace {

using ::testing::ElementsAre;
using testing::NvmlDriverTest;

TEST_F(NvmlDriverTest, TopologyIsPcieAndNvLink) {
  nvml_.gpus[0].links = {{0, "00000000:01:00.0"},
                         {1, "00000000:01:00.0"},
                         {5, "00000000:02:00.0"},
                         {6, "00000000:F0:00.0"}};
  nvml_.gpus[1].links = {{2, "00000000:00:00.0"}, {3, "00000000:00:00.0"}};
  nvml_.gpus[2].fails = {{"Link", nvml::kGpuIsLost}, {"Ancestor", nvml::kGpuIsLost}};
  const auto topology = Driver().ReadTopology(Enumerate());
  ASSERT_TRUE(topology.ok());
  EXPECT_THAT(topology->uuids, ElementsAre("GPU-0", "GPU-1", "GPU-2", "GPU-3"));
  EXPECT_EQ(topology->pair_score[0][1], 10 + 200);
  EXPECT_EQ(topology->pair_score[1][0], 10 + 200);
  EXPECT_EQ(topology->pair_score[1][2], 50);
  EXPECT_EQ(topology->pair_score[0][2], 10 + 100);  // one end of the link tells
  EXPECT_EQ(topology->pair_score[2][3], 0);         // this GPU answers nothing
  EXPECT_EQ(topology->pair_score[0][0], 0);
}

TEST_F(NvmlDriverTest, MoreLinksThanThereCanBeCountAsEighteen) {
  for (unsigned i = 0; i < 18; ++i) nvml_.gpus[0].links[i] = "00000000:01:00.0";
  EXPECT_EQ(Driver().ReadTopology(Enumerate())->pair_score[0][1], 1810);
}

}  // namespace
}  // namespace tranche::gpu::nvml
