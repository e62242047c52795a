#include "labels/label_text.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

namespace tranche::labels {
namespace {

TEST(SanitiseLabelTest, LeavesWhatALabelMayHave) {
  EXPECT_EQ(SanitiseLabel("NVIDIA A100-SXM4-80GB"), "NVIDIA-A100-SXM4-80GB");
  EXPECT_EQ(SanitiseLabel("  Quadro  RTX\t6000/8000 (x) "), "Quadro-RTX60008000-x");
  EXPECT_EQ(SanitiseLabel("/()"), "");
}

}  // namespace
}  // namespace tranche::labels
