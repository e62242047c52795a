#include "daemon/handover/stand_by.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/file.h>

#include <csignal>
#include <vector>

#include "base/file.h"
#include "base/testing/fake_loop.h"
#include "base/testing/temp_dir.h"
#include "daemon/handover/handover.h"

namespace tranche::daemon::handover {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class StandByTest : public ::testing::Test {
 protected:
  std::unique_ptr<Handover> Other() {
    return Handover::New(loop_, directory_, {.host = "other"},
                         {.yield = [](const AgentIdentity&) {}, .became_incumbent = [] {}});
  }

  const base::testing::TempDir folder_;
  const std::string& directory_ = folder_.path();
  base::testing::FakeLoop loop_;
};

TEST_F(StandByTest, ItServesAgainOnceTheNodeIsWithoutAnAgent) {
  auto other = Other();
  std::vector<StandByEnd> ended;
  const StandBy stand_by(loop_, directory_, "", [&](StandByEnd end) { ended.push_back(end); });
  loop_.AdvanceBy(std::chrono::minutes(10));
  EXPECT_THAT(ended, IsEmpty());
  other.reset();
  loop_.AdvanceBy(seconds(1));
  EXPECT_THAT(ended, ElementsAre(StandByEnd::kServeAgain));
}

// So that it can take over before the other's streams end.
TEST_F(StandByTest, ItServesAgainWhenTheOtherIsAboutToLeave) {
  auto other = Other();
  other->Announce();
  std::vector<StandByEnd> ended;
  const StandBy stand_by(loop_, directory_, "", [&](StandByEnd end) { ended.push_back(end); });
  loop_.AdvanceBy(std::chrono::minutes(10));
  EXPECT_THAT(ended, IsEmpty());
  other->Leave();
  loop_.AdvanceBy(seconds(1));
  EXPECT_THAT(ended, ElementsAre(StandByEnd::kServeAgain));
}

// A dead agent's note is in the file that something else has locked.
TEST_F(StandByTest, ItDoesNotWaitForALockThatNoAgentHolds) {
  Other().reset();
  const base::UniqueFd fd(open((directory_ + "/agent.lock").c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_EQ(flock(fd.get(), LOCK_EX | LOCK_NB), 0);
  std::vector<StandByEnd> ended;
  const StandBy stand_by(loop_, directory_, "", [&](StandByEnd end) { ended.push_back(end); });
  loop_.AdvanceBy(seconds(StandBy::kLooks) - std::chrono::milliseconds(1));
  EXPECT_THAT(ended, IsEmpty()) << "it may be an agent that has not written its note yet";
  loop_.AdvanceBy(std::chrono::milliseconds(1));
  EXPECT_THAT(ended, ElementsAre(StandByEnd::kServeAgain));
}

TEST_F(StandByTest, TheTermSignalEndsItAndTheHangupSignalDoesNot) {
  auto other = Other();
  std::vector<StandByEnd> ended;
  StandBy stand_by(loop_, directory_, "", [&](StandByEnd end) { ended.push_back(end); });
  stand_by.OnSignal(SIGHUP);
  EXPECT_THAT(ended, IsEmpty());
  stand_by.OnSignal(SIGTERM);
  EXPECT_THAT(ended, ElementsAre(StandByEnd::kToldToEnd));
}

}  // namespace
}  // namespace tranche::daemon::handover
