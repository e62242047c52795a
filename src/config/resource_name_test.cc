#include "config/resource_name.h"

#include <gtest/gtest.h>

namespace tranche::config {
namespace {

TEST(MakeResourceNameTest, AddsThePrefixOnce) {
  EXPECT_EQ(*MakeResourceName("gpu"), "nvidia.com/gpu");
  EXPECT_EQ(*MakeResourceName("nvidia.com/mig-1g.10gb"), "nvidia.com/mig-1g.10gb");
}

TEST(MakeResourceNameTest, RefusesWhatKubernetesRefuses) {
  for (const char* bad :
       {"", "GPU", "my_gpu", "a/b", "-a", "a-", "a..b", ".a", "a.", "amd.com/gpu"}) {
    EXPECT_FALSE(MakeResourceName(bad).ok()) << bad;
  }
  EXPECT_TRUE(MakeResourceName(std::string(52, 'a')).ok());
  EXPECT_EQ(MakeResourceName(std::string(53, 'a')).status().message(),
            "fully-qualified resource name must be 63 characters or less: nvidia.com/" +
                std::string(53, 'a'));
}

TEST(NearestNameTest, FindsTheSlipOfAFinger) {
  const std::vector<std::string> names = {"nvidia.com/gpu", "nvidia.com/mig-1g.10gb"};
  EXPECT_EQ(NearestName("nvidia.com/gpus", names), "nvidia.com/gpu");
  EXPECT_EQ(NearestName("nvidia.com/mig-1g.5gb", names), "nvidia.com/mig-1g.10gb");
  EXPECT_EQ(NearestName("Resources", {"resources", "rename"}), "resources");
  EXPECT_EQ(NearestName("something-else", {"resources", "rename"}), "");
  EXPECT_EQ(NearestName(std::string(100'000, 'a'), names), "");
}

}  // namespace
}  // namespace tranche::config
