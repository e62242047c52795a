#include "cli/sim/call_code.h"

#include <gtest/gtest.h>

namespace tranche::cli::sim {
namespace {

TEST(CallCodeTest, NamesAndNumbers) {
  EXPECT_EQ(*ParseCallCode("nvmlInit", "GPU_IS_LOST"), 15U);
  EXPECT_EQ(*ParseCallCode("nvmlInit", "nvml_error_gpu_is_lost"), 15U);
  EXPECT_EQ(*ParseCallCode("nvmlInit", "9"), 9U);
  EXPECT_FALSE(ParseCallCode("nvmlInit", "nonsense").ok());
  EXPECT_FALSE(ParseCallCode("nvmlInit", "OUT_OF_MEMORY").ok());
  EXPECT_EQ(*ParseCallCode("cuMemAlloc", "OUT_OF_MEMORY"), 2U);
  EXPECT_EQ(*ParseCallCode("cu*", "CUDA_ERROR_UNKNOWN"), 999U);
  EXPECT_EQ(*ParseCallCode("cuInit", "802"), 802U);
  EXPECT_FALSE(ParseCallCode("cuInit", "GPU_IS_LOST").ok());
}

}  // namespace
}  // namespace tranche::cli::sim
