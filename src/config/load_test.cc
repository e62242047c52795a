#include "config/load.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "config/to_json.h"

namespace tranche::config {
namespace {

base::Result<Loaded> Load(std::string_view text, const std::vector<Override>& environment = {},
                          const std::vector<Override>& command_line = {}) {
  return LoadConfig(text, "f.yaml", environment, command_line);
}

std::string ErrorOf(std::string_view text) {
  const auto loaded = Load(text);
  return loaded.ok() ? "accepted" : loaded.status().message();
}

TEST(LoadConfigTest, EmptyTextIsUpstreamsDefaults) {
  const auto loaded = Load("");
  ASSERT_TRUE(loaded.ok());
  EXPECT_TRUE(loaded->config.time_slicing.resources.empty());
  EXPECT_TRUE(loaded->config.flags.fail_on_init_error);
  EXPECT_EQ(loaded->config.flags.DevRoot(), "/");
  EXPECT_TRUE(loaded->config.flags.plugin.Uses(DeviceListStrategy::kEnvvar));
  EXPECT_TRUE(loaded->warnings.empty());
}

TEST(LoadConfigTest, SharedResourceCarriesItsLine) {
  const auto loaded = Load(
      "version: v1\nsharing:\n  timeSlicing:\n    resources:\n    - name: gpu\n      replicas: "
      "4\n");
  ASSERT_TRUE(loaded.ok()) << loaded.status().message();
  ASSERT_EQ(loaded->config.time_slicing.resources.size(), 1U);
  EXPECT_EQ(loaded->config.time_slicing.resources[0].name, "nvidia.com/gpu");
  EXPECT_EQ(loaded->config.time_slicing.resources[0].replicas, 4);
  EXPECT_EQ(loaded->config.time_slicing.resources[0].line, 5);
}

TEST(LoadConfigTest, OneReplicaMeansNotShared) {
  const auto loaded = Load("sharing: {timeSlicing: {resources: [{name: gpu, replicas: 1}]}}");
  ASSERT_TRUE(loaded.ok());
  EXPECT_EQ(loaded->config.time_slicing.resources[0].replicas, 1);
}

TEST(LoadConfigTest, RenameByDefaultAddsTheSuffix) {
  const auto loaded = Load(
      "sharing: {timeSlicing: {renameByDefault: true, resources: [{name: gpu, replicas: 2}]}}");
  ASSERT_TRUE(loaded.ok());
  EXPECT_EQ(loaded->config.time_slicing.resources[0].rename, "nvidia.com/gpu.shared");
  EXPECT_TRUE(loaded->warnings.empty());
}

TEST(LoadConfigTest, AnErrorSaysThePlaceWhatIsWrongAndWhatToWrite) {
  EXPECT_EQ(ErrorOf("version: v1\nversion: v2\n"),
            "f.yaml:2:10: version: \"v2\" is not known; write version: v1");
  EXPECT_EQ(
      ErrorOf("sharing:\n  timeSlicing:\n    resources:\n    - name: gpu\n      replicas: 0\n"),
      "f.yaml:5:17: replicas: 0; write 1 for not shared, 2 or more for shared");
}

TEST(LoadConfigTest, TheFirstOfSeveralMistakesStandsForThem) {
  EXPECT_EQ(ErrorOf("flags: {migStrategy: some}\nimex:\n  channelIDs: [2]\n"
                    "tranche: {time: {weight: 0}, memory: {mode: on}}\n"),
            "f.yaml:1:22: migStrategy: \"some\" is not known; write one of none, single, mixed "
            "(and 3 more)");
}

TEST(LoadConfigTest, WhatIsNotSupportedIsNamed) {
  const auto mps = Load("sharing: {mps: {resources: [{name: gpu, replicas: 3}]}}\n");
  EXPECT_EQ(mps.status().code(), base::Code::kUnimplemented);
  EXPECT_EQ(mps.status().message(),
            "f.yaml:1:11: sharing.mps is not supported; share by time, below sharing.timeSlicing");
  const auto tegra = Load("flags: {deviceDiscoveryStrategy: tegra}");
  EXPECT_EQ(tegra.status().code(), base::Code::kUnimplemented);
  EXPECT_NE(tegra.status().message().find("tegra is not supported"), std::string::npos);
}

TEST(LoadConfigTest, SmallBareSleepIntervalIsRefusedWithAHint) {
  EXPECT_NE(ErrorOf("flags: {gfd: {sleepInterval: 60}}").find("write sleepInterval: 60s"),
            std::string::npos);
  const auto seconds = Load("flags: {gfd: {sleepInterval: 60s}}");
  ASSERT_TRUE(seconds.ok());
  EXPECT_EQ(seconds->config.flags.gfd.sleep_interval, std::chrono::seconds(60));
  const auto nanoseconds = Load("flags: {gfd: {sleepInterval: 60000000000}}");
  ASSERT_TRUE(nanoseconds.ok());
  EXPECT_EQ(nanoseconds->config.flags.gfd.sleep_interval, std::chrono::seconds(60));
  const auto infinite = Load("flags: {gfd: {sleepInterval: infinite}}");
  ASSERT_TRUE(infinite.ok());
  EXPECT_FALSE(infinite->config.flags.gfd.sleep_interval.has_value());
}

TEST(LoadConfigTest, CommandLineBeatsEnvironmentBeatsFile) {
  const std::string file = "flags: {migStrategy: none, failOnInitError: true}";
  const Override environment{"mig-strategy", {"single"}, "MIG_STRATEGY"};
  const Override command_line{"mig-strategy", {"mixed"}, "--mig-strategy"};
  EXPECT_EQ(Load(file, {environment})->config.flags.mig_strategy, MigStrategy::kSingle);
  EXPECT_EQ(Load(file, {environment}, {command_line})->config.flags.mig_strategy,
            MigStrategy::kMixed);
}

TEST(LoadConfigTest, PresentButEmptyCountsAsSet) {
  const auto strategy = Load("", {{"mig-strategy", {""}, "MIG_STRATEGY"}});
  EXPECT_EQ(strategy.status().message(), "MIG_STRATEGY: unknown MIG strategy: ");
  const auto fail = Load("", {{"fail-on-init-error", {""}, "FAIL_ON_INIT_ERROR"}});
  ASSERT_TRUE(fail.ok());
  EXPECT_FALSE(fail->config.flags.fail_on_init_error);
}

TEST(LoadConfigTest, AnOverrideThatReplacesAMistakeMakesTheFileUsable) {
  const std::string file = "flags: {migStrategy: some}";
  EXPECT_FALSE(Load(file).ok());
  const auto replaced = Load(file, {{"mig-strategy", {"mixed"}, "MIG_STRATEGY"}});
  ASSERT_TRUE(replaced.ok());
  ASSERT_EQ(replaced->warnings.size(), 1U);
  EXPECT_EQ(replaced->warnings[0].severity, Severity::kCannotBeMeant);
}

TEST(LoadConfigTest, WarnsOfDuplicateKeys) {
  const auto loaded = Load("flags:\n  mpsRoot: /a\n  mpsRoot: /b\n  MPSROOT: /c\n");
  ASSERT_TRUE(loaded.ok());
  ASSERT_EQ(loaded->warnings.size(), 2U);
  EXPECT_EQ(FormatDiagnostic("f.yaml", loaded->warnings[0]),
            "f.yaml:3:3: warning: keys 'MPSROOT' and 'mpsRoot' are the same: 'mpsRoot' wins");
  EXPECT_EQ(FormatDiagnostic("f.yaml", loaded->warnings[1]),
            "f.yaml:3:3: warning: duplicate key 'mpsRoot': this one wins over the one on line 2");
  EXPECT_EQ(loaded->config.flags.mps_root, "/b");
}

TEST(LoadConfigTest, WarnsOfWhatUpstreamDoesNotHonour) {
  const auto loaded = Load(
      "sharing: {timeSlicing: {resources: [{name: gpu, rename: a, devices: [0], replicas: 2}]}}");
  ASSERT_TRUE(loaded.ok());
  ASSERT_EQ(loaded->warnings.size(), 2U);
  EXPECT_EQ(loaded->warnings[0].message,
            "Setting the 'rename' field in sharing.timeSlicing.resources is not yet supported in "
            "the config. Ignoring...");
  EXPECT_EQ(loaded->config.time_slicing.resources[0].rename, "");
}

TEST(LoadConfigTest, WhatIsSaidOfAFileIsBounded) {
  std::string text = "sharing:\n  timeSlicing:\n    resources:\n";
  for (int i = 0; i < 1000; ++i) text += "    - {name: gpu, replicas: 2}\n";
  const auto loaded = Load(text);
  ASSERT_TRUE(loaded.ok());
  ASSERT_EQ(loaded->warnings.size(), kMaxFindings + 1);
  EXPECT_EQ(loaded->warnings.back().message, "899 more findings are left out");
  // The mistake that counts is told all the same.
  std::string unknown = "flags:\n";
  for (int i = 0; i < 150; ++i) unknown += "  key" + std::to_string(i) + ": 1\n";
  const Checked checked = CheckConfig(unknown + "tranche: {time: {weight: 0}, a: 1}\n", {}, {});
  EXPECT_FALSE(checked.config);
  EXPECT_EQ(checked.findings.back().severity, Severity::kError);
  EXPECT_EQ(checked.findings.size(), kMaxFindings + 1);
}

TEST(LoadConfigTest, HostileTextIsRefusedAndBounded) {
  EXPECT_EQ(Load(std::string(kMaxConfigBytes + 1, 'a')).status().code(), base::Code::kOutOfRange);
  EXPECT_NE(ErrorOf(std::string(100'000, '[')).find("exceeded max depth"), std::string::npos);
  EXPECT_NE(ErrorOf(std::string(100'000, '{')).find("exceeded max depth"), std::string::npos);
  EXPECT_NE(ErrorOf(std::string(9'000, '[')).find("not readable as YAML"), std::string::npos);
  EXPECT_NE(ErrorOf("version: \x01\n").find("control characters"), std::string::npos);
  EXPECT_NE(ErrorOf("version: v1\n\xff\xfe\n").find("invalid UTF-8"), std::string::npos);
  EXPECT_NE(ErrorOf("flags:\n\tmigStrategy: none\n").find("f.yaml:2:1: a tab is used"),
            std::string::npos);
  std::string deep;
  for (int i = 0; i < 2000; ++i) deep += "- ";
  EXPECT_NE(ErrorOf(deep + "a").find("exceeded max depth"), std::string::npos);
}

TEST(LoadConfigTest, AliasBombCostsNothing) {
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 12; ++i) {
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int k = 0; k < 10; ++k) {
      bomb += (k > 0 ? ", *a" : "*a") + std::to_string(i - 1);
    }
    bomb += "]\n";
  }
  EXPECT_NE(ErrorOf(bomb).find("excessive aliasing"), std::string::npos);
  EXPECT_NE(ErrorOf("a: &a [*a]\n").find("contains itself"), std::string::npos);
}

TEST(LoadConfigTest, TornFilesAreRefused) {
  const std::string whole =
      "version: v1\nsharing:\n  timeSlicing:\n    resources:\n    - name: \"gpu\"\n"
      "      replicas: 4\n";
  ASSERT_TRUE(Load(whole).ok());
  // Torn inside a word, a quote or a key there is an error or a value missing, never another
  // config.
  for (const std::size_t cut :
       {whole.find("gpu") + 1, whole.find("replicas") + 3, whole.find("resources") + 4,
        whole.find("timeSlicing") + 4, whole.find("sharing") + 4}) {
    EXPECT_FALSE(Load(whole.substr(0, cut)).ok()) << whole.substr(0, cut);
  }
}

TEST(LoadConfigTest, EveryCutIsHandled) {
  const std::string whole =
      "a: &a {name: 'gpu', replicas: 0x4}\nsharing: {timeSlicing: {resources: [{<<: *a}]}}\n"
      "tranche: {memory: {mode: enforce, limit: 25%}, time: {weight: 5}}\n";
  ASSERT_TRUE(Load(whole).ok());
  for (std::size_t cut = 0; cut < whole.size(); ++cut) {
    const auto loaded = Load(whole.substr(0, cut));
    if (!loaded.ok()) {
      EXPECT_FALSE(loaded.status().message().empty());
    }
  }
}

TEST(ToJsonTest, HoldsWhatIsInForce) {
  const auto loaded = Load(
      "flags: {nvidiaDriverRoot: /run/nvidia/driver}\n"
      "tranche: {memory: {mode: enforce, limit: 12.5%}, health: {quietPeriod: 90s}}\n");
  ASSERT_TRUE(loaded.ok()) << loaded.status().message();
  const base::Json json = ToJson(loaded->config);
  EXPECT_EQ(json.Find("flags")->Find("nvidiaDevRoot")->as_string(), "/run/nvidia/driver");
  EXPECT_EQ(json.Find("tranche")->Find("memory")->Find("limit")->as_string(), "12.5%");
  EXPECT_EQ(json.Find("tranche")->Find("health")->Find("quietPeriod")->as_string(), "1m30s");
}

}  // namespace
}  // namespace tranche::config
