#include "node/followed_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "base/testing/fake_loop.h"
#include "base/testing/temp_dir.h"

namespace tranche::node {
namespace {

using namespace std::chrono_literals;

class FollowedConfigTest : public ::testing::Test {
 protected:
  // A file in the folder of the config, and time for it to be noticed.
  void Write(const std::string& name, const std::string& text) {
    EXPECT_TRUE(base::WriteFileAtomic(dir_ / name, text).ok());
    for (int i = 0; i < 100; ++i) loop_.AdvanceBy(100ms);
  }

  base::testing::TempDir dir_;
  base::testing::FakeLoop loop_;
  int changes_ = 0;
};

TEST_F(FollowedConfigTest, OnlyWhatIsNewIsTold) {
  ASSERT_TRUE(base::WriteFileAtomic(dir_ / "config.yaml", "version: v1\n").ok());
  FollowedConfig config(loop_, {.files = {.config_file = dir_ / "config.yaml"}, .cluster = {}},
                        [this] { ++changes_; });
  config.Start();
  Write("other", "1");
  ASSERT_TRUE(config.config().has_value());
  const int at_rest = changes_;
  for (const char* text : {"2", "3"}) Write("other", text);
  Write("config.yaml", "version: v1\n");
  EXPECT_EQ(changes_, at_rest) << "it says what it has said before";
  Write("config.yaml", "version: v7\n");
  EXPECT_GT(changes_, at_rest);
  EXPECT_NE(config.State()->error, "");
}

}  // namespace
}  // namespace tranche::node
