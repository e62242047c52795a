// What gpu-feature-discovery makes of a config that the device plugin refuses, and what both make
// of folders, discovery strategies and the spelling of keys.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "config/load.h"

namespace tranche::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

base::Result<Loaded> Read(const std::string& text, Reader reader = Reader::kPlugin) {
  return LoadConfig("version: v1\n" + text, "test.yaml", {}, {}, reader);
}

base::Result<Loaded> WithFlag(const std::string& flag, const std::string& value,
                              Reader reader = Reader::kPlugin) {
  return LoadConfig("", "", {{flag, {value}, flag}}, {}, reader);
}

TEST(ReaderTest, WhatOnlyThePluginUsesIsNothingToFeatureDiscovery) {
  for (const std::string text :
       {"flags: {plugin: {deviceListStrategy: wish}}", "flags: {plugin: {deviceIDStrategy: name}}",
        "flags: {plugin: {sharedDevicesAllocationPolicy: scattered}}",
        "imex: {channelIDs: [0, 1]}"}) {
    EXPECT_FALSE(Read(text).ok()) << text;
    EXPECT_TRUE(Read(text, Reader::kFeatureDiscovery).ok()) << text;
  }
  EXPECT_FALSE(WithFlag("mig-strategy", "").ok());
  const auto empty = WithFlag("mig-strategy", "", Reader::kFeatureDiscovery);
  ASSERT_TRUE(empty.ok()) << empty.status().message();
  EXPECT_EQ(empty->config.flags.mig_strategy, MigStrategy::kNone);
}

TEST(ReaderTest, WhatFeatureDiscoveryUsesItChecks) {
  for (const std::string text :
       {"flags: {migStrategy: double}", "flags: {deviceDiscoveryStrategy: guess}",
        "flags: {gfd: {sleepInterval: soon}}",
        "sharing: {mps: {resources: [{name: gpu, replicas: 2}]}}",
        "flags: {plugin: {deviceListStrategy: {}}}", "imex: {channelIDs: x}"}) {
    EXPECT_FALSE(Read(text, Reader::kFeatureDiscovery).ok()) << text;
  }
}

TEST(ReaderTest, OtherWaysToFindDevicesAreNotSupported) {
  for (const Reader reader : {Reader::kPlugin, Reader::kFeatureDiscovery}) {
    for (const std::string strategy : {"tegra", "vfio"}) {
      const auto loaded = WithFlag("device-discovery-strategy", strategy, reader);
      EXPECT_EQ(loaded.status().code(), base::Code::kUnimplemented);
      EXPECT_THAT(loaded.status().message(), HasSubstr(strategy + " is not supported"));
    }
    EXPECT_THAT(WithFlag("device-discovery-strategy", "guess", reader).status().message(),
                HasSubstr("invalid --device-discovery-strategy option guess"));
  }
}

TEST(ReaderTest, RootsAreAbsoluteAndClean) {
  for (const auto& [given, clean] :
       {std::pair("", "/"), std::pair("/", "/"), std::pair("//", "/"),
        std::pair("/run/nvidia/driver/", "/run/nvidia/driver"),
        std::pair("run//nvidia/./driver", "/run/nvidia/driver"),
        std::pair("/run/nvidia/toolkit/../driver//", "/run/nvidia/driver"),
        std::pair("/..", "/")}) {
    const auto driver = WithFlag("driver-root", given);
    ASSERT_TRUE(driver.ok());
    EXPECT_EQ(driver->config.flags.nvidia_driver_root, clean) << given;
    EXPECT_EQ(driver->config.flags.DevRoot(), clean) << given;
    const auto dev = WithFlag("dev-root", given);
    ASSERT_TRUE(dev.ok());
    EXPECT_EQ(dev->config.flags.DevRoot(), clean) << given;
  }
  const auto both = LoadConfig("flags: {nvidiaDriverRoot: /a/, nvidiaDevRoot: \"\"}", "", {}, {});
  EXPECT_EQ(both->config.flags.DevRoot(), "/a");
}

// Go folds them as Unicode does; keys of types that decode themselves match exactly.
TEST(ReaderTest, KeysMatchWithoutCaseInLettersBeyondAsciiToo) {
  const auto loaded = Read(
      "flag\xC5\xBF: {plugin: {nvidiaCT\xE2\x84\xAA"
      "Path: /x}}\n"
      "sharing: {time\xC5\xBFlicing: {resources: [{name: gpu, replicas: 2}]}}");
  ASSERT_TRUE(loaded.ok()) << loaded.status().message();
  EXPECT_EQ(loaded->config.flags.plugin.nvidia_ctk_path, "/x");
  EXPECT_EQ(loaded->config.time_slicing.resources.size(), 1U);
  EXPECT_THAT(LoadConfig("ver\xC5\xBFion: v2", "", {}, {}).status().message(),
              HasSubstr("version: \"v2\" is not known"));
  EXPECT_THAT(Read("sharing: {timeSlicing: {resource\xC5\xBF: [{name: gpu, replicas: 2}]}}")
                  .status()
                  .message(),
              HasSubstr("did you mean 'resources'?"));
}

}  // namespace
}  // namespace tranche::config
