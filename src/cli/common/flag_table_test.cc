#include "cli/common/flag_table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "cli/common/upstream_flags.h"
#include "config/to_json.h"

namespace tranche::cli::common {
namespace {

using config::LoadConfig;

std::vector<FlagGroup> Groups() {
  return {UpstreamPluginFlags(),
          {.title = "Ours", .flags = {Flag("profile").Env("TRANCHE_PROFILE").Help("help")}},
          {.title = "Hidden",
           .flags = {Flag("quiet").Env("QUIET").Default("x").Help("help")},
           .environment_only = true}};
}

base::Result<ParsedArguments> Parse(const std::vector<std::string>& arguments) {
  return ParseArguments(Groups(), arguments);
}

std::string ErrorOf(const std::vector<std::string>& arguments) {
  const auto parsed = Parse(arguments);
  return parsed.ok() ? "accepted" : parsed.status().message();
}

base::Result<std::vector<Override>> Environment(std::map<std::string, std::string> variables) {
  return EnvironmentOverrides(Groups(), [&](const std::string& name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    if (found == variables.end()) return std::nullopt;
    return found->second;
  });
}

TEST(ParseArgumentsTest, TakesBothForms) {
  const auto parsed =
      Parse({"--mig-strategy=single", "-device-id-strategy", "index", "--profile", "a"});
  ASSERT_TRUE(parsed.ok()) << parsed.status().message();
  ASSERT_EQ(parsed->overrides.size(), 3U);
  EXPECT_EQ(parsed->overrides[0].values, std::vector<std::string>{"single"});
  EXPECT_EQ(parsed->overrides[1].flag, "device-id-strategy");
  EXPECT_EQ(FlagValue("profile", {}, parsed->overrides), "a");
}

TEST(ParseArgumentsTest, ABoolTakesNoSeparateWordAndTheWordEndsTheFlags) {
  const auto parsed = Parse({"--fail-on-init-error", "false", "--mig-strategy=single"});
  ASSERT_TRUE(parsed.ok());
  ASSERT_EQ(parsed->overrides.size(), 1U);
  EXPECT_EQ(parsed->overrides[0].values, std::vector<std::string>{"true"});
  EXPECT_EQ(Parse({"--fail-on-init-error=0"})->overrides[0].values,
            std::vector<std::string>{"false"});
}

TEST(ParseArgumentsTest, RepeatedListsAppendAndSplitAtCommas) {
  const auto parsed =
      Parse({"--device-list-strategy", "envvar, cdi-cri", "--device-list-strategy=volume-mounts"});
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(parsed->overrides[0].values,
            (std::vector<std::string>{"envvar", "cdi-cri", "volume-mounts"}));
}

TEST(ParseArgumentsTest, TheLastOfARepeatedTextCounts) {
  const auto parsed = Parse({"--mig-strategy=a", "--mig-strategy=b"});
  EXPECT_EQ(parsed->overrides[0].values, std::vector<std::string>{"b"});
}

TEST(ParseArgumentsTest, AliasesAreTheSameFlagButNotTogether) {
  EXPECT_EQ(Parse({"--nvidia-driver-root=/x"})->overrides[0].flag, "driver-root");
  EXPECT_EQ(ErrorOf({"--driver-root=/x", "--nvidia-driver-root=/y"}),
            "Cannot use two forms of the same flag: nvidia-driver-root driver-root");
}

TEST(ParseArgumentsTest, UsageErrorsAreGosTexts) {
  EXPECT_EQ(ErrorOf({"--nope"}), "flag provided but not defined: -nope");
  EXPECT_EQ(ErrorOf({"--mig-strategy"}), "flag needs an argument: -mig-strategy");
  EXPECT_EQ(ErrorOf({"---x"}), "bad flag syntax: ---x");
  EXPECT_EQ(ErrorOf({"--fail-on-init-error=yes"}),
            "invalid boolean value \"yes\" for -fail-on-init-error: parse error");
  EXPECT_EQ(ErrorOf({"--imex-channel-ids=x"}),
            "invalid value \"x\" for flag -imex-channel-ids: strconv.ParseInt: parsing \"x\": "
            "invalid syntax");
}

TEST(ParseArgumentsTest, HelpAndVersionHaveShortForms) {
  EXPECT_TRUE(Parse({"-h"})->help);
  EXPECT_TRUE(Parse({"--help"})->help);
  EXPECT_TRUE(Parse({"-v"})->version);
  EXPECT_FALSE(Parse({"--", "--help"})->help);
}

TEST(EnvironmentOverridesTest, PresentButEmptyCountsAsSet) {
  const auto given = Environment({{"MIG_STRATEGY", ""},
                                  {"FAIL_ON_INIT_ERROR", ""},
                                  {"DEVICE_LIST_STRATEGY", ""},
                                  {"IMEX_CHANNEL_IDS", ""}});
  ASSERT_TRUE(given.ok());
  ASSERT_EQ(given->size(), 3U);  // an empty list of integers is unset
  EXPECT_EQ((*given)[0].values, std::vector<std::string>{""});
  EXPECT_EQ((*given)[1].values, std::vector<std::string>{"false"});
  EXPECT_EQ((*given)[2].values, std::vector<std::string>{""});
}

TEST(EnvironmentOverridesTest, BadBooleanIsUpstreamsText) {
  EXPECT_EQ(Environment({{"GDS_ENABLED", "yes"}}).status().message(),
            "could not parse \"yes\" as bool value from environment variable \"GDS_ENABLED\" for "
            "flag gds-enabled: strconv.ParseBool: parsing \"yes\": invalid syntax");
}

TEST(EnvironmentOverridesTest, TheFirstVariableOfAFlagCounts) {
  const auto given = Environment({{"NVIDIA_CTK_PATH", "/b"}, {"NVIDIA_CDI_HOOK_PATH", "/a"}});
  ASSERT_EQ(given->size(), 1U);
  EXPECT_EQ((*given)[0].values, std::vector<std::string>{"/a"});
}

// Flags of `group` whose values lead nowhere in the config: no value that any flag takes changes
// it.
std::vector<std::string> LeadNowhere(const FlagGroup& group) {
  std::vector<std::string> nowhere;
  for (const FlagSpec& flag : group.flags) {
    bool changed = false;
    for (const std::string value :
         {"true", "false", "/odd", "index", "packed", "nvml", "single", "cdi-cri", "0", "7m"}) {
      const auto plain = LoadConfig("", "", {}, {});
      const auto given = LoadConfig("", "", {}, {{flag.name, {value}, ""}});
      if (!given.ok()) continue;
      changed = changed || !(ToJson(given->config) == ToJson(plain->config));
    }
    if (!changed) nowhere.push_back(flag.name);
  }
  return nowhere;
}

TEST(FlagTableTest, EveryConfigFlagReachesTheConfig) {
  EXPECT_EQ(LeadNowhere(UpstreamPluginFlags()),
            (std::vector<std::string>{"kubelet-socket", "config-file"}));
  EXPECT_EQ(LeadNowhere(UpstreamFeatureDiscoveryFlags()),
            (std::vector<std::string>{"config-file", "kubeconfig", "kube-api-qps", "kube-api-burst",
                                      "namespace", "node-name", "pod-name"}));
}

std::string DiscoveryErrorOf(const std::vector<std::string>& arguments) {
  const auto parsed = ParseArguments({UpstreamFeatureDiscoveryFlags()}, arguments);
  return parsed.ok() ? "accepted" : parsed.status().message();
}

TEST(ParseArgumentsTest, EachValueOfARepeatedFlagIsOfItsKind) {
  EXPECT_EQ(DiscoveryErrorOf({"--sleep-interval=soon", "--sleep-interval=10s"}),
            "invalid value \"soon\" for flag -sleep-interval: time: invalid duration \"soon\"");
  EXPECT_EQ(DiscoveryErrorOf({"--sleep-interval="}),
            "invalid value \"\" for flag -sleep-interval: time: invalid duration \"\"");
  EXPECT_EQ(DiscoveryErrorOf({"--kube-api-qps=x", "--kube-api-qps=1.5"}),
            "invalid value \"x\" for flag -kube-api-qps: parse error");
  EXPECT_EQ(DiscoveryErrorOf({"--kube-api-burst=1.5", "--kube-api-burst=2"}),
            "invalid value \"1.5\" for flag -kube-api-burst: parse error");
  EXPECT_EQ(DiscoveryErrorOf({"--oneshot=maybe", "--oneshot"}),
            "invalid boolean value \"maybe\" for -oneshot: parse error");
  EXPECT_EQ(DiscoveryErrorOf({"--sleep-interval=infinite", "--kube-api-qps=1e1",
                              "--kube-api-burst=0x10", "--sleep-interval=1h"}),
            "accepted");
}

TEST(EnvironmentOverridesTest, EmptyNumbersAndDurationsAreNotGiven) {
  const auto given = [](const std::string& variable, const std::string& value) {
    return EnvironmentOverrides({UpstreamFeatureDiscoveryFlags()},
                                [&](const std::string& name) -> std::optional<std::string> {
                                  if (name == variable) return value;
                                  return std::nullopt;
                                });
  };
  for (const char* variable : {"GFD_SLEEP_INTERVAL", "KUBE_API_QPS", "KUBE_API_BURST"}) {
    EXPECT_TRUE(given(variable, "")->empty()) << variable;
    EXPECT_FALSE(given(variable, "x").ok()) << variable;
  }
  EXPECT_EQ(given("KUBE_API_BURST", "x").status().message(),
            "could not parse \"x\" as int value from environment variable \"KUBE_API_BURST\" for "
            "flag kube-api-burst: strconv.ParseInt: parsing \"x\": invalid syntax");
}

TEST(FlagTableTest, TheSleepIntervalIsADurationOrInfinite) {
  const auto interval = [](const std::string& text) {
    return LoadConfig("flags: {gfd: {sleepInterval: 5s}}", "", {},
                      {{"sleep-interval", {text}, "--sleep-interval"}});
  };
  EXPECT_EQ(interval("90s")->config.flags.gfd.sleep_interval, std::chrono::seconds(90));
  EXPECT_EQ(interval("infinite")->config.flags.gfd.sleep_interval, std::nullopt);
  for (const std::string none : {"", "60", "soon"}) {
    EXPECT_EQ(interval(none).status().message(),
              "could not parse \"" + none +
                  "\" as duration value from --sleep-interval for flag sleep-interval");
  }
}

TEST(FlagTableTest, HelpNamesFlagAliasVariableAndDefault) {
  const std::string help = FormatFlags(Groups());
  EXPECT_NE(help.find("--driver-root, --nvidia-driver-root VALUE"), std::string::npos);
  EXPECT_NE(help.find("(default: none) [MIG_STRATEGY]"), std::string::npos);
  EXPECT_NE(help.find("\nOurs:\n  --profile VALUE"), std::string::npos);
  EXPECT_NE(help.find("\nHidden:\n  QUIET=VALUE\n      help (default: x)\n"), std::string::npos);
}

TEST(FlagTableTest, WhatIsReadByEnvironmentOnlyIsNoFlag) {
  EXPECT_EQ(ErrorOf({"--quiet=1"}), "flag provided but not defined: -quiet");
  EXPECT_EQ(FlagValue("quiet", *Environment({{"QUIET", "1"}}), {}), "1");
}

// The defaults in the table are what the config has where nothing is given.
TEST(FlagTableTest, GivingADefaultChangesNothing) {
  const auto plain = LoadConfig("", "", {}, {});
  for (const FlagGroup& group : {UpstreamPluginFlags(), UpstreamFeatureDiscoveryFlags()}) {
    for (const FlagSpec& flag : group.flags) {
      if (flag.default_value.empty() || flag.name == "use-node-feature-api") continue;
      const auto given = LoadConfig("", "", {}, {{flag.name, {flag.default_value}, ""}});
      ASSERT_TRUE(given.ok()) << flag.name;
      EXPECT_TRUE(ToJson(given->config) == ToJson(plain->config)) << flag.name;
    }
  }
}

}  // namespace
}  // namespace tranche::cli::common
