#include "check/print.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace tranche::check {
namespace {

class PrintTest : public testing::Test {
 protected:
  PrintTest() {
    Found found{.name = hook::Line<255>("libcuda.so.1"),
                .file = hook::Path("/usr/lib/libcuda.so.550.1")};
    found.shim = true;
    found.real = hook::Path("/run/tranche/real/0/libcuda.so.1");
    libraries_->Add(found);
    answer_.answers = answer_.walled = true;
    answer_.devices.Add({.uuid = hook::Line<36>("0011"),
                         .limit_bytes = std::uint64_t{80} << 30,
                         .used_bytes = (std::uint64_t{3} << 20) / 2,
                         .refusals = 7});
  }
  std::string Json() {
    auto text = std::make_unique<Text>();
    PrintJson(*libraries_, answer_, text.get());
    return std::string(text->view());
  }
  std::string Lines() {
    auto text = std::make_unique<Text>();
    PrintText(*libraries_, answer_, text.get());
    return std::string(text->view());
  }

  std::unique_ptr<Libraries> libraries_ = std::make_unique<Libraries>();
  Answer answer_;
};

TEST_F(PrintTest, AWalledContainer) {
  EXPECT_TRUE(IsWalled(*libraries_, answer_));
  EXPECT_EQ(
      Json(),
      R"({"walled":true,"why":"","libraries":[{"name":"libcuda.so.1","file":"/usr/lib/libcuda.so.550.1",)"
      R"("shim":true,"real":"/run/tranche/real/0/libcuda.so.1","why":""}],)"
      R"("nodeProgram":{"answers":true,"why":""},"devices":[{"uuid":"0011","limitBytes":85899345920,)"
      R"("usedBytes":1572864,"refusals":7}]})"
      "\n");
  EXPECT_EQ(Lines(),
            "shim     libcuda.so.1 is /usr/lib/libcuda.so.550.1, in front of "
            "/run/tranche/real/0/libcuda.so.1\n"
            "answers  the node program\n"
            "limit    0011: 81920.0 MiB, of which 1.5 MiB are used; 7 allocations were refused\n"
            "walled   yes\n");
}

TEST_F(PrintTest, AnotherFileWithoutAShimLeavesThatOneWalled) {
  Found found{.name = hook::Line<255>("/opt/lib\x1b[2J"), .file = hook::Path("/opt/lib\x1b[2J")};
  found.why = "Nothing covers it.";
  libraries_->Add(found);
  EXPECT_TRUE(IsWalled(*libraries_, answer_));
  EXPECT_EQ(Lines().find('\x1b'), std::string::npos);
  EXPECT_NE(Lines().find("no shim  /opt/lib\\u001b[2J\n         Nothing covers it.\n"),
            std::string::npos);
}

TEST_F(PrintTest, WithoutAShimOrWithoutAnAnswerThereIsNoWall) {
  answer_.walled = false;
  answer_.why = "This pod is to have no wall.";
  EXPECT_FALSE(IsWalled(*libraries_, answer_));
  EXPECT_NE(Json().find(R"({"walled":false,"why":"This pod is to have no wall.",)"),
            std::string::npos);
  (*libraries_)[0].shim = false;
  (*libraries_)[0].why = "There is no such library.";
  EXPECT_NE(Json().find(R"({"walled":false,"why":"There is no such library.",)"),
            std::string::npos);
  EXPECT_NE(Lines().find("walled   no\n"), std::string::npos);
  EXPECT_FALSE(IsWalled(*std::make_unique<Libraries>(), answer_));
}

}  // namespace
}  // namespace tranche::check
