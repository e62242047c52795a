#include "cli/common/table.h"

#include <gtest/gtest.h>

namespace tranche::cli::common {
namespace {

TEST(TableTest, ColumnsLineUpAndRowsEndAtTheirLastCell) {
  EXPECT_EQ(
      Table({{{"A"}, {"BB"}, {"C"}}, {{"long"}, {""}, {"x"}}, {{"é"}, {"b"}, {""}}}, Color::kOff),
      "A     BB  C\n"
      "long      x\n"
      "é     b\n");
}

TEST(TableTest, ColourDoesNotCountAsWidth) {
  EXPECT_EQ(Table({{{"A"}, {"B"}}, {{"bad", Tint::kBad}, {"x"}}}, Color::kOn),
            "\x1b[2mA\x1b[0m    \x1b[2mB\x1b[0m\n\x1b[31mbad\x1b[0m  x\n");
  EXPECT_EQ(Tinted("x", Tint::kBad, Color::kOff), "x");
  EXPECT_EQ(Tinted("x", Tint::kNone, Color::kOn), "x");
}

}  // namespace
}  // namespace tranche::cli::common
