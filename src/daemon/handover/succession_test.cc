// What Succession adds to a handover; tests of agent/ have two whole agents on one node.
#include "daemon/handover/succession.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "base/testing/fake_loop.h"
#include "base/testing/temp_dir.h"

namespace tranche::daemon::handover {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::Contains;
using ::testing::IsEmpty;

class SuccessionTest : public ::testing::Test {
 protected:
  struct Program {
    bool serving = true;
    int left = 0;
    std::vector<std::string> events;
    std::unique_ptr<Succession> succession;
  };
  std::unique_ptr<Program> Start() {
    auto program = std::make_unique<Program>();
    Program* me = program.get();
    me->succession = std::make_unique<Succession>(
        loop_, dir_.path(), AgentIdentity::Self(),
        Succession::Owner{
            .serving = [me] { return me->serving; },
            .leave = [me] { ++me->left; },
            .event = [me](EventType /*type*/, const std::string& reason,
                          const std::string& /*message*/) { me->events.push_back(reason); }});
    me->succession->Begin();
    return program;
  }

  base::testing::TempDir dir_;
  base::testing::FakeLoop loop_;
};

TEST_F(SuccessionTest, AloneNobodyIsTakenOverFrom) {
  const auto only = Start();
  EXPECT_THAT(only->events, IsEmpty());
  EXPECT_FALSE(only->succession->predecessor().has_value());
  EXPECT_FALSE(only->succession->yielded());
}

TEST_F(SuccessionTest, TheOlderLeavesOnceTheNewerServes) {
  const auto older = Start();
  const auto newer = Start();
  EXPECT_THAT(newer->events, Contains("TakingOver"));
  EXPECT_TRUE(newer->succession->predecessor().has_value());
  loop_.AdvanceBy(seconds(5));
  EXPECT_EQ(older->left, 0);
  newer->succession->Announce();
  loop_.AdvanceBy(seconds(5));
  EXPECT_EQ(older->left, 1);
  EXPECT_TRUE(older->succession->yielded());
  EXPECT_THAT(older->events, Contains("Yielded"));
  older->succession.reset();
  loop_.AdvanceBy(seconds(1));
  EXPECT_THAT(newer->events, Contains("TookOver"));
  EXPECT_FALSE(newer->succession->predecessor().has_value());
}

TEST_F(SuccessionTest, ToldToEndItWaitsForASuccessorAndNotForEver) {
  const auto only = Start();
  only->succession->Terminate();
  only->succession->Terminate();
  loop_.AdvanceBy(Succession::kPatience - milliseconds(1));
  EXPECT_EQ(only->left, 0);
  loop_.AdvanceBy(milliseconds(1));
  EXPECT_EQ(only->left, 1);
}

TEST_F(SuccessionTest, ToldToEndItLeavesWhenTheSuccessorServesAndHasNotYielded) {
  const auto older = Start();
  const auto newer = Start();
  older->succession->Terminate();
  newer->succession->Announce();
  loop_.AdvanceBy(seconds(1));
  EXPECT_EQ(older->left, 1);
  EXPECT_FALSE(older->succession->yielded()) << "it was told to end, and is not to stand by";
}

TEST_F(SuccessionTest, ToldToEndRightAfterThePredecessorHasLeftItWaitsToo) {
  auto older = Start();
  const auto newer = Start();
  older.reset();
  newer->succession->Terminate();
  EXPECT_EQ(newer->left, 0);
  loop_.AdvanceBy(Succession::kPatience);
  EXPECT_EQ(newer->left, 1);
}

TEST_F(SuccessionTest, WithNothingToHandOverItLeavesAtOnce) {
  const auto only = Start();
  only->serving = false;
  only->succession->Terminate();
  EXPECT_EQ(only->left, 1);
}

TEST_F(SuccessionTest, OneThatWaitsForTheLockDoesNotLookWithoutEnd) {
  const auto older = Start();
  const auto newer = Start();
  // A look that were itself news to the watch of the folder would keep this from returning.
  loop_.RunPosted();
  EXPECT_EQ(newer->left, 0);
}

}  // namespace
}  // namespace tranche::daemon::handover
