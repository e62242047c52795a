#include "labels/choice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tranche::labels {
namespace {

TEST(CheckOutletTest, NamesWhatIsMissing) {
  EXPECT_TRUE(CheckOutlet({}).ok());
  EXPECT_TRUE(CheckOutlet({.kind = "nfd-file"}).ok());
  EXPECT_FALSE(CheckOutlet({.kind = "nodes"}).ok());
  EXPECT_EQ(CheckOutlet({.kind = "node"}).message(), "required flag \"node-name\" not set");
  EXPECT_TRUE(CheckOutlet({.kind = "node", .node = {.node = "n"}}).ok());
  EXPECT_EQ(CheckOutlet({.kind = "node-feature", .node = {.node = "n"}}).message(),
            "required flag \"namespace\" not set");
}

}  // namespace
}  // namespace tranche::labels
