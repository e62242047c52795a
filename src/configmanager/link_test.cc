#include "configmanager/link.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "base/testing/real_loop.h"

namespace tranche::configmanager {
namespace {

namespace fs = std::filesystem;

TEST(PointLinkTest, TakesThePlaceOfALinkOrAFileInOneStep) {
  const base::testing::TempDir folder;
  const std::string link = folder / "config/config.yaml";
  ASSERT_TRUE(PointLink(link, "/available-configs/a").ok());
  EXPECT_EQ(LinkTarget(link), "/available-configs/a");
  ASSERT_TRUE(PointLink(link, "/dev/null").ok());
  EXPECT_EQ(LinkTarget(link), "/dev/null");
  fs::remove(link);
  std::ofstream(link) << "a file";
  ASSERT_TRUE(PointLink(link, "b").ok());
  EXPECT_EQ(LinkTarget(link), "b");
  EXPECT_EQ(base::testing::CountEntries(folder / "config"), 1);
  fs::remove(link);
  fs::create_directories(link + "/full");
  EXPECT_FALSE(PointLink(link, "c").ok());
  EXPECT_EQ(base::testing::CountEntries(folder / "config"), 1);
}

}  // namespace
}  // namespace tranche::configmanager
