#include "cli/kubectl/complete.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tranche::cli::kubectl {
namespace {

using ::testing::ElementsAre;

std::vector<std::string> After(const std::vector<std::string>& words) {
  return CompleteKubectl(words, {.nodes =
                                     [] {
                                       return std::vector<std::string>{"gpu-node", "dev-gpu-node"};
                                     },
                                 .profiles =
                                     [](const std::string& node) {
                                       return std::vector<std::string>{"dev", "of-" + node};
                                     }});
}

TEST(CompleteKubectlTest, CommandsFirst) {
  EXPECT_THAT(After({""}), ElementsAre("pods", "profile", "status", "top", "validate", ":4"));
  EXPECT_THAT(After({"st"}), ElementsAre("status", ":4"));
  EXPECT_THAT(After({}), ElementsAre("pods", "profile", "status", "top", "validate", ":4"));
  EXPECT_THAT(After({"--context", "x", "p"}), ElementsAre("pods", "profile", ":4"));
}

TEST(CompleteKubectlTest, NodesAndThenTheProfilesOfThatNode) {
  EXPECT_THAT(After({"status", ""}), ElementsAre("dev-gpu-node", "gpu-node", ":4"));
  EXPECT_THAT(After({"top", "g"}), ElementsAre("gpu-node", ":4"));
  EXPECT_THAT(After({"pods", "-n", "team-a", "g"}), ElementsAre("gpu-node", ":4"));
  EXPECT_THAT(After({"profile", "g"}), ElementsAre("gpu-node", ":4"));
  EXPECT_THAT(After({"profile", "gpu-node", ""}), ElementsAre("dev", "of-gpu-node", ":4"));
  EXPECT_THAT(After({"profile", "gpu-node", "dev", ""}), ElementsAre(":4"));
  EXPECT_THAT(After({"validate", "f.yaml", "--node", ""}),
              ElementsAre("dev-gpu-node", "gpu-node", ":4"));
}

TEST(CompleteKubectlTest, FlagsAndTheirValues) {
  EXPECT_THAT(After({"profile", "--t"}), ElementsAre("--timeout", ":4"));
  EXPECT_THAT(After({"status", "-o", ""}), ElementsAre("json", "table", "wide", "yaml", ":4"));
  EXPECT_THAT(After({"top", "-o", "n"}), ElementsAre("name", ":4"));
  EXPECT_THAT(After({"top", "--sort", ""}), ElementsAre("busy", "idle", "memory", "name", ":4"));
  EXPECT_THAT(After({"pods", "--a"}), ElementsAre("--all-namespaces", ":4"));
  EXPECT_THAT(After({"status", "--a"}), ElementsAre(":4"));
  EXPECT_THAT(After({"status", "--timeout", ""}), ElementsAre(":4"));
}

TEST(CompleteKubectlTest, FilesWhereFilesAreMeant) {
  EXPECT_THAT(After({"validate", ""}), ElementsAre(":0"));
  EXPECT_THAT(After({"status", "--kubeconfig", ""}), ElementsAre(":0"));
}

TEST(TypedFlagTest, BothWaysOfSayingIt) {
  EXPECT_EQ(TypedFlag({"--context", "a", ""}, "--context"), "a");
  EXPECT_EQ(TypedFlag({"--context=b", ""}, "--context"), "b");
  EXPECT_EQ(TypedFlag({"--context"}, "--context"), "");
}

}  // namespace
}  // namespace tranche::cli::kubectl
