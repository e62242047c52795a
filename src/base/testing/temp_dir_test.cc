#include "base/testing/temp_dir.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <optional>
#include <string>

namespace tranche::base::testing {
namespace {

namespace fs = std::filesystem;

TEST(TempDirTest, EachIsAnotherEmptyFolder) {
  const TempDir one;
  const TempDir two;
  EXPECT_NE(one.path(), two.path());
  EXPECT_TRUE(fs::is_directory(one.path()));
  EXPECT_TRUE(fs::is_empty(one.path()));
  EXPECT_EQ(one / "x", one.path() + "/x");
}

TEST(TempDirTest, GoesWithAllThatIsInIt) {
  std::optional<TempDir> dir(std::in_place);
  const std::string path = dir->path();
  fs::create_directories(*dir / "a/b");
  std::ofstream(*dir / "a/b/file") << "x";
  fs::create_symlink("/nowhere", *dir / "a/link");
  dir.reset();
  EXPECT_FALSE(fs::exists(path));
}

TEST(TempDirTest, GoesQuietlyWhereItIsGoneAlready) {
  const TempDir dir;
  fs::remove_all(dir.path());
}

TEST(TempDirTest, ItsPathHasNoSymbolicLinks) {
  const TempDir outer;
  fs::create_directory(outer / "real");
  fs::create_directory_symlink(outer / "real", outer / "link");
  const char* before = std::getenv("TMPDIR");
  const std::optional<std::string> kept =
      before ? std::optional<std::string>(before) : std::nullopt;
  setenv("TMPDIR", (outer / "link").c_str(), 1);
  const TempDir inner;
  kept ? setenv("TMPDIR", kept->c_str(), 1) : unsetenv("TMPDIR");
  EXPECT_TRUE(inner.path().starts_with(outer / "real/")) << inner.path();
}

}  // namespace
}  // namespace tranche::base::testing
