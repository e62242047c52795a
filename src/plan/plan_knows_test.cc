// Knows: which ids a plan stands for.
#include <gtest/gtest.h>

#include <string>

#include "config/testing/configs.h"
#include "gpu/testing/inventories.h"
#include "plan/plan.h"

namespace tranche::plan {
namespace {

using config::testing::Configured;
using config::testing::Shared;
using gpu::testing::Gpus;

TEST(KnowsTest, OnlyTheIdsThatAreAdvertised) {
  const Plan plan =
      BuildPlan(Configured(Shared(2) + "tranche:\n  resources:\n  - name: nvidia.com/gpu\n"
                                       "    replicasPerDevice: {\"1\": 1}\n"),
                Gpus(2))
          .value();
  const auto knows = [&](const std::string& id) { return Knows(plan, "nvidia.com/gpu", id); };
  for (const char* id : {"GPU-0::0", "GPU-0::1", "GPU-1"}) EXPECT_TRUE(knows(id)) << id;
  for (const char* id : {"",
                         "GPU-0",
                         "GPU-0::2",
                         "GPU-0::01",
                         "GPU-0::00",
                         "GPU-0::+1",
                         "GPU-0:: 1",
                         "GPU-0::-1",
                         "GPU-0::1 ",
                         "GPU-0::99999999999999999999",
                         "GPU-0::4294967296",
                         "GPU-0::",
                         "::0",
                         "::",
                         "GPU-0::0::0",
                         "GPU-0:0",
                         "GPU-1::0",
                         "gpu-0::0",
                         "GPU-9::0",
                         "GPU-9"}) {
    EXPECT_FALSE(knows(id)) << id;
  }
  EXPECT_FALSE(Knows(plan, "nvidia.com/gpu.shared", "GPU-0::0"));
  EXPECT_FALSE(Knows(plan, "", "GPU-0::0"));
  EXPECT_FALSE(Knows(plan, "nvidia.com/gpu", std::string("GPU-0::0\0", 9)));
}

}  // namespace
}  // namespace tranche::plan
