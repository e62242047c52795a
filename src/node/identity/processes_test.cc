#include "node/identity/processes.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <string>

#include "node/identity/testing/fake_proc.h"

namespace tranche::node::identity {
namespace {

using testing::FakeProc;
using testing::GroupText;
using testing::kHostGroup;

const std::string kUid = "11111111-2222-3333-4444-555555555555";
const std::string kOther = "99999999-2222-3333-4444-555555555555";
const std::string kContainer(64, 'a');

class ProcessesTest : public ::testing::Test {
 protected:
  FakeProc proc_;
  Processes processes_{proc_};
};

TEST_F(ProcessesTest, AProcessIsItsPodsOrTheHosts) {
  proc_.Put(7, GroupText(kUid, kContainer));
  proc_.Put(8, kHostGroup);
  EXPECT_EQ(processes_.Look(7), (Place{.kind = PlaceKind::kPod,
                                       .group = {.pod_uid = kUid, .container_id = kContainer}}));
  EXPECT_EQ(processes_.Look(8).kind, PlaceKind::kHost);
  EXPECT_EQ(processes_.Look(9).kind, PlaceKind::kUnknown) << "gone before it could be looked at";
}

TEST_F(ProcessesTest, OneThatEndedIsStillKnownForALook) {
  proc_.Put(7, GroupText(kUid, kContainer));
  processes_.Look(7);
  processes_.Keep({7});
  proc_.End(7);
  EXPECT_EQ(processes_.Look(7).group.pod_uid, kUid) << "what it did meanwhile is its pod's";
  processes_.Keep({});
  EXPECT_EQ(processes_.size(), 0U);
  EXPECT_EQ(processes_.Look(7).kind, PlaceKind::kUnknown);
}

TEST_F(ProcessesTest, APidThatIsUsedAgainIsAnotherProcess) {
  proc_.Put(7, GroupText(kUid, kContainer), 1000);
  EXPECT_FALSE(processes_.Look(7).renewed);
  proc_.Put(7, GroupText(kOther, kContainer), 2000);
  const Place place = processes_.Look(7);
  EXPECT_EQ(place.group.pod_uid, kOther);
  EXPECT_TRUE(place.renewed);
  EXPECT_FALSE(processes_.Look(7).renewed);
}

TEST_F(ProcessesTest, APidThatIsUsedAgainWhileItIsReadIsNobody) {
  proc_.Put(7, GroupText(kUid, kContainer), 1000);
  proc_.OnRead([&](unsigned pid, std::string_view name) {
    if (name == "cgroup") proc_.Put(pid, GroupText(kOther, kContainer), 2000);
  });
  EXPECT_EQ(processes_.Look(7).kind, PlaceKind::kUnknown);
  proc_.OnRead({});
  EXPECT_EQ(processes_.Look(7).group.pod_uid, kOther);
}

TEST_F(ProcessesTest, AGroupThatSaysNoOneThingIsNotBelieved) {
  proc_.Put(7, "0::/kubepods/../kubepods/pod" + kUid + "/" + kContainer + "\n");
  EXPECT_EQ(processes_.Look(7).kind, PlaceKind::kUnknown);
}

TEST_F(ProcessesTest, AKnownProcessCostsOneRead) {
  proc_.Put(7, GroupText(kUid, kContainer));
  processes_.Look(7);
  const int before = proc_.reads();
  processes_.Look(7);
  EXPECT_EQ(proc_.reads(), before + 1);
}

TEST(ProcTest, StartTicksAreTheTwentySecondFieldWhateverTheName) {
  EXPECT_EQ(*ReadStartTicks("7 (x) 1 2 3) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 4711 9"), 4711U);
  for (const char* text :
       {"", "7 (x", "7 (x) S 1 2", "7 (x) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 x"}) {
    EXPECT_EQ(ReadStartTicks(text).status().code(), base::Code::kInvalidArgument) << text;
  }
}

TEST(ProcTest, TheRealOneTellsOfThisProcess) {
  const auto proc = NewProc("/proc");
  const auto self = static_cast<unsigned>(getpid());
  const auto stat = proc->Read(self, "stat");
  ASSERT_TRUE(stat.ok());
  EXPECT_GT(*ReadStartTicks(*stat), 0U);
  EXPECT_TRUE(proc->Read(self, "cgroup").ok());
  EXPECT_EQ(proc->Read(0, "stat").status().code(), base::Code::kNotFound);
  std::string comm = *proc->Read(self, "comm");
  comm.pop_back();
  EXPECT_TRUE(proc->AnyNamed(comm));
  EXPECT_FALSE(proc->AnyNamed("no such name"));
}

}  // namespace
}  // namespace tranche::node::identity
