// What the program does, and says, where the config asks for memory walls.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>

#include "cdi/shim.h"
#include "node/testing/node_case.h"

namespace tranche::node {
namespace {

using namespace std::chrono_literals;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

class NodeWallsTest : public testing::NodeTest {
 protected:
  NodeWallsTest() {
    std::filesystem::create_directories(root_ / "image");
    std::ofstream(root_ / "image/tranche-hook") << "hook";
    std::ofstream(root_ / "image/libcuda.tranche-12000.so.1") << "library";
    options_.config.files.config_file = root_ / "config.yaml";
    options_.walls.directory = root_ / "walls";
    options_.delivery = {.source = root_ / "image",
                         .files = root_ / "shim",
                         .walls = root_ / "walls",
                         .cdi_directories = {root_ / "cdi"},
                         .runs_here = true};
    Config("observe");
  }
  void Config(const std::string& mode) {
    EXPECT_TRUE(base::WriteFileAtomic(options_.config.files.config_file,
                                      "version: v1\nsharing: {timeSlicing: {resources: [{name: "
                                      "nvidia.com/gpu, replicas: 4}]}}\ntranche: {memory: {mode: " +
                                          mode + "}}\n")
                    .ok());
  }
  void ConfigOf(Node& node, const std::string& mode) {
    Config(mode);
    node.OnSignal(SIGHUP);
    for (int i = 0; i < 3; ++i) Second({});
  }
  [[nodiscard]] bool Published() const {
    return cdi::ShimConfirmedAt(options_.delivery.cdi_directories).ok();
  }
  static std::string ShimOf(const Node& node) {
    return node.StatusJson().Find("shim")->as_string();
  }
  static std::vector<std::string> Reasons(const Node& node) {
    std::vector<std::string> reasons;
    for (const daemon::Event& event : node.State().events) reasons.push_back(event.reason);
    return reasons;
  }
};

TEST_F(NodeWallsTest, TheShimIsPublishedWhereTheConfigAsksForWalls) {
  Run([&](Node& node) {
    for (int i = 0; i < 3; ++i) Second({});
    EXPECT_EQ(ShimOf(node), "not asked for");
    EXPECT_FALSE(Published());
    EXPECT_FALSE(base::Exists(root_ / "shim"));
    ConfigOf(node, "enforce");
    EXPECT_EQ(ShimOf(node), "published");
    EXPECT_TRUE(Published());
    EXPECT_TRUE(base::Exists(root_ / "shim/tranche-hook"));
    EXPECT_TRUE(base::Exists(root_ / "walls/arbiter.sock"));
    EXPECT_EQ(Value(node.MetricsText(), "tranche_walls_shim_published"), 1);
    EXPECT_EQ(Value(node.MetricsText(), R"(tranche_node_degraded_reasons{part="walls"})"), 0);
    EXPECT_THAT(Reasons(node), Not(Contains("WallsNotInstalled")));
  });
  EXPECT_TRUE(Published()) << "what running pods refer to stays";
}

TEST_F(NodeWallsTest, AShimThatCannotBePublishedIsSaid) {
  std::filesystem::remove(root_ / "image/tranche-hook");
  Config("enforce");
  Run([&](Node& node) {
    for (int i = 0; i < 3; ++i) Second({});
    EXPECT_THAT(ShimOf(node), HasSubstr("not published: "));
    EXPECT_THAT(node.State().degraded, Contains(HasSubstr("walls: the shim is not published: ")));
    EXPECT_EQ(Value(node.MetricsText(), "tranche_walls_shim_published"), 0);
    EXPECT_EQ(Value(node.MetricsText(), R"(tranche_node_degraded_reasons{part="walls"})"), 1);
    EXPECT_THAT(Reasons(node), Contains("WallsNotInstalled"));
    std::ofstream(root_ / "image/tranche-hook") << "hook";
    for (int i = 0; i < 12; ++i) Second({});
    EXPECT_EQ(ShimOf(node), "published");
    EXPECT_TRUE(node.State().degraded.empty()) << node.State().degraded[0];
  });
}

// A shim that nobody answers would be in pods for nothing.
TEST_F(NodeWallsTest, NothingIsPublishedWhereWallsCannotStand) {
  std::ofstream(root_ / "walls") << "no folder";
  Config("enforce");
  Run([&](Node& node) {
    for (int i = 0; i < 3; ++i) Second({});
    EXPECT_FALSE(Published());
    EXPECT_THAT(node.State().degraded, Contains(HasSubstr("walls: they do not stand: ")));
  });
}

}  // namespace
}  // namespace tranche::node
