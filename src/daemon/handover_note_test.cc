#include "daemon/handover_note.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>

#include <string>

#include "base/file.h"
#include "base/testing/fake_loop.h"
#include "base/testing/temp_dir.h"
#include "daemon/handover.h"

namespace tranche::daemon {
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

class FindAgentTest : public ::testing::Test {
 protected:
  std::unique_ptr<Handover> Agent(const std::string& host) {
    return Handover::New(loop_, dir_.path(), {.host = host},
                         {.yield = [](const AgentIdentity&) {}, .became_incumbent = [] {}});
  }
  [[nodiscard]] std::string Found() const {
    const std::optional<AgentIdentity> agent = FindAgent(dir_.path());
    return agent ? agent->host : "nobody";
  }

  base::testing::TempDir dir_;
  base::testing::FakeLoop loop_;
};

TEST_F(FindAgentTest, AnAgentIsThereWhileItHoldsTheLockOrItsWord) {
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

TEST_F(FindAgentTest, OneThatIsLeavingDoesNotCount) {
  const auto incumbent = Agent("incumbent");
  incumbent->Leave();
  EXPECT_EQ(Found(), "nobody");
  const auto successor = Agent("successor");
  successor->Announce();
  EXPECT_EQ(Found(), "successor");
}

TEST_F(FindAgentTest, OneThatHasNotWrittenItsNameIsThere) {
  const base::UniqueFd fd(open((dir_ / kLockName).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  EXPECT_EQ(Found(), "nobody");
  ASSERT_EQ(flock(fd.get(), LOCK_EX | LOCK_NB), 0);
  EXPECT_EQ(Found(), "");
}

TEST(AgentIdentityTest, TextSaysWhatIsKnown) {
  EXPECT_EQ((AgentIdentity{.host = "x7k2p", .pid = 1, .started = "now"}.Text()),
            "x7k2p (pid 1, started now)");
  EXPECT_EQ(AgentIdentity{}.Text(), "another agent");
  EXPECT_EQ((AgentIdentity{.host = "", .pid = 7, .started = ""}.Text()), "unknown host (pid 7)");
}

}  // namespace
}  // namespace tranche::daemon
