#include "labels/outlet.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/testing/temp_dir.h"
#include "labels/testing/outlet_fixture.h"

namespace tranche::labels {
namespace {

using namespace std::chrono_literals;
using base::Code;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::kEight;
using testing::kFour;
using ::testing::Not;
using testing::OutletTest;

TEST_F(OutletTest, TextIsWrittenOnceForEachSetOfLabels) {
  std::vector<std::string> written;
  const auto outlet = NewTextOutlet(
      loop_, [&](const std::string& text) { written.push_back(text); }, StateChanged());
  outlet->Publish(kFour);
  outlet->Publish(kFour);
  outlet->Publish(kEight);
  EXPECT_THAT(states_, IsEmpty());
  loop_.RunPosted();
  EXPECT_THAT(written, ElementsAre(FormatLabels(kFour), FormatLabels(kEight)));
  EXPECT_THAT(states_, ElementsAre(Code::kOk, Code::kOk, Code::kOk));
}

class FileOutletTest : public OutletTest {
 protected:
  std::string Read() {
    const auto text = base::ReadFile(path_, 1U << 16U);
    return text.ok() ? *text : text.status().message();
  }
  const base::testing::TempDir directory_;
  const std::string path_ = directory_ / "features.d/gfd";
};

TEST_F(FileOutletTest, TheFileIsReplacedByWayOfAHiddenOneAndRemovedInTheEnd) {
  const auto outlet = NewFileOutlet(loop_, path_, StateChanged());
  outlet->Publish(kFour);
  EXPECT_EQ(Read(), FormatLabels(kFour));
  const base::FileIdentity first = base::IdentityOf(path_);
  outlet->Publish(kFour);
  EXPECT_EQ(base::IdentityOf(path_), first);  // not written where nothing differs
  outlet->Publish(kEight);
  EXPECT_EQ(Read(), FormatLabels(kEight));
  EXPECT_THAT(*base::ListDirectory(base::ParentDirectory(path_)), ElementsAre("gfd"));
  outlet->Withdraw();
  EXPECT_FALSE(base::Exists(path_));
  loop_.AdvanceBy(10min);
  EXPECT_FALSE(base::Exists(path_));
}

TEST_F(FileOutletTest, WhatCannotBeWrittenIsTriedAgain) {
  ASSERT_TRUE(base::WriteFileAtomic(directory_ / "features.d", "in the way").ok());
  const auto outlet = NewFileOutlet(loop_, path_, StateChanged());
  outlet->Publish(kFour);
  loop_.AdvanceBy(30s);
  EXPECT_THAT(states_, ElementsAre(Not(Code::kOk)));
  std::filesystem::remove(directory_ / "features.d");
  loop_.AdvanceBy(1min);
  EXPECT_EQ(Read(), FormatLabels(kFour));
  EXPECT_EQ(states_.back(), Code::kOk);
}

TEST_F(FileOutletTest, AFileThatSomebodyRemovesComesBack) {
  const auto outlet = NewFileOutlet(loop_, path_, StateChanged());
  outlet->Publish(kFour);
  std::filesystem::remove(path_);
  loop_.AdvanceBy(1min);
  EXPECT_EQ(Read(), FormatLabels(kFour));
}

}  // namespace
}  // namespace tranche::labels
