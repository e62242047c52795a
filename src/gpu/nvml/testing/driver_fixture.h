// The driver on the table of C functions of fake_nvml.h, with four GPUs and a folder that takes the
// place of /sys and /proc, for the tests of this room.
//
// Threading: the test's thread.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "base/testing/temp_dir.h"
#include "gpu/nvml/driver.h"
#include "gpu/nvml/testing/fake_nvml.h"

namespace tranche::gpu::nvml::testing {

class NvmlDriverTest : public ::testing::Test {
 protected:
  NvmlDriverTest() {
    fake = &nvml_;
    for (unsigned i = 0; i < 4; ++i) {
      FakeGpu gpu;
      gpu.uuid = "GPU-" + std::to_string(i);
      gpu.minor = 3 - i;
      gpu.bus_id = "00000000:0" + std::to_string(i) + ":00.0";
      nvml_.gpus.push_back(gpu);
    }
  }
  ~NvmlDriverTest() override {
    driver_.reset();
    fake = nullptr;
  }
  void Write(const std::string& path, const std::string& text) {
    const std::filesystem::path full = root_ / path;
    std::filesystem::create_directories(full.parent_path());
    std::ofstream(full) << text;
  }
  GpuDriver& Driver() {
    if (driver_ == nullptr) {
      driver_ = NewNvmlDriverOn(MakeTable(), {.driver_root = "", .sys_root = root_.path()});
    }
    EXPECT_TRUE(driver_->Initialise().ok());
    return *driver_;
  }
  Inventory Enumerate() {
    auto inventory = Driver().Enumerate();
    EXPECT_TRUE(inventory.ok());
    return *inventory;
  }
  std::vector<std::string> Uuids(const Inventory& inventory) {
    std::vector<std::string> uuids;
    for (const Gpu& gpu : inventory.gpus) uuids.push_back(gpu.uuid);
    return uuids;
  }
  void Cut(std::size_t gpu, unsigned slices, unsigned long long mib, const std::string& name,
           unsigned compute_slices = 0) {
    FakeMig mig;
    mig.name = nvml_.gpus[gpu].name + " MIG " + name;
    mig.uuid = "MIG-" + std::to_string(nvml_.migs.size());
    mig.gi = static_cast<unsigned>(nvml_.gpus[gpu].mig.size()) + 1;
    mig.attributes.gpu_instance_slice_count = slices;
    mig.attributes.compute_instance_slice_count = compute_slices == 0 ? slices : compute_slices;
    mig.attributes.memory_size_mb = mib;
    nvml_.gpus[gpu].mig_enabled = true;
    nvml_.gpus[gpu].mig.push_back(static_cast<int>(nvml_.migs.size()));
    nvml_.migs.push_back(mig);
  }

  FakeNvml nvml_;
  const base::testing::TempDir root_;
  std::unique_ptr<GpuDriver> driver_;
};

}  // namespace tranche::gpu::nvml::testing
