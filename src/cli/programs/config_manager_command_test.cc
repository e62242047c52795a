#include "cli/programs/config_manager_command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

namespace tranche::cli::programs {
namespace {

using profile::Fallback;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

base::Result<ConfigManagerSetup> Read(const std::map<std::string, std::string>& environment,
                                      const std::vector<std::string>& arguments) {
  auto given = common::EnvironmentOverrides(
      ConfigManagerFlags(), [&](const std::string& name) -> std::optional<std::string> {
        const auto it = environment.find(name);
        if (it == environment.end()) return std::nullopt;
        return it->second;
      });
  if (!given.ok()) return given.status();
  auto parsed = common::ParseArguments(ConfigManagerFlags(), arguments);
  if (!parsed.ok()) return parsed.status();
  return ToConfigManagerSetup(
      cli::common::FlagValues({.flags = ConfigManagerFlags(),
                               .environment = std::move(*given),
                               .command_line = std::move(parsed->overrides)}));
}

// As the GPU operator (v26.7) sets it for its init container.
std::map<std::string, std::string> OperatorInit() {
  return {{"ONESHOT", "true"},
          {"SEND_SIGNAL", "false"},
          {"SIGNAL", ""},
          {"PROCESS_TO_SIGNAL", ""},
          {"KUBECONFIG", ""},
          {"NODE_NAME", "gpu-node"},
          {"NODE_LABEL", "nvidia.com/device-plugin.config"},
          {"CONFIG_FILE_SRCDIR", "/available-configs"},
          {"CONFIG_FILE_DST", "/config/config.yaml"},
          {"DEFAULT_CONFIG", "default"},
          {"FALLBACK_STRATEGIES", "empty"}};
}

TEST(ConfigManagerFlagsTest, TakesTheOperatorsInitContainer) {
  const auto setup = Read(OperatorInit(), {});
  ASSERT_TRUE(setup.ok()) << setup.status().message();
  EXPECT_TRUE(setup->options.oneshot);
  EXPECT_FALSE(setup->options.send_signal);
  EXPECT_EQ(setup->options.signal, 1);
  EXPECT_EQ(setup->options.process_to_signal, "nvidia-device-plugin");
  EXPECT_EQ(setup->kubeconfig, "");
  EXPECT_EQ(setup->options.default_config, "default");
  EXPECT_THAT(setup->options.fallbacks, ElementsAre(Fallback::kEmpty));
}

TEST(ConfigManagerFlagsTest, TakesTheOperatorsSideCar) {
  auto environment = OperatorInit();
  environment["ONESHOT"] = "false";
  environment["SEND_SIGNAL"] = "true";
  environment["SIGNAL"] = "1";
  environment["PROCESS_TO_SIGNAL"] = "gpu-feature-discovery";
  const auto setup = Read(environment, {});
  ASSERT_TRUE(setup.ok()) << setup.status().message();
  EXPECT_FALSE(setup->options.oneshot);
  EXPECT_TRUE(setup->options.send_signal);
  EXPECT_EQ(setup->options.process_to_signal, "gpu-feature-discovery");
  EXPECT_EQ(setup->options.source_directory, "/available-configs");
  EXPECT_EQ(setup->options.destination, "/config/config.yaml");
}

TEST(ConfigManagerFlagsTest, TheCommandLineBeatsTheEnvironment) {
  const auto setup = Read(OperatorInit(), {"--node-name=other", "--signal", "SIGUSR1",
                                           "--fallback-strategies=named,single", "--oneshot=0"});
  ASSERT_TRUE(setup.ok()) << setup.status().message();
  EXPECT_EQ(setup->options.node_name, "other");
  EXPECT_EQ(setup->options.signal, 10);
  EXPECT_FALSE(setup->options.oneshot);
  EXPECT_THAT(setup->options.fallbacks, ElementsAre(Fallback::kNamed, Fallback::kSingle));
}

TEST(ConfigManagerFlagsTest, WhatIsRequiredIsAskedForInUpstreamsWords) {
  for (const auto& [variable, flag] :
       std::map<std::string, std::string>{{"NODE_NAME", "node-name"},
                                          {"NODE_LABEL", "node-label"},
                                          {"CONFIG_FILE_SRCDIR", "config-file-srcdir"},
                                          {"CONFIG_FILE_DST", "config-file-dst"}}) {
    auto environment = OperatorInit();
    environment[variable] = "";
    EXPECT_EQ(Read(environment, {}).status().message(),
              "invalid <" + flag + ">: must not be empty string");
  }
  EXPECT_THAT(Read(OperatorInit(), {"--signal=NONE"}).status().message(), HasSubstr("<signal>"));
  EXPECT_THAT(Read(OperatorInit(), {"--fallback-strategies=all"}).status().message(),
              HasSubstr("unknown fallback strategy: all"));
}

TEST(ConfigManagerFlagsTest, DefaultsAreUpstreams) {
  const auto setup = Read({}, {"--node-name=n", "--config-file-srcdir=a", "--config-file-dst=b"});
  ASSERT_TRUE(setup.ok());
  EXPECT_FALSE(setup->options.oneshot);
  EXPECT_TRUE(setup->options.send_signal);
  EXPECT_EQ(setup->options.signal, 1);
  EXPECT_EQ(setup->options.node_label, "nvidia.com/device-plugin.config");
  EXPECT_THAT(setup->options.fallbacks, ElementsAre());
}

}  // namespace
}  // namespace tranche::cli::programs
