#include "gpu/nvml/library.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "gpu/nvml/testing/driver_fixture.h"

namespace tranche::gpu::nvml {
namespace {

using ::testing::HasSubstr;
using testing::NvmlDriverTest;

TEST_F(NvmlDriverTest, ARootWithoutLibraryLeavesItToTheLoader) {
  driver_ = NewNvmlDriver({.driver_root = root_.path(), .sys_root = ""});
  const base::Status status = driver_->Initialise();
  // On a machine with a GPU the loader finds one.
  if (status.ok()) GTEST_SKIP() << "this machine has NVIDIA's library";
  EXPECT_EQ(status.code(), base::Code::kNotFound);
}

TEST_F(NvmlDriverTest, AnEmptyFileIsAnError) {
  Write("usr/lib64/libnvidia-ml.so.1", "");
  driver_ = NewNvmlDriver({.driver_root = root_.path(), .sys_root = ""});
  const base::Status status = driver_->Initialise();
  EXPECT_EQ(status.code(), base::Code::kUnavailable);
  EXPECT_THAT(status.message(), HasSubstr("usr/lib64/libnvidia-ml.so.1"));
}

TEST_F(NvmlDriverTest, AnotherLibraryUnderTheNameIsAnError) {
  std::filesystem::path other;
  for (const char* path : {"/lib/x86_64-linux-gnu/libm.so.6", "/lib/aarch64-linux-gnu/libm.so.6",
                           "/lib64/libm.so.6"}) {
    if (std::filesystem::exists(path)) other = path;
  }
  ASSERT_FALSE(other.empty());
  std::filesystem::create_directories(root_ / "lib64");
  std::filesystem::create_symlink(other, root_ / "lib64/libnvidia-ml.so.1");
  driver_ = NewNvmlDriver({.driver_root = root_.path(), .sys_root = ""});
  const base::Status status = driver_->Initialise();
  EXPECT_EQ(status.code(), base::Code::kUnavailable);
  EXPECT_THAT(status.message(), HasSubstr("nvmlInit"));
}

}  // namespace
}  // namespace tranche::gpu::nvml
