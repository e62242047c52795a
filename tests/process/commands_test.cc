// The commands that docs/troubleshooting.md gives to somebody at a node, as they are typed there.
#include <gtest/gtest.h>
#include <signal.h>

#include "tests/process/rig.h"

namespace tranche::process {
namespace {

TEST(CommandsTest, StatusSaysWhetherAllIsWell) {
  Rig rig;
  EXPECT_EQ(rig.Run({"tranche", "status"}, "none.log"), 2);
  EXPECT_TRUE(rig.Logged("no agent has run here", "none.log"));
  rig.WriteConfig(Shared(4));
  rig.Start();
  ASSERT_TRUE(rig.CountBecomes(8)) << rig.Counted();
  ASSERT_TRUE(rig.StatusIs("degraded", "[]"));
  EXPECT_EQ(rig.Run({"tranche", "status"}, "well.log"), 0);
  EXPECT_TRUE(rig.Logged("nvidia.com/gpu", "well.log"));
  ASSERT_TRUE(rig.node().RaiseXid({.slot = 1}, 48).ok());
  ASSERT_TRUE(rig.StatusHas("degraded", "XID 48"));
  EXPECT_EQ(rig.Run({"tranche", "status"}, "ill.log"), 1);
  EXPECT_TRUE(rig.Logged("unhealthy: XID 48", "ill.log"));
}

TEST(CommandsTest, StatusTellsValuesOfTheChartWithoutEffect) {
  Rig rig;
  rig.WriteConfig(Shared(4));
  rig.Start({.env = {{"TRANCHE_UNUSED_VALUES",
                      R"({"unused": ["devicePlugin.confg"], "known": ["devicePlugin.config"]})"}}});
  ASSERT_TRUE(rig.CountBecomes(8)) << rig.Counted();
  const std::string warning =
      "values: devicePlugin.confg has no effect (did you mean devicePlugin.config?)";
  EXPECT_TRUE(rig.Logged(warning)) << "in the agent's log";
  ASSERT_TRUE(rig.StatusHas("config.warnings", warning));
  EXPECT_EQ(rig.Run({"tranche", "status"}, "values.log"), 0) << "a warning, and no failure";
  EXPECT_TRUE(rig.Logged(warning, "values.log"));
}

TEST(CommandsTest, ValidateNamesTheLine) {
  Rig rig;
  rig.WriteConfig(Config("sharing: [\n"));
  EXPECT_EQ(rig.Run({"tranche", "validate", rig.config_path()}, "wrong.log"), 1);
  EXPECT_TRUE(rig.Logged("config.yaml:", "wrong.log"));
  rig.WriteConfig(Shared(4));
  EXPECT_EQ(rig.Run({"tranche", "validate", rig.config_path()}, "right.log"), 0);
  EXPECT_TRUE(rig.Logged(": valid", "right.log"));
}

TEST(CommandsTest, CleanupSaysWhatItWouldRemove) {
  Rig rig;
  rig.WriteConfig(Shared(4));
  rig.Start();
  ASSERT_TRUE(rig.StatusIs("ready", "true"));
  rig.Stop(SIGKILL);
  EXPECT_EQ(rig.Run({"tranche", "cleanup", "--dry-run"}, "cleanup.log"), 0);
  EXPECT_TRUE(rig.Logged("would remove /run/tranche/status.json", "cleanup.log"));
  EXPECT_NE(rig.StatusOf("ready"), "") << "it has removed the status file";
}

}  // namespace
}  // namespace tranche::process
