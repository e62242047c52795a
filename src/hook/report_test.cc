#include "hook/report.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "base/testing/temp_dir.h"

namespace tranche::hook {
namespace {

class ReportTest : public testing::Test {
 protected:
  [[nodiscard]] std::string Read(const std::string& name) const {
    std::stringstream text;
    text << std::ifstream(births() + "/" + name).rdbuf();
    return text.str();
  }
  [[nodiscard]] std::string births() const { return folder_.path() + "/births"; }

  base::testing::TempDir folder_;
};

TEST_F(ReportTest, OneLineOfJsonThatRootAloneReads) {
  Report report;
  report.id.Add("c1");
  report.reason = Reason::kFailed;
  report.message.Add("a \"quote\"\n\xff");
  report.libraries.Add({.path = Line<255>("/usr/lib/libcuda.so.1"), .state = State::kCovered});
  report.libraries.Add({.path = Line<255>("/x"), .state = State::kReplaced});
  EXPECT_TRUE(Write(births().c_str(), report));
  EXPECT_EQ(
      Read("c1"),
      R"({"walls":"no","reason":"failed","message":"a \"quote\"\u000a\ufffd","libraries":)"
      R"([{"path":"/usr/lib/libcuda.so.1","state":"covered"},{"path":"/x","state":"replaced"}]})"
      "\n");
  struct stat status = {};
  ASSERT_EQ(stat((births() + "/c1").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
  ASSERT_EQ(stat(births().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0700U);
}

TEST_F(ReportTest, ASecondReportTakesThePlaceOfTheFirst) {
  Report report;
  report.id.Add("c1");
  EXPECT_TRUE(Write(births().c_str(), report));
  report.reason = Reason::kNone;
  EXPECT_TRUE(Write(births().c_str(), report));
  EXPECT_NE(Read("c1").find(R"({"walls":"yes","reason":"")"), std::string::npos);
}

TEST_F(ReportTest, TheLongestNamesFit) {
  Report report;
  report.id.Add(std::string(128, 'c'));
  const std::string wild(255, '\x01');
  for (int i = 0; i < 16; ++i) report.libraries.Add({.path = Line<255>(wild)});
  EXPECT_TRUE(Write(births().c_str(), report));
  EXPECT_TRUE(Read(std::string(128, 'c')).ends_with("]}\n"));
}

TEST_F(ReportTest, AnIdThatIsNoFileNameIsNotWritten) {
  for (const char* id : {"", ".", "..", "../c1", "a/b", "a b", ".hidden"}) {
    Report report;
    report.id.Add(id);
    EXPECT_FALSE(Write(births().c_str(), report)) << id;
  }
  EXPECT_FALSE(std::filesystem::exists(births()));
}

TEST_F(ReportTest, NothingIsWrittenThroughALink) {
  std::filesystem::create_directory(folder_.path() + "/other");
  std::filesystem::create_symlink(folder_.path() + "/other", births());
  Report report;
  report.id.Add("c1");
  EXPECT_FALSE(Write(births().c_str(), report));
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path() + "/other"));
}

}  // namespace
}  // namespace tranche::hook
