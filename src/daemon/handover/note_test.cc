#include "daemon/handover/note.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <string>
#include <thread>

#include "base/file.h"
#include "base/testing/fake_loop.h"
#include "base/testing/temp_dir.h"
#include "base/time.h"
#include "daemon/handover/handover.h"

namespace tranche::daemon::handover {
namespace {

TEST(HandoverNoteTest, IsReadAsItWasWritten) {
  HandoverNote note = HandoverNote::Now({.host = "x7k2p", .pid = 7, .started = "now"});
  note.leaving = true;
  const std::optional<HandoverNote> read = DecodeNote(EncodeNote(note));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->identity.host, "x7k2p");
  EXPECT_EQ(read->identity.pid, 7);
  EXPECT_EQ(read->identity.started, "now");
  EXPECT_EQ(read->arrival_ns, note.arrival_ns);
  EXPECT_EQ(read->token, note.token);
  EXPECT_TRUE(read->leaving);
}

TEST(HandoverNoteTest, WhatIsTornOrForeignIsNone) {
  for (const std::string& text :
       {std::string(), std::string("{"), std::string("[]"), std::string(R"({"arrivalNs": "late"})"),
        std::string(R"({"host": "x"})")}) {
    EXPECT_FALSE(DecodeNote(text)) << text;
  }
}

TEST(HandoverNoteTest, TheLaterIsTheNewerAndTheTokenTellsEqualsApart) {
  const HandoverNote older{.arrival_ns = 1, .token = "b"};
  EXPECT_TRUE((HandoverNote{.arrival_ns = 2, .token = "a"}.NewerThan(older)));
  EXPECT_TRUE((HandoverNote{.arrival_ns = 1, .token = "c"}.NewerThan(older)));
  EXPECT_FALSE(older.NewerThan(older));
}

class LookForAgentTest : public ::testing::Test {
 protected:
  std::unique_ptr<Handover> Agent(const std::string& host) {
    return Handover::New(loop_, dir_.path(), {.host = host},
                         {.yield = [](const AgentIdentity&) {}, .became_incumbent = [] {}});
  }
  [[nodiscard]] std::string Found() const {
    const std::optional<AgentIdentity> agent = LookForAgent(dir_.path()).agent;
    return agent ? agent->host : "nobody";
  }

  base::testing::TempDir dir_;
  base::testing::FakeLoop loop_;
};

TEST_F(LookForAgentTest, AnAgentIsThereWhileItHoldsTheLockOrItsWord) {
  EXPECT_EQ(Found(), "nobody");
  auto incumbent = Agent("incumbent");
  EXPECT_EQ(Found(), "incumbent");
  auto successor = Agent("successor");
  successor->Announce();
  incumbent.reset();
  // Nobody has the lock, but the successor has said that it serves.
  EXPECT_EQ(Found(), "successor");
  successor.reset();
  EXPECT_EQ(Found(), "nobody");
  EXPECT_TRUE(base::ReadFile(dir_ / kLockName, 4096).ok()) << "files are nobody";
}

TEST_F(LookForAgentTest, OneThatIsLeavingDoesNotCount) {
  const auto incumbent = Agent("incumbent");
  incumbent->Leave();
  EXPECT_EQ(Found(), "nobody");
  const auto successor = Agent("successor");
  successor->Announce();
  EXPECT_EQ(Found(), "successor");
}

// Any process that can open the file can lock it.
TEST_F(LookForAgentTest, WhoeverElseHoldsTheFilesIsNoAgent) {
  Agent("dead").reset();
  const std::string path = dir_ / kLockName;
  const base::UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  EXPECT_EQ(Found(), "nobody");
  ASSERT_EQ(flock(fd.get(), LOCK_EX | LOCK_NB), 0);
  EXPECT_EQ(Found(), "nobody") << "though the note of the dead one is there";
  EXPECT_EQ(LookForAgent(dir_.path()).held_by_no_agent, path);
}

TEST_F(LookForAgentTest, AnAgentOfBeforeTheProofIsOne) {
  const std::string path = dir_ / kLockName;
  ASSERT_TRUE(base::WriteFileAtomic(path, EncodeNote(HandoverNote::Now({.host = "old"}))).ok());
  const base::UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_EQ(flock(fd.get(), LOCK_EX | LOCK_NB), 0);
  EXPECT_EQ(Found(), "old");
}

TEST_F(LookForAgentTest, OnlyTheOwnerCanOpenTheFiles) {
  // As an earlier version left it.
  ASSERT_TRUE(base::WriteFileAtomic(dir_ / kLockName, "x", 0644).ok());
  const auto agent = Agent("a");
  agent->Announce();
  for (const char* name : {kLockName, kAnnouncementName}) {
    struct stat info {};
    ASSERT_EQ(stat((dir_ / name).c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777U, 0600U) << name;
  }
}

TEST(AgentIdentityTest, TextSaysWhatIsKnown) {
  EXPECT_EQ((AgentIdentity{.host = "x7k2p", .pid = 1, .started = "now"}.Text()),
            "x7k2p (pid 1, started now)");
  EXPECT_EQ(AgentIdentity{}.Text(), "another agent");
  EXPECT_EQ((AgentIdentity{.host = "", .pid = 7, .started = ""}.Text()), "unknown host (pid 7)");
}

// The status file shows it: whoever compares two looks sees whether there is another agent.
TEST(AgentIdentityTest, ItStartedOnceWheneverItIsAsked) {
  const std::string started = AgentIdentity::Self().started;
  while (base::Rfc3339Now() == started) std::this_thread::yield();  // the next second
  EXPECT_EQ(AgentIdentity::Self().started, started);
}

}  // namespace
}  // namespace tranche::daemon::handover
