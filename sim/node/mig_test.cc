#include "sim/node/mig.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "base/testing/places.h"
#include "sim/node/model.h"
#include "sim/node/profile.h"

namespace tranche::sim {
namespace {

using base::Code;

const std::string kProfiles = std::string(base::testing::kSourceDir) + "/sim/profiles";

GpuState Model(const std::string& name) {
  const auto models = LoadModels(kProfiles);
  EXPECT_TRUE(models.ok()) << models.status().message();
  return *FindModel(*models, name);
}

GpuState A100() {
  GpuState gpu = Model("a100-sxm4-80gb");
  EXPECT_TRUE(PlaceGpu("0000:07:00.0", "GPU-00000000-0000-0000-0000-000000000001", &gpu).ok());
  return gpu;
}

std::multiset<std::string> Names(const GpuState& gpu) {
  std::multiset<std::string> names;
  for (unsigned i = 0; i < gpu.gpu_instance_count; ++i) {
    const GpuInstanceState& instance = gpu.gpu_instances[i];
    for (unsigned j = 0; j < instance.compute_instance_count; ++j) {
      names.insert(
          MigDeviceName(gpu.mig_profiles[instance.profile_index], instance.compute_instances[j]));
    }
  }
  return names;
}

TEST(MigLayoutTest, SevenOfTheSmallestHaveTheDriversInstanceNumbers) {
  GpuState gpu = A100();
  ASSERT_TRUE(ApplyMigLayout("1g.10gb*7", &gpu).ok());
  std::set<unsigned> ids;
  std::set<std::string> uuids;
  for (unsigned i = 0; i < gpu.gpu_instance_count; ++i) {
    ids.insert(gpu.gpu_instances[i].id);
    uuids.insert(gpu.gpu_instances[i].compute_instances[0].uuid);
  }
  EXPECT_EQ(ids, (std::set<unsigned>{7, 8, 9, 11, 12, 13, 14}));  // NVIDIA's MIG User Guide
  EXPECT_EQ(uuids.size(), 7U);
}

TEST(MigLayoutTest, FindsPlacesWhateverTheOrder) {
  for (const char* layout :
       {"3g.40gb,1g.10gb*4", "1g.10gb*4,3g.40gb", "2g.20gb*3,1g.10gb", "4g.40gb,3g.40gb",
        "4g.40gb,2g.20gb,1g.10gb", "7g.80gb", "1g.20gb*4", "3g.40gb,2g.20gb,1g.10gb,1g.10gb+me"}) {
    GpuState gpu = A100();
    EXPECT_TRUE(ApplyMigLayout(layout, &gpu).ok()) << layout;
    unsigned occupied = 0;
    for (unsigned i = 0; i < gpu.gpu_instance_count; ++i) {
      const GpuInstanceState& instance = gpu.gpu_instances[i];
      const unsigned size = gpu.mig_profiles[instance.profile_index].placement_size;
      const unsigned mask = ((1U << size) - 1) << instance.start;
      EXPECT_EQ(occupied & mask, 0U) << layout;
      occupied |= mask;
    }
  }
}

TEST(MigLayoutTest, RefusesWhatDoesNotFitAndLeavesTheGpuAsItWas) {
  GpuState gpu = A100();
  ASSERT_TRUE(ApplyMigLayout("2g.20gb", &gpu).ok());
  for (const char* layout :
       {"3g.40gb*2,1g.10gb", "7g.80gb,1g.10gb", "1g.10gb*8", "1g.10gb+me*2", "5g.50gb", "1g.10gb*0",
        "1g.10gb*x", "3g.40gb:2c+2c", "3g.40gb:0c", "3g.40gb:", ",", "1g.10gb,,"}) {
    EXPECT_EQ(ApplyMigLayout(layout, &gpu).code(), Code::kInvalidArgument) << layout;
    EXPECT_EQ(Names(gpu), (std::multiset<std::string>{"2g.20gb"})) << layout;
  }
}

TEST(MigLayoutTest, SplitsAnInstanceIntoComputeInstances) {
  GpuState gpu = A100();
  ASSERT_TRUE(ApplyMigLayout("3g.40gb:1c+2c", &gpu).ok());
  EXPECT_EQ(Names(gpu), (std::multiset<std::string>{"1c.3g.40gb", "2c.3g.40gb"}));
  EXPECT_EQ(gpu.gpu_instances[0].compute_instances[0].multiprocessors, 14U);
  EXPECT_EQ(gpu.gpu_instances[0].compute_instances[1].start, 1U);
}

TEST(MigLayoutTest, OnIsUncutAndOffIsOff) {
  GpuState gpu = A100();
  ASSERT_TRUE(ApplyMigLayout("on", &gpu).ok());
  EXPECT_EQ(gpu.mig_enabled, 1U);
  EXPECT_EQ(gpu.gpu_instance_count, 0U);
  ASSERT_TRUE(ApplyMigLayout("off", &gpu).ok());
  EXPECT_EQ(gpu.mig_enabled, 0U);
  GpuState t4 = Model("t4");
  EXPECT_EQ(ApplyMigLayout("on", &t4).code(), Code::kFailedPrecondition);
}

TEST(MigLayoutTest, CapabilityMinorsAreTheFixedOnes) {
  // From /proc/driver/nvidia-caps/mig-minors of a real node (NVIDIA's MIG User Guide).
  EXPECT_EQ(GpuInstanceCapMinor(0, 0), 3U);
  EXPECT_EQ(ComputeInstanceCapMinor(0, 0, 0), 4U);
  EXPECT_EQ(GpuInstanceCapMinor(0, 1), 12U);
  EXPECT_EQ(GpuInstanceCapMinor(1, 0), 138U);
}

TEST(MigLayoutTest, DerivedUuidsAreStableAndDistinct) {
  EXPECT_EQ(DeriveUuid("MIG-", "a"), DeriveUuid("MIG-", "a"));
  EXPECT_NE(DeriveUuid("MIG-", "a"), DeriveUuid("MIG-", "b"));
  EXPECT_EQ(DeriveUuid("MIG-", "a").size(), 40U);
}

}  // namespace
}  // namespace tranche::sim
