#include "daemon/reasons.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>

namespace tranche::daemon {
namespace {

static_assert(FindReason("ConfigApplied") < kReasons.size());
static_assert(FindReason("ConfigAplied") == kReasons.size());
static_assert(FindReason("") == kReasons.size());

// The reasons that `text` does not raise: they are in it neither as a literal nor otherwise.
std::set<std::string> NotRaisedIn(const std::string& text) {
  std::set<std::string> unused;
  for (const ReasonText& reason : kReasons) {
    if (text.find('"' + std::string(reason.name) + '"') == std::string::npos) {
      unused.emplace(reason.name);
    }
  }
  return unused;
}

std::string SourcesOfOurs() {
  std::string all;
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(TRANCHE_SOURCE_DIR "/src")) {
    const std::string name = entry.path().filename().string();
    if (entry.path().extension() != ".cc" || name.ends_with("_test.cc")) continue;
    std::ifstream file(entry.path());
    all.append(std::istreambuf_iterator<char>(file), {});
  }
  return all;
}

// That nothing else is raised, the compiler sees to.
TEST(ReasonsTest, EveryReasonInTheTableIsRaisedSomewhere) {
  EXPECT_THAT(NotRaisedIn(SourcesOfOurs()), ::testing::IsEmpty());
}

TEST(ReasonsTest, AReasonThatNobodyRaisesIsFound) {
  EXPECT_EQ(NotRaisedIn("").size(), kReasons.size());
  EXPECT_FALSE(NotRaisedIn("\"NoHttp\"").contains("NoHttp"));
}

TEST(ReasonsTest, TheTableIsInOrderAndWhole) {
  EXPECT_TRUE(std::ranges::is_sorted(kReasons, {}, &ReasonText::name));
  for (const ReasonText& reason : kReasons) {
    EXPECT_TRUE(reason.meaning.ends_with(".")) << reason.name;
    EXPECT_TRUE(reason.advice.ends_with(".")) << reason.name;
  }
}

}  // namespace
}  // namespace tranche::daemon
