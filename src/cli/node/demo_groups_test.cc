#include "cli/node/demo_groups.h"

#include <gtest/gtest.h>

#include "base/testing/temp_dir.h"

namespace tranche::cli::node {
namespace {

// A folder stands in for a tree of control groups: what is made and removed in both are folders.
class DemoGroupTest : public ::testing::Test {
 protected:
  base::testing::TempDir tree_;
};

TEST_F(DemoGroupTest, WhatAKilledDemoHasLeftIsRemovedByTheNext) {
  const std::string left = tree_.path() + "/tranche-demo-1/kubepods/pod/container";
  ASSERT_TRUE(base::MakeDirectories(left).ok());
  ASSERT_TRUE(base::MakeDirectories(tree_.path() + "/another").ok());
  const auto made = MakeDemoGroup(tree_.path());
  ASSERT_TRUE(made.ok()) << made.status().message();
  EXPECT_TRUE(base::Exists(made->folder));
  EXPECT_FALSE(base::Exists(tree_.path() + "/tranche-demo-1"));
  EXPECT_TRUE(base::Exists(tree_.path() + "/another"));
}

TEST_F(DemoGroupTest, TheGroupOfADemoThatLivesIsLeftAlone) {
  auto made = MakeDemoGroup(tree_.path());
  ASSERT_TRUE(made.ok());
  EXPECT_FALSE(MakeDemoGroup(tree_.path()).ok()) << "it has the same name, and is locked";
  EXPECT_TRUE(base::Exists(made->folder));
  made->lock = base::UniqueFd();
  EXPECT_TRUE(MakeDemoGroup(tree_.path()).ok());
}

TEST_F(DemoGroupTest, WhereNoneCanBeMadeItSaysSo) {
  EXPECT_FALSE(MakeDemoGroup(tree_.path() + "/none").ok());
}

}  // namespace
}  // namespace tranche::cli::node
