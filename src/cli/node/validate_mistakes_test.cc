// What `tranche validate` says of mistakes that people made: tests/mistakes has the files, and what
// each message must name.
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <set>
#include <sstream>

#include "base/file.h"
#include "base/json.h"
#include "base/testing/places.h"
#include "cli/node/validate.h"

namespace tranche::cli::node {
namespace {

const std::string kFolder = std::string(base::testing::kSourceDir) + "/tests/mistakes/";

base::Result<gpu::Inventory> NoDriver(const std::string& /*node*/) {
  return base::Status(base::Code::kNotFound, "no driver library");
}

std::string Validate(const std::string& file, bool json, int& exit_code) {
  std::istringstream in;
  std::ostringstream out;
  std::ostringstream errors;
  exit_code = RunValidate({.files = {file}, .json = json}, NoDriver, in, out, errors);
  return out.str();
}

struct Expected {
  std::string place;  // "6:17"
  std::string what;
  std::string instead;
};

std::map<std::string, std::vector<Expected>> ReadExpected() {
  std::map<std::string, std::vector<Expected>> out;
  std::istringstream lines(*base::ReadFile(kFolder + "expected.tsv", 1U << 20U));
  for (std::string line; std::getline(lines, line);) {
    std::istringstream fields(line);
    std::string file;
    Expected one;
    std::getline(fields, file, '\t');
    std::getline(fields, one.place, '\t');
    std::getline(fields, one.what, '\t');
    std::getline(fields, one.instead, '\t');
    auto& all = out[file];
    if (one.place != "-") all.push_back(one);
  }
  return out;
}

bool HasLine(const std::string& text, const std::string& start, const Expected& wanted) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const std::size_t what = line.find(wanted.what);
    if (line.starts_with(start) && what != std::string::npos &&
        line.find(wanted.instead, what + wanted.what.size()) != std::string::npos) {
      return true;
    }
  }
  return false;
}

TEST(ValidateMistakesTest, EachMessageNamesPlaceMistakeAndMend) {
  for (const auto& [file, mistakes] : ReadExpected()) {
    int exit_code = 0;
    const std::string text = Validate(kFolder + file, false, exit_code);
    EXPECT_EQ(exit_code, mistakes.empty() ? kValidateWell : kValidateInvalid) << text;
    EXPECT_EQ(text.find("unable to"), std::string::npos) << text;
    for (const Expected& one : mistakes) {
      EXPECT_TRUE(HasLine(text, kFolder + file + ":" + one.place + ": error: ", one))
          << one.what << " | " << one.instead << "\n"
          << text;
    }
  }
}

TEST(ValidateMistakesTest, NoFileIsLeftOut) {
  std::set<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(kFolder)) {
    if (entry.path().extension() == ".yaml") files.insert(entry.path().filename());
  }
  std::set<std::string> expected;
  for (const auto& [file, mistakes] : ReadExpected()) expected.insert(file);
  EXPECT_EQ(files, expected);
}

TEST(ValidateMistakesTest, JsonHasTheSameAsData) {
  for (const auto& [file, mistakes] : ReadExpected()) {
    int exit_code = 0;
    const auto json = base::Json::Parse(Validate(kFolder + file, true, exit_code));
    ASSERT_TRUE(json.ok()) << file;
    std::set<std::string> places;
    for (const base::Json& profile : json->Find("profiles")->as_array()) {
      for (const base::Json& error : profile.Find("errors")->as_array()) {
        EXPECT_NE(error.Find("instead"), nullptr) << error.Dump();
        places.insert(std::to_string(error.Find("line")->as_int()) + ":" +
                      std::to_string(error.Find("column")->as_int()));
      }
    }
    for (const Expected& one : mistakes) EXPECT_TRUE(places.contains(one.place)) << file;
    EXPECT_EQ(json->Find("valid")->as_bool(), mistakes.empty()) << file;
  }
}

}  // namespace
}  // namespace tranche::cli::node
