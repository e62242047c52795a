#include "sim/node/profile.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "base/testing/places.h"
#include "base/testing/temp_dir.h"

namespace tranche::sim {
namespace {

using base::Code;
using base::Result;
using testing::HasSubstr;

const std::string kProfiles = std::string(base::testing::kSourceDir) + "/sim/profiles";

class ProfileTest : public testing::Test {
 protected:
  Result<NodeProfile> Load(const std::string& text) {
    const std::string path = folder_ / "own.yaml";
    std::ofstream(path) << text;
    return LoadProfile(kProfiles, path);
  }

  const base::testing::TempDir folder_;
};

const char kGood[] = R"(driver: {version: 570.172.08, cuda: "12.8"}
gpus:
- {model: t4, uuid: GPU-00000000-0000-0000-0000-000000000001, bus: "0000:07:00.0", numa: 1}
- {model: t4, uuid: GPU-00000000-0000-0000-0000-000000000002, bus: "0000:08:00.0"}
)";

TEST_F(ProfileTest, EveryShippedProfileLoads) {
  Result<std::vector<std::string>> names = ShippedProfiles(kProfiles);
  ASSERT_TRUE(names.ok());
  EXPECT_GE(names->size(), 8U);
  for (const std::string& name : *names) {
    Result<NodeProfile> profile = LoadProfile(kProfiles, name);
    ASSERT_TRUE(profile.ok()) << profile.status().message();
    EXPECT_EQ(profile->name, name);
    EXPECT_EQ(profile->cuda_version, 12080U);
  }
}

TEST_F(ProfileTest, ReadsPlaceAndIdentity) {
  Result<NodeProfile> profile = Load(kGood);
  ASSERT_TRUE(profile.ok()) << profile.status().message();
  ASSERT_EQ(profile->gpus.size(), 2U);
  EXPECT_EQ(SysBusId(profile->gpus[0]), "0000:07:00.0");
  EXPECT_EQ(profile->gpus[0].numa_node, 1);
  EXPECT_EQ(profile->gpus[1].numa_node, -1);
  EXPECT_EQ(profile->gpus[1].minor, 1U);
  EXPECT_EQ(profile->gpus[0].memory_total, 15360ULL << 20);
}

TEST_F(ProfileTest, ABlackwellCardHasItsComputeCapabilityAndItsMemory) {
  Result<NodeProfile> profile = LoadProfile(kProfiles, "rtx-pro-6000x2");
  ASSERT_TRUE(profile.ok()) << profile.status().message();
  ASSERT_EQ(profile->gpus.size(), 2U);
  for (const GpuState& gpu : profile->gpus) {
    EXPECT_EQ(gpu.compute_major, 12);
    EXPECT_EQ(gpu.compute_minor, 0);
    EXPECT_EQ(gpu.memory_total, 97887ULL << 20);
    EXPECT_EQ(gpu.nvlink_count, 0U);
  }
}

TEST_F(ProfileTest, SwitchesAreTheFarEndOfEveryLink) {
  Result<NodeProfile> profile = LoadProfile(kProfiles, "h100x8");
  ASSERT_TRUE(profile.ok());
  for (const GpuState& gpu : profile->gpus) {
    for (unsigned link = 0; link < 18; ++link) {
      EXPECT_EQ(gpu.nvlinks[link].kind, LinkKind::kSwitch);
    }
  }
}

TEST_F(ProfileTest, ErrorsNameFileLineAndReason) {
  const std::string head = "driver: {version: 570.172.08, cuda: \"12.8\"}\n";
  const std::string gpu = "uuid: GPU-00000000-0000-0000-0000-000000000001, bus: \"0000:07:00.0\"";
  const std::pair<std::string, std::string> cases[] = {
      {head + "gpus: []\nextra: 1\n", ":3: unknown key extra"},
      {head + "gpus:\n- {model: t5, " + gpu + "}\n", ":3: no such model in models.yaml: t5"},
      {head + "gpus:\n- {model: t4, uuid: GPU-1, bus: \"0000:07:00.0\"}\n", ":3: a UUID is like"},
      {head + "gpus:\n- {model: t4, " + gpu + "}\n- {model: t4, " + gpu + "}\n",
       "two GPUs of one UUID"},
      {head + "gpus:\n- {model: t4, " + gpu + ", mig: 1g.10gb}\n", "this GPU has no MIG"},
      {head + "gpus:\n- {model: t4, " + gpu + "}\nnvlinks:\n- {between: [0, 1], links: 1}\n",
       "no such pair"},
      {"driver: {version: \"../x\", cuda: \"12.8\"}\ngpus: []\n", "version is like"},
      {head + "gpus: [\n", ":"},
      {"- 1\n", "wants a mapping"},
      {"", "wants a mapping"},
  };
  for (const auto& [text, why] : cases) {
    Result<NodeProfile> profile = Load(text);
    ASSERT_FALSE(profile.ok()) << text;
    EXPECT_THAT(profile.status().message(), HasSubstr(folder_ / "own.yaml:")) << text;
    EXPECT_THAT(profile.status().message(), HasSubstr(why)) << text;
  }
}

TEST_F(ProfileTest, NoSuchProfile) {
  EXPECT_EQ(LoadProfile(kProfiles, "nonesuch").status().code(), Code::kNotFound);
  EXPECT_EQ(LoadProfile(kProfiles, "models").status().code(), Code::kNotFound);
}

}  // namespace
}  // namespace tranche::sim
