#include "cli/reference/pages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>

namespace tranche::cli::reference {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

using Files = std::map<std::string, std::string>;

Files CheckedIn() {
  Files files;
  for (const auto& entry :
       std::filesystem::directory_iterator(TRANCHE_SOURCE_DIR "/docs/reference")) {
    std::ifstream file(entry.path());
    files[entry.path().filename().string()] = {std::istreambuf_iterator<char>(file), {}};
  }
  return files;
}

// Names of pages that are not as the program makes them, are not there, or that it does not make.
std::vector<std::string> Stale(Files files) {
  std::vector<std::string> stale;
  for (const Page& page : ReferencePages()) {
    const auto found = files.find(page.name);
    if (found == files.end() || found->second != page.text) stale.push_back(page.name);
    if (found != files.end()) files.erase(found);
  }
  for (const auto& [name, text] : files) stale.push_back(name);
  return stale;
}

TEST(ReferenceTest, ThePagesThatAreCheckedInAreAsTheProgramMakesThem) {
  EXPECT_THAT(Stale(CheckedIn()), IsEmpty())
      << "run: build/release/bin/tranche reference --output docs/reference";
}

TEST(ReferenceTest, APageThatDiffersIsMissingOrIsOneTooManyIsFound) {
  Files files;
  for (const Page& page : ReferencePages()) files[page.name] = page.text;
  EXPECT_THAT(Stale(files), IsEmpty());
  files["flags.md"] += "\n";
  files["old.md"] = "";
  files.erase("events.md");
  EXPECT_THAT(Stale(files), ElementsAre("flags.md", "events.md", "old.md"));
}

TEST(ReferenceTest, EveryRowOfATableHasAsManyCellsAsItsHead) {
  for (const Page& page : ReferencePages()) {
    int cells = 0;  // of the table's head; 0 outside of a table
    std::size_t at = 0;
    while (at < page.text.size()) {
      const std::size_t end = std::min(page.text.find('\n', at), page.text.size());
      const std::string line = page.text.substr(at, end - at);
      at = end + 1;
      if (!line.starts_with("|")) {
        cells = 0;
        continue;
      }
      int count = 0;
      for (std::size_t i = 0; i < line.size(); ++i) {
        if (line[i] == '|' && (i == 0 || line[i - 1] != '\\')) ++count;
      }
      EXPECT_EQ(count, cells == 0 ? count : cells) << page.name << ": " << line;
      cells = count;
    }
  }
}

}  // namespace
}  // namespace tranche::cli::reference
