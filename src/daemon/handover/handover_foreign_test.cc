// A handover lock that is held by what is no agent, and what waiting for a lock costs.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <array>

#include "base/file.h"
#include "base/testing/fake_loop.h"
#include "base/testing/temp_dir.h"
#include "daemon/handover/handover.h"

namespace tranche::daemon::handover {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;

class HandoverForeignTest : public ::testing::Test {
 protected:
  std::unique_ptr<Handover> Agent(const std::string& host) {
    return Handover::New(loop_, directory_, {.host = host},
                         {.yield = [this](const AgentIdentity&) { ++yields_; },
                          .became_incumbent = [this] { ++incumbents_; }});
  }
  [[nodiscard]] base::UniqueFd LockForeign(const std::string& name) const {
    base::UniqueFd fd(open((directory_ + "/" + name).c_str(), O_RDONLY | O_CLOEXEC));
    EXPECT_EQ(flock(fd.get(), LOCK_EX | LOCK_NB), 0);
    return fd;
  }

  const base::testing::TempDir dir_;
  const std::string& directory_ = dir_.path();
  base::testing::FakeLoop loop_;
  int yields_ = 0;
  int incumbents_ = 0;
};

TEST_F(HandoverForeignTest, ALockThatNoAgentHoldsIsNotWaitedForAndIsSaid) {
  Agent("dead").reset();
  base::UniqueFd foreign = LockForeign("agent.lock");
  const auto agent = Agent("a");
  EXPECT_FALSE(agent->incumbent()) << "it may be an agent that has not written its note yet";
  EXPECT_FALSE(agent->predecessor());
  EXPECT_TRUE(agent->status().ok());
  loop_.AdvanceBy(Handover::kForeignPatience + milliseconds(50));
  EXPECT_TRUE(agent->incumbent());
  EXPECT_THAT(agent->status().message(), HasSubstr("is held by a process that is no agent"));
  // It takes the lock as soon as that is free.
  foreign = base::UniqueFd();
  loop_.AdvanceBy(seconds(1));
  EXPECT_TRUE(agent->status().ok());
  EXPECT_EQ(LookForAgent(directory_).agent->host, "a");
}

TEST_F(HandoverForeignTest, AnAgentThatTakesTheLockMeanwhileIsWaitedFor) {
  Agent("dead").reset();
  base::UniqueFd foreign = LockForeign("agent.lock");
  const auto waiting = Agent("waiting");
  loop_.AdvanceBy(seconds(10));
  ASSERT_TRUE(waiting->incumbent());
  foreign = base::UniqueFd();
  auto other = Agent("other");
  ASSERT_TRUE(other->incumbent());
  loop_.AdvanceBy(seconds(1));
  EXPECT_FALSE(waiting->incumbent());
  EXPECT_TRUE(waiting->status().ok());
  EXPECT_EQ(waiting->predecessor()->host, "other");
  other.reset();
  loop_.AdvanceBy(seconds(1));
  EXPECT_TRUE(waiting->incumbent());
}

TEST_F(HandoverForeignTest, AnotherHandoverGoesItsWayWithoutTheLock) {
  Agent("dead").reset();
  const base::UniqueFd foreign = LockForeign("agent.lock");
  const auto older = Agent("older");
  loop_.AdvanceBy(seconds(10));
  const auto newer = Agent("newer");
  newer->Announce();
  loop_.AdvanceBy(seconds(1));
  EXPECT_EQ(yields_, 1);
}

// The dead one's word that it serves, locked by something else, makes nobody leave.
TEST_F(HandoverForeignTest, AnAnnouncementThatNoAgentHoldsIsNone) {
  const auto incumbent = Agent("incumbent");
  auto dead = Agent("dead");
  {
    // Its word is put up while the incumbent does not look.
    dead->Announce();
    dead.reset();
  }
  const base::UniqueFd foreign = LockForeign("successor.json");
  loop_.AdvanceBy(seconds(10));
  EXPECT_FALSE(incumbent->successor_serving());
  EXPECT_EQ(yields_, 0);
}

// Counts what a look at the folder would tell every watch of it, the looker's own among them.
class NewsOf {
 public:
  explicit NewsOf(const std::string& directory) : fd_(inotify_init1(IN_NONBLOCK | IN_CLOEXEC)) {
    EXPECT_GE(inotify_add_watch(fd_.get(), directory.c_str(),
                                IN_CREATE | IN_CLOSE_WRITE | IN_MODIFY | IN_MOVED_TO | IN_DELETE),
              0);
  }
  [[nodiscard]] bool Any() const {
    std::array<char, 4096> buffer{};
    return read(fd_.get(), buffer.data(), buffer.size()) > 0;
  }

 private:
  base::UniqueFd fd_;
};

TEST_F(HandoverForeignTest, WaitingForALockWakesNobody) {
  const auto incumbent = Agent("incumbent");
  incumbent->Announce();
  const auto waiting = Agent("waiting");
  const NewsOf news(directory_);
  loop_.AdvanceBy(seconds(60));
  EXPECT_FALSE(waiting->incumbent());
  EXPECT_FALSE(news.Any());
  // As it was once: a look that opens for writing is news to everybody.
  base::UniqueFd(open((directory_ + "/agent.lock").c_str(), O_RDWR | O_CLOEXEC));
  EXPECT_TRUE(news.Any());
}

TEST_F(HandoverForeignTest, ALockThatNoAgentHoldsWakesNobodyEither) {
  Agent("dead").reset();
  const base::UniqueFd foreign = LockForeign("agent.lock");
  const auto agent = Agent("a");
  loop_.AdvanceBy(seconds(10));
  const NewsOf news(directory_);
  loop_.AdvanceBy(seconds(60));
  EXPECT_FALSE(news.Any());
}

}  // namespace
}  // namespace tranche::daemon::handover
