#include "cli/top/keys.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tranche::cli::top {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(KeysTest, PlainOnes) {
  EXPECT_THAT(KeyReader().Read("qs?\x03"),
              ElementsAre(Key::kQuit, Key::kSort, Key::kHelp, Key::kQuit));
  EXPECT_THAT(KeyReader().Read("xyz\x7f"), IsEmpty());
}

TEST(KeysTest, NamedOnesOfSeveralTerminals) {
  EXPECT_THAT(KeyReader().Read("\x1b[A\x1bOB\x1b[5~\x1b[6~\x1b[H\x1bOF\x1b[1~\x1b[4~"),
              ElementsAre(Key::kUp, Key::kDown, Key::kPageUp, Key::kPageDown, Key::kHome, Key::kEnd,
                          Key::kHome, Key::kEnd));
}

TEST(KeysTest, OneThatComesInPieces) {
  KeyReader keys;
  EXPECT_THAT(keys.Read("\x1b"), IsEmpty());
  EXPECT_THAT(keys.Read("["), IsEmpty());
  EXPECT_THAT(keys.Read("6"), IsEmpty());
  EXPECT_THAT(keys.Read("~j"), ElementsAre(Key::kPageDown, Key::kDown));
}

TEST(KeysTest, UnknownSequencesTypeNothing) {
  // Among them F5, Shift-Up, and the end of a pasted text.
  EXPECT_THAT(KeyReader().Read("\x1b[15~\x1b[1;2A\x1b[201~"), IsEmpty());
  EXPECT_THAT(KeyReader().Read("\x1b[" + std::string(1000, '1') + "q"), ElementsAre(Key::kQuit));
}

TEST(KeysTest, EscapeAloneDelaysNothing) {
  EXPECT_THAT(KeyReader().Read("\x1bq"), ElementsAre(Key::kQuit));
  EXPECT_THAT(KeyReader().Read("\x1b\x1b[A"), ElementsAre(Key::kUp));
}

}  // namespace
}  // namespace tranche::cli::top
