// What the agent gives pods, and says, where a config asks for memory walls.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "agent/testing/agent_test_case.h"
#include "cdi/shim.h"

namespace tranche::agent {
namespace {

using std::chrono::seconds;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::kGpu;
using ::testing::Not;

class AgentWallsTest : public testing::AgentTest {
 protected:
  AgentWallsTest() {
    options_.shim = {.directories = {dir_ / "cdi"},
                     .age = [](std::int64_t) { return base::Duration::zero(); }};
  }
  void Walled(const std::string& mode) {
    Config(config::testing::Shared(4) + "tranche: {memory: {mode: " + mode + "}}\n");
  }
  void Publish() {
    const auto spec = cdi::ShimSpec({.files = "/f", .walls = "/w"});
    ASSERT_TRUE(cdi::WriteCdiSpec(dir_ / "cdi", spec.name, spec.spec).ok());
  }
  std::vector<std::string> Names() {
    const auto answer = kubelet_.Allocate(kGpu, {"GPU-0::0"});
    EXPECT_TRUE(answer.ok()) << answer.status().message();
    return answer.ok() ? answer->cdi_devices : std::vector<std::string>();
  }
};

TEST_F(AgentWallsTest, TheShimIsInAnswersWhileItIsPublished) {
  Walled("enforce");
  Run([&](Agent& agent) {
    EXPECT_THAT(Names(), IsEmpty());
    Publish();
    EXPECT_THAT(Names(), ElementsAre("tranche.dev/shim=pod")) << "with the very next answer";
    EXPECT_FALSE(agent.Snapshot().walls.Missing());
    std::filesystem::remove_all(dir_ / "cdi");
    EXPECT_THAT(Names(), IsEmpty());
    EXPECT_TRUE(agent.Snapshot().walls.Missing());
  });
}

TEST_F(AgentWallsTest, WithoutEnforceAnswersAreAsEver) {
  Publish();
  Walled("observe");
  Run([&](Agent& agent) {
    EXPECT_THAT(Names(), IsEmpty());
    EXPECT_FALSE(agent.Snapshot().walls.asked);
    Walled("enforce");
    loop_.AdvanceBy(seconds(1));
    EXPECT_THAT(Names(), ElementsAre("tranche.dev/shim=pod")) << "one line of the config";
    Walled("off");
    loop_.AdvanceBy(seconds(1));
    EXPECT_THAT(Names(), IsEmpty());
    EXPECT_THAT(Reasons(agent), Not(Contains("WallsNotInstalled")));
  });
}

TEST_F(AgentWallsTest, WallsThatNothingPutsIntoPodsAreSaid) {
  Walled("enforce");
  Run([&](Agent& agent) {
    EXPECT_THAT(agent.Snapshot().Degraded(), ElementsAre(HasSubstr("walls: not installed: ")));
    EXPECT_TRUE(agent.Snapshot().Ready()) << "the plugin works as ever";
    EXPECT_THAT(Reasons(agent), Not(Contains("WallsNotInstalled")));
    Names();
    EXPECT_THAT(Reasons(agent), Contains("WallsNotInstalled"));
    Publish();
    loop_.AdvanceBy(seconds(10));
    EXPECT_THAT(agent.Snapshot().Degraded(), IsEmpty());
  });
}

}  // namespace
}  // namespace tranche::agent
