#include "daemon/handover/handover.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "base/file.h"
#include "base/testing/temp_dir.h"

namespace tranche::daemon::handover {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class HandoverTest : public ::testing::Test {
 protected:
  // One agent, as its owner sees it. Leaves when told to, if `leaves`.
  struct Agent {
    std::unique_ptr<Handover> handover;
    std::string yielded_to;
    int yields = 0;
    int became_incumbent = 0;
    bool leaves = true;
  };

  HandoverTest() { loop_ = std::move(base::NewEpollLoop()).value(); }
  ~HandoverTest() override { agents_.clear(); }

  Agent& Start(const std::string& host, bool leaves = true) {
    Agent& agent = *agents_.emplace_back(std::make_unique<Agent>());
    agent.leaves = leaves;
    agent.handover = Handover::New(*loop_, directory_,
                                   {.host = host, .pid = 1, .started = "2026-01-02T03:04:05Z"},
                                   {.yield =
                                        [&agent](const AgentIdentity& successor) {
                                          agent.yielded_to = successor.host;
                                          ++agent.yields;
                                          if (agent.leaves) agent.handover.reset();
                                        },
                                    .became_incumbent = [&agent] { ++agent.became_incumbent; }});
    return agent;
  }

  bool RunUntil(const std::function<bool()>& done) {
    for (int i = 0; i < 2000 && !done(); ++i) RunFor(std::chrono::milliseconds(5));
    return done();
  }
  void RunFor(std::chrono::milliseconds time) {
    loop_->RunAfter(time, [this] { loop_->Stop(); });
    loop_->Run();
  }
  // Long enough for several looks of everybody.
  void Settle() { RunFor(std::chrono::milliseconds(200)); }

  const base::testing::TempDir root_;
  const std::string directory_ = root_ / "device-plugins/tranche";
  std::unique_ptr<base::EventLoop> loop_;
  std::vector<std::unique_ptr<Agent>> agents_;
};

TEST_F(HandoverTest, TheFirstIsTheIncumbentAndIsLeftAlone) {
  Agent& a = Start("a");
  EXPECT_TRUE(a.handover->incumbent());
  EXPECT_TRUE(a.handover->status().ok());
  EXPECT_FALSE(a.handover->predecessor());
  EXPECT_FALSE(a.handover->successor_serving());
  a.handover->Announce();
  Settle();
  EXPECT_EQ(a.yields, 0);
  EXPECT_EQ(a.became_incumbent, 0);
  EXPECT_FALSE(a.handover->successor_serving());
}

TEST_F(HandoverTest, ASuccessorTakesOverOnlyWhenItServes) {
  Agent& a = Start("a");
  a.handover->Announce();
  Agent& b = Start("b");
  EXPECT_FALSE(b.handover->incumbent());
  ASSERT_TRUE(b.handover->predecessor());
  EXPECT_EQ(b.handover->predecessor()->Text(), "a (pid 1, started 2026-01-02T03:04:05Z)");
  Settle();
  EXPECT_EQ(a.yields, 0);
  EXPECT_FALSE(a.handover->successor_serving());

  b.handover->Announce();
  EXPECT_TRUE(a.handover->successor_serving());
  EXPECT_TRUE(RunUntil([&] { return b.became_incumbent == 1; }));
  EXPECT_EQ(a.yielded_to, "b");
  EXPECT_EQ(a.yields, 1);
  EXPECT_TRUE(b.handover->incumbent());
  EXPECT_FALSE(b.handover->successor_serving());
  Settle();
  EXPECT_EQ(b.yields, 0);
  EXPECT_EQ(b.became_incumbent, 1);
}

TEST_F(HandoverTest, TheLockPassesOnlyWhenTheIncumbentHasLeft) {
  Agent& a = Start("a", /*leaves=*/false);
  Agent& b = Start("b");
  b.handover->Announce();
  EXPECT_TRUE(RunUntil([&] { return a.yields == 1; }));
  Settle();
  EXPECT_EQ(a.yields, 1);
  EXPECT_FALSE(b.handover->incumbent());
  a.handover.reset();
  EXPECT_TRUE(RunUntil([&] { return b.became_incumbent == 1; }));
}

TEST_F(HandoverTest, AnIncumbentThatDiesIsFollowedWithoutAnnouncement) {
  Agent& a = Start("a");
  Agent& b = Start("b");
  a.handover.reset();
  EXPECT_TRUE(RunUntil([&] { return b.became_incumbent == 1; }));
  EXPECT_EQ(a.yields, 0);
}

TEST_F(HandoverTest, ASuccessorThatDiesBeforeAnnouncingChangesNothing) {
  Agent& a = Start("a");
  Start("b").handover.reset();
  Settle();
  EXPECT_EQ(a.yields, 0);
  Agent& c = Start("c");
  c.handover->Announce();
  EXPECT_TRUE(RunUntil([&] { return c.became_incumbent == 1; }));
  EXPECT_EQ(a.yielded_to, "c");
}

TEST_F(HandoverTest, ADeadSuccessorsAnnouncementIsNoReasonToLeave) {
  // Announced and died before the incumbent, which is not looking, has seen it.
  Agent& a = Start("a");
  Agent& b = Start("b");
  b.handover->Announce();
  b.handover.reset();
  ASSERT_TRUE(base::Exists(directory_ + "/successor.json"));
  EXPECT_FALSE(a.handover->successor_serving());
  Settle();
  EXPECT_EQ(a.yields, 0);
  // Nor does the next newcomer, while it only waits, make it one.
  Agent& c = Start("c");
  Settle();
  EXPECT_EQ(a.yields, 0);
  c.handover->Announce();
  EXPECT_TRUE(RunUntil([&] { return c.became_incumbent == 1; }));
  EXPECT_EQ(a.yielded_to, "c");
}

TEST_F(HandoverTest, OfManyTheNewestStaysInWhateverOrderTheyAnnounce) {
  const std::vector<std::vector<std::size_t>> orders = {{1, 2, 3}, {3, 2, 1}, {2, 3, 1}, {3, 1, 2}};
  for (const std::vector<std::size_t>& order : orders) {
    agents_.clear();
    std::vector<Agent*> agents;
    for (const char* name : {"a", "b", "c", "d"}) agents.push_back(&Start(name));
    agents[0]->handover->Announce();
    for (const std::size_t i : order) {
      if (agents[i]->handover) agents[i]->handover->Announce();
      RunFor(std::chrono::milliseconds(20));
    }
    EXPECT_TRUE(RunUntil([&] { return agents[3]->became_incumbent == 1; }));
    for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(agents[i]->yields, 1) << i;
    EXPECT_EQ(agents[3]->yields, 0);
    EXPECT_TRUE(agents[3]->handover->incumbent());
  }
}

TEST_F(HandoverTest, AllAnnouncingAtOnceEndsWithTheNewest) {
  std::vector<Agent*> agents;
  for (const char* name : {"a", "b", "c", "d", "e"}) agents.push_back(&Start(name));
  // The newest first: the older ones' announcements come over it.
  for (auto agent = agents.rbegin(); agent != agents.rend(); ++agent)
    (*agent)->handover->Announce();
  EXPECT_TRUE(RunUntil([&] { return agents[4]->became_incumbent == 1; }));
  EXPECT_EQ(agents[4]->yields, 0);
  for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(agents[i]->yielded_to, "e") << i;
}

TEST_F(HandoverTest, AnOlderAgentYieldsToANewerIncumbent) {
  // The incumbent dies; of the two that wait, either may get the lock.
  for (int round = 0; round < 5; ++round) {
    agents_.clear();
    Agent& a = Start("a");
    Agent& b = Start("b");
    Agent& c = Start("c");
    a.handover.reset();
    EXPECT_TRUE(RunUntil([&] { return b.became_incumbent + c.became_incumbent == 1; }));
    b.handover->Announce();
    c.handover->Announce();
    EXPECT_TRUE(RunUntil([&] { return b.yields == 1 && c.handover->incumbent(); }));
    Settle();
    EXPECT_EQ(c.yields, 0);
  }
}

TEST_F(HandoverTest, AKilledProcessHoldsNothing) {
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    auto loop = std::move(base::NewEpollLoop()).value();
    const auto handover =
        Handover::New(*loop, directory_, {.host = "child"},
                      {.yield = [](const AgentIdentity&) {}, .became_incumbent = [] {}});
    handover->Announce();
    const char byte = handover->incumbent() ? 'i' : 's';
    if (write(ready[1], &byte, 1) != 1) _exit(1);
    for (;;) pause();
  }
  char byte = 0;
  ASSERT_EQ(read(ready[0], &byte, 1), 1);
  EXPECT_EQ(byte, 'i');
  Agent& a = Start("a");
  EXPECT_FALSE(a.handover->incumbent());
  EXPECT_EQ(a.handover->predecessor()->host, "child");
  Settle();
  EXPECT_FALSE(a.handover->incumbent());
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  EXPECT_TRUE(RunUntil([&] { return a.became_incumbent == 1; }));
  close(ready[0]);
  close(ready[1]);
}

TEST_F(HandoverTest, AKilledAnnouncerIsNoSuccessor) {
  Agent& a = Start("a");
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    auto loop = std::move(base::NewEpollLoop()).value();
    const auto handover =
        Handover::New(*loop, directory_, {.host = "child"},
                      {.yield = [](const AgentIdentity&) {}, .became_incumbent = [] {}});
    handover->Announce();
    if (write(ready[1], "x", 1) != 1) _exit(1);
    for (;;) pause();
  }
  char byte = 0;
  ASSERT_EQ(read(ready[0], &byte, 1), 1);
  EXPECT_TRUE(a.handover->successor_serving());
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  EXPECT_FALSE(a.handover->successor_serving());
  Settle();
  EXPECT_EQ(a.yields, 0);
  close(ready[0]);
  close(ready[1]);
}

TEST_F(HandoverTest, AForeignOrTornAnnouncementIsIgnoredEvenWhenLocked) {
  Agent& a = Start("a");
  for (const std::string& text :
       {std::string(), std::string("{"), std::string("[]"), std::string(100'000, '['),
        std::string(R"({"arrivalNs": "late"})"), std::string(R"({"host": "x"})")}) {
    const std::string path = directory_ + "/successor.json";
    std::ofstream(path, std::ios::trunc) << text;
    const base::UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    ASSERT_EQ(flock(fd.get(), LOCK_EX | LOCK_NB), 0);
    EXPECT_FALSE(a.handover->successor_serving()) << text;
    RunFor(std::chrono::milliseconds(20));
  }
  EXPECT_EQ(a.yields, 0);
}

TEST_F(HandoverTest, ALockFileThatWasRemovedIsMadeAgain) {
  Agent& a = Start("a");
  Settle();
  fs::remove(directory_ + "/agent.lock");
  EXPECT_TRUE(RunUntil([&] { return base::Exists(directory_ + "/agent.lock"); }));
  Settle();
  Agent& b = Start("b");
  EXPECT_FALSE(b.handover->incumbent());
  EXPECT_EQ(a.yields, 0);
}

TEST_F(HandoverTest, TwoIncumbentsByAccidentEndAsOne) {
  Agent& a = Start("a");
  a.handover->Announce();
  fs::remove_all(directory_);
  Agent& b = Start("b");  // finds nothing held
  EXPECT_TRUE(b.handover->incumbent());
  b.handover->Announce();
  EXPECT_TRUE(RunUntil([&] { return a.yields == 1; }));
  EXPECT_EQ(a.yielded_to, "b");
  Settle();
  EXPECT_EQ(b.yields, 0);
}

TEST_F(HandoverTest, LeftoversOfTheKilledAreRemovedButNotOfTheLiving) {
  fs::create_directories(directory_);
  const std::string dead = directory_ + "/successor.json.new.dead";
  const std::string alive = directory_ + "/successor.json.new.alive";
  std::ofstream(dead) << "x";
  std::ofstream(alive) << "x";
  const base::UniqueFd fd(open(alive.c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_EQ(flock(fd.get(), LOCK_EX | LOCK_NB), 0);
  Start("a");
  EXPECT_FALSE(base::Exists(dead));
  EXPECT_TRUE(base::Exists(alive));
}

TEST_F(HandoverTest, WithoutADirectoryTheAgentWorksAlone) {
  std::ofstream(root_ / "device-plugins") << "a file in the way";
  Agent& a = Start("a");
  EXPECT_TRUE(a.handover->incumbent());
  EXPECT_FALSE(a.handover->status().ok());
  EXPECT_THAT(a.handover->status().message(), HasSubstr("device-plugins"));
  a.handover->Announce();
  EXPECT_FALSE(a.handover->successor_serving());
  Settle();
  EXPECT_EQ(a.became_incumbent, 0);
}

TEST_F(HandoverTest, ADescriptorIsNotLeakedByAnyPath) {
  const auto open_files = [] {
    const auto names = base::ListDirectory("/proc/self/fd");
    return names->size();
  };
  const std::size_t before = open_files();
  for (int i = 0; i < 20; ++i) {
    Agent& a = Start("a");
    Agent& b = Start("b");
    b.handover->Announce();
    EXPECT_TRUE(RunUntil([&] { return b.became_incumbent == 1; }));
    EXPECT_FALSE(a.handover);
    agents_.clear();
  }
  EXPECT_EQ(open_files(), before);
}

}  // namespace
}  // namespace tranche::daemon::handover
