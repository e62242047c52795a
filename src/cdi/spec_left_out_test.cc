// Devices that the CDI spec cannot name: each takes itself out, and never its neighbours.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "cdi/spec.h"
#include "cdi/testing/driver_tree.h"

namespace tranche::cdi {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

class CdiLeftOutTest : public ::testing::Test {
 protected:
  CdiFiles Made(const config::Config& config = {}) {
    auto made = BuildCdiFiles(config, inventory_, tree_.roots("/run/nvidia/driver"));
    EXPECT_TRUE(made.ok()) << made.status().message();
    return made.ok() ? std::move(*made) : CdiFiles();
  }
  static std::vector<std::string> Names(const CdiFiles& made) {
    std::vector<std::string> names;
    if (made.files.empty()) return names;
    for (const base::Json& device : made.files.front().spec.Find("devices")->as_array()) {
      names.push_back(device.Find("name")->as_string());
    }
    return names;
  }

  const testing::TestDriverTree tree_{"usr/lib/x86_64-linux-gnu"};
  gpu::Inventory inventory_ = testing::TestInventory();
};

TEST_F(CdiLeftOutTest, NothingOfAWholeNode) {
  EXPECT_THAT(Made().left_out, IsEmpty());
  EXPECT_THAT(Made().missing, IsEmpty());
}

TEST_F(CdiLeftOutTest, AGpuWithoutItsNode) {
  tree_.Remove("dev/nvidia1");
  const CdiFiles made = Made();
  EXPECT_THAT(Names(made), ElementsAre(inventory_.gpus[0].uuid));
  EXPECT_THAT(made.left_out, ElementsAre(Pair(inventory_.gpus[1].uuid,
                                              "no CDI device can be made of it: " + tree_.path() +
                                                  "/dev/nvidia1 is no character device")));
}

TEST_F(CdiLeftOutTest, AMigDeviceWithoutACapabilityNodeAndItsGpuAsAWhole) {
  gpu::Gpu& gpu = inventory_.gpus[0];
  gpu.mig_enabled = true;
  for (const char* cap : {"12", "99"}) {
    gpu::MigDevice mig;
    mig.uuid = std::string("MIG-") + cap;
    mig.index = static_cast<int>(gpu.mig_devices.size());
    mig.device_paths = {"/dev/nvidia0", std::string("/dev/nvidia-caps/nvidia-cap") + cap};
    gpu.mig_devices.push_back(mig);
  }
  const CdiFiles made = Made();
  EXPECT_THAT(Names(made), ElementsAre(inventory_.gpus[1].uuid, "MIG-12"));
  EXPECT_THAT(made.left_out,
              ElementsAre(Pair(gpu.uuid, HasSubstr("cut by MIG")),
                          Pair("MIG-99", HasSubstr("nvidia-cap99 is no character device"))));
}

TEST_F(CdiLeftOutTest, ADeviceWhoseNameCdiDoesNotAllow) {
  inventory_.gpus[1].uuid = "GPU 1";
  const CdiFiles made = Made();
  EXPECT_THAT(Names(made), ElementsAre(inventory_.gpus[0].uuid));
  EXPECT_THAT(made.left_out, ElementsAre(Pair("GPU 1", HasSubstr("no CDI device can be made"))));
}

TEST_F(CdiLeftOutTest, WhereNoDeviceIsLeftThereIsNoFile) {
  tree_.Remove("dev/nvidia0");
  tree_.Remove("dev/nvidia1");
  const CdiFiles made = Made();
  EXPECT_THAT(made.files, IsEmpty());
  EXPECT_EQ(made.left_out.size(), 2U);
}

TEST_F(CdiLeftOutTest, WhatContainersNeedAndTheNodeHasNotIsTold) {
  for (const char* node : {"nvidia-uvm", "nvidiactl", "gdrdrv", "nvidia-fs0", "nvidia-fs1"}) {
    tree_.Remove(std::string("dev/") + node);
  }
  EXPECT_THAT(Made().missing, ElementsAre("nvidiactl", "nvidia-uvm"));
  config::Config config;
  config.flags.gdrcopy_enabled = true;
  config.flags.gds_enabled = true;
  config.flags.mofed_enabled = true;
  EXPECT_THAT(Made(config).missing, ElementsAre("nvidiactl", "nvidia-uvm", "gdrdrv", "nvidia-fs"));
  tree_.Remove("dev/infiniband");
  inventory_.gpus.clear();
  EXPECT_THAT(Made(config).missing, ElementsAre("gdrdrv", "nvidia-fs", "infiniband"));
}

}  // namespace
}  // namespace tranche::cdi
