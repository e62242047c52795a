#include "cli/programs/node_command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tranche::cli::programs {
namespace {

using ::testing::HasSubstr;

base::Result<node::NodeOptions> Read(const std::vector<std::string>& arguments) {
  auto parsed = common::ParseArguments(NodeFlags(), arguments);
  if (!parsed.ok()) return parsed.status();
  return ToNodeOptions(common::FlagValues(
      {.flags = NodeFlags(), .environment = {}, .command_line = std::move(parsed->overrides)}));
}

TEST(NodeFlagsTest, DefaultsNeedNoFlag) {
  const auto options = Read({});
  ASSERT_TRUE(options.ok()) << options.status().message();
  EXPECT_EQ(options->listen, "9436");
  EXPECT_EQ(options->page_listen, "127.0.0.1:9437");
  EXPECT_EQ(options->interval, std::chrono::seconds(1));
  EXPECT_EQ(options->dcgm_names, node::DcgmNames::kAuto);
  EXPECT_NE(options->hostname, "");
  EXPECT_EQ(options->driver_root, "/") << "there is no /driver-root here";
}

TEST(NodeFlagsTest, FlagsAreRead) {
  const auto options = Read({"--listen=127.0.0.1:0", "--dcgm-names=off", "--interval=250ms",
                             "--hostname=h", "--node-name=n", "--events"});
  ASSERT_TRUE(options.ok()) << options.status().message();
  EXPECT_EQ(options->dcgm_names, node::DcgmNames::kOff);
  EXPECT_EQ(options->interval, std::chrono::milliseconds(250));
  EXPECT_EQ(options->hostname, "h");
  EXPECT_TRUE(options->events);
  EXPECT_FALSE(options->config.Any());
}

TEST(NodeFlagsTest, TheConfigIsFollowedAsTheAgentDoes) {
  const auto options = Read({"--node-name=n", "--watch-node", "--profiles-configmap=ns/map",
                             "--default-profile=d", "--fallback-strategies=named,single"});
  ASSERT_TRUE(options.ok()) << options.status().message();
  EXPECT_TRUE(options->config.Any());
  EXPECT_EQ(options->config.cluster.config_map, "ns/map");
  EXPECT_EQ(options->config.cluster.node_label, "nvidia.com/device-plugin.config");
  EXPECT_EQ(options->config.files.default_profile, "d");
  EXPECT_EQ(options->config.files.fallbacks.size(), 2U);
  EXPECT_TRUE(Read({"--config-file=/c.yaml"})->config.Any());
  EXPECT_THAT(Read({"--watch-node"}).status().message(), HasSubstr("--node-name"));
  EXPECT_THAT(Read({"--profiles-configmap=map"}).status().message(), HasSubstr("NAMESPACE/NAME"));
}

TEST(NodeFlagsTest, WallsAreBroughtToPodsFromFixedPlaces) {
  const auto options = Read({});
  ASSERT_TRUE(options.ok()) << options.status().message();
  EXPECT_EQ(options->walls.directory, "/run/tranche/walls");
  EXPECT_EQ(options->delivery.files, "/var/lib/tranche/shim");
  EXPECT_EQ(options->delivery.walls, "/run/tranche/walls");
  EXPECT_THAT(options->delivery.cdi_directories,
              ::testing::ElementsAre("/etc/cdi", "/var/run/cdi"));
  EXPECT_TRUE(options->delivery.source.ends_with("/shim")) << options->delivery.source;
  const auto other = Read(
      {"--walls-directory=/w", "--shim-files=/i", "--shim-directory=", "--shim-cdi-dirs=/c,/d"});
  ASSERT_TRUE(other.ok()) << other.status().message();
  EXPECT_EQ(other->delivery.walls, "/w");
  EXPECT_EQ(other->delivery.source, "/i");
  EXPECT_EQ(other->delivery.files, "");
  EXPECT_THAT(other->delivery.cdi_directories, ::testing::ElementsAre("/c", "/d"));
  EXPECT_THAT(Read({"--shim-directory=shim"}).status().message(), HasSubstr("absolute"));
}

TEST(NodeFlagsTest, WhatMakesNoSenseIsSaid) {
  EXPECT_THAT(Read({"--dcgm-names=some"}).status().message(), HasSubstr("auto, on or off"));
  EXPECT_THAT(Read({"--interval=1ms"}).status().message(), HasSubstr("--interval"));
  EXPECT_THAT(Read({"--interval=1h"}).status().message(), HasSubstr("--interval"));
  EXPECT_THAT(Read({"--listen=nowhere:x"}).status().message(), HasSubstr("--listen"));
  EXPECT_THAT(Read({"--page-listen=0.0.0.0:9437"}).status().message(),
              HasSubstr("--page-listen: the page is served on this machine's own address only"));
  EXPECT_EQ(Read({"--page-listen="})->page_listen, "");
  EXPECT_THAT(Read({"--events"}).status().message(), HasSubstr("--node-name"));
}

}  // namespace
}  // namespace tranche::cli::programs
