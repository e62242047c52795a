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
  // Control characters and what is no ASCII go without a trace, in UTF-8 or not.
  EXPECT_EQ(SanitiseLabel("GeForce\xC2\xAE RTX\x01 5090\xFF\n"), "GeForce-RTX-5090");
  EXPECT_EQ(SanitiseLabel("a\xC2\xA0"
                          "b"),
            "ab");
}

}  // namespace
}  // namespace tranche::labels
