#include "gpu/mig_of.h"

#include <gtest/gtest.h>

namespace tranche::gpu {
namespace {

TEST(MigOfTest, FindsTheInstanceThatTheDriverTells) {
  Gpu gpu;
  gpu.mig_devices.resize(2);
  gpu.mig_devices[0].gpu_instance = 1;
  gpu.mig_devices[0].compute_instance = 0;
  gpu.mig_devices[1].gpu_instance = 2;
  gpu.mig_devices[1].compute_instance = 0;
  RunningProcess process;
  EXPECT_EQ(MigOf(gpu, process), nullptr) << "of no instance";
  process.gpu_instance = 2;
  EXPECT_EQ(MigOf(gpu, process), &gpu.mig_devices[1]) << "the compute instance need not be told";
  process.compute_instance = 0;
  EXPECT_EQ(MigOf(gpu, process), &gpu.mig_devices[1]);
  process.compute_instance = 1;
  EXPECT_EQ(MigOf(gpu, process), nullptr);
}

}  // namespace
}  // namespace tranche::gpu
