// How a memory wall's library gets into pods: the agent and `tranche node` on one node, which meet
// in a CDI spec alone.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/testing/places.h"
#include "tests/process/rig.h"

namespace tranche::process {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr char kName[] = "tranche.dev/shim=pod";
constexpr char kSpec[] = "/var/run/cdi/tranche.dev-shim.json";
constexpr char kHook[] = "/var/lib/tranche/shim/tranche-hook";
// /etc is the host's own here, and nothing of a test may be there.
constexpr char kSpecs[] = "--shim-cdi-dirs=/var/run/cdi";

std::string Walled(const std::string& mode) {
  return Shared(4) + "tranche: {memory: {mode: " + mode + "}}\n";
}

class WallsTest : public ::testing::Test {
 protected:
  WallsTest() {
    // What a pod is given is judged here, not what it does.
    fs::create_directories(Files());
    std::ofstream(Files() + "/tranche-hook") << "hook";
    std::ofstream(Files() + "/libcuda.tranche-12000.so.1") << "library";
  }
  [[nodiscard]] std::string Files() { return rig_.stage().directory() + "/shim-files"; }
  pid_t StartNode() {
    auto pid = rig_.stage().StartProgram(
        {.path = base::JoinPath(base::testing::kProgramDir, "tranche"),
         .arguments = {"tranche", "node", "--node-name=", "--listen=", "--page-listen=",
                       "--driver-root=" + rig_.stage().driver_root(),
                       "--config-file=" + rig_.config_path(), "--rescan-interval=200ms",
                       "--walls-directory=/var/lib/tranche/walls", "--shim-files=" + Files(),
                       kSpecs},
         .env = {},
         .log = "node.log"});
    EXPECT_TRUE(pid.ok()) << pid.status().message();
    return pid.ok() ? *pid : 0;
  }
  std::vector<std::string> Given(const std::string& pod) {
    const auto found = rig_.kubelet().FindPod(pod);
    return found ? found->given.cdi_devices : std::vector<std::string>{"no such pod"};
  }

  Rig rig_;
};

TEST_F(WallsTest, APodGetsTheShimForAsLongAsItIsPublished) {
  rig_.WriteConfig(Walled("enforce"));
  rig_.Start({.flags = {kSpecs}});
  ASSERT_TRUE(rig_.CountBecomes(8)) << rig_.Counted();
  ASSERT_TRUE(rig_.StatusHas("walls", "not installed: "));
  ASSERT_NE(rig_.RunPod("before"), 0) << "it runs, without a wall";
  EXPECT_THAT(Given("before"), IsEmpty());
  EXPECT_TRUE(rig_.StatusHas("events", "WallsNotInstalled"));
  EXPECT_TRUE(rig_.StatusHas("degraded", "walls: not installed"));

  const pid_t node = StartNode();
  ASSERT_TRUE(rig_.StatusIs("walls", "installed"));
  EXPECT_TRUE(rig_.StatusIs("degraded", "[]"));
  ASSERT_NE(rig_.RunPod("walled"), 0);
  EXPECT_THAT(Given("walled"), ElementsAre(kName));
  EXPECT_TRUE(base::Exists(kHook));
  EXPECT_TRUE(base::Exists("/var/lib/tranche/walls/arbiter.sock"));

  // A roll of the node program: pods that come meanwhile get it too, and nothing is taken away.
  EXPECT_EQ(rig_.Stop(SIGTERM, node), 0);
  ASSERT_NE(rig_.RunPod("meanwhile"), 0);
  EXPECT_THAT(Given("meanwhile"), ElementsAre(kName));
  EXPECT_TRUE(base::Exists(kHook));

  ASSERT_TRUE(fs::remove(kSpec));
  ASSERT_NE(rig_.RunPod("after"), 0);
  EXPECT_THAT(Given("after"), IsEmpty()) << "the name would stand for nothing";
  ASSERT_TRUE(rig_.StatusHas("walls", "not installed: "));
  EXPECT_THAT(Given("walled"), ElementsAre(kName)) << "what the kubelet has, it keeps";
}

TEST_F(WallsTest, TheNodeProgramComesBackAndMendsWhatIsMissing) {
  rig_.WriteConfig(Walled("enforce"));
  rig_.Start({.flags = {kSpecs}});
  const pid_t first = StartNode();
  ASSERT_TRUE(rig_.StatusIs("walls", "installed"));
  EXPECT_TRUE(rig_.Until([] { return base::Exists(kSpec); }));
  fs::remove(kSpec);
  EXPECT_TRUE(rig_.Until([] { return base::Exists(kSpec); })) << "while it runs";
  EXPECT_EQ(rig_.Stop(SIGKILL, first), SIGKILL);
  fs::remove(kSpec);
  fs::remove(kHook);
  StartNode();
  EXPECT_TRUE(rig_.Until([] { return base::Exists(kSpec) && base::Exists(kHook); }));
  ASSERT_TRUE(rig_.StatusIs("walls", "installed"));
}

TEST_F(WallsTest, NothingIsDoneThatTheConfigDoesNotAskFor) {
  rig_.WriteConfig(Walled("observe"));
  rig_.Start({.flags = {kSpecs}});
  ASSERT_TRUE(rig_.CountBecomes(8)) << rig_.Counted();
  StartNode();
  ASSERT_TRUE(rig_.Until([] { return base::Exists("/run/tranche/node/status.json"); }));
  ASSERT_NE(rig_.RunPod("plain"), 0);
  EXPECT_THAT(Given("plain"), IsEmpty());
  EXPECT_TRUE(rig_.StatusIs("walls", "not asked for"));
  EXPECT_FALSE(base::Exists("/var/lib/tranche"));
  EXPECT_FALSE(base::Exists(kSpec));
  // One line, and both programs see it.
  rig_.WriteConfig(Walled("enforce"));
  ASSERT_TRUE(rig_.StatusIs("walls", "installed"));
  ASSERT_NE(rig_.RunPod("walled"), 0);
  EXPECT_THAT(Given("walled"), ElementsAre(kName));
  rig_.WriteConfig(Walled("off"));
  ASSERT_TRUE(rig_.StatusIs("walls", "not asked for"));
  ASSERT_NE(rig_.RunPod("later"), 0);
  EXPECT_THAT(Given("later"), IsEmpty());
}

TEST_F(WallsTest, CleanupRemovesItOnceNoPodNeedsIt) {
  rig_.WriteConfig(Walled("enforce"));
  rig_.Start({.flags = {kSpecs}});
  const pid_t node = StartNode();
  ASSERT_TRUE(rig_.StatusIs("walls", "installed"));
  ASSERT_NE(rig_.RunPod("walled"), 0);
  EXPECT_EQ(rig_.Stop(SIGTERM, node), 0);
  rig_.Stop(SIGTERM);
  EXPECT_EQ(rig_.Run({"tranche", "cleanup"}, "cleanup.log"), 0);
  EXPECT_TRUE(rig_.Logged("tranche-hook: running pods hold GPUs (default/walled)", "cleanup.log"));
  EXPECT_TRUE(base::Exists(kHook));
  EXPECT_TRUE(base::Exists(kSpec));
  rig_.DeletePod("walled");
  EXPECT_EQ(rig_.Run({"tranche", "cleanup"}, "cleanup.log"), 0);
  EXPECT_FALSE(base::Exists("/var/lib/tranche"));
  EXPECT_FALSE(base::Exists(kSpec));
}

}  // namespace
}  // namespace tranche::process
