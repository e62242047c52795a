// Two agents on one node, meant and by mistake.
#include <csignal>

#include "tests/process/rig.h"

namespace tranche::process {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// A rolling update with a surge: the second starts, the first is told to end some time later.
TEST(HandoverTest, TheCountNeverShowsZero) {
  Rig rig;
  rig.WriteConfig(Shared(4));
  pid_t older = rig.Start();
  ASSERT_TRUE(rig.CountBecomes(8));
  const pid_t pod = rig.RunPod("a");
  rig.ForgetLeast();
  for (int i = 0; i < Times(50); ++i) {
    const std::string log = "agent" + std::to_string(i) + ".log";
    const pid_t newer = rig.Start({.log = log});
    EXPECT_EQ(rig.WaitForEnd(older), 0) << "the older yields " << i;
    ASSERT_TRUE(rig.Runs(newer)) << i;
    ASSERT_TRUE(rig.CountBecomes(8, 8)) << rig.Counted() << " at " << i;
    ASSERT_NE(rig.RunPod("b"), 0) << i;
    rig.DeletePod("b");
    older = newer;
  }
  EXPECT_EQ(rig.least(), 8) << "a moment without devices";
  EXPECT_TRUE(rig.Untouched("a", pod));
}

TEST(HandoverTest, TheOlderNamesWhoTookOver) {
  Rig rig;
  rig.WriteConfig(Shared(4));
  const pid_t older = rig.Start({.log = "older.log"});
  ASSERT_TRUE(rig.CountBecomes(8));
  const pid_t newer = rig.Start();
  EXPECT_EQ(rig.WaitForEnd(older), 0);
  EXPECT_TRUE(rig.Logged("another agent serves this node", "older.log"));
  EXPECT_TRUE(rig.Logged("pid " + std::to_string(newer), "older.log"));
  EXPECT_TRUE(rig.Logged("pid " + std::to_string(older))) << "and the newer says whom it follows";
  // The newer one's reports are there, once the port is free.
  ASSERT_TRUE(rig.StatusIs("predecessor", ""));
  ASSERT_TRUE(rig.Until([&] { return rig.Get("/readyz").status == 200; }));
  EXPECT_TRUE(rig.Runs(newer));
}

// A pod that is deleted and made anew: the term signal comes before the successor.
TEST(HandoverTest, ASuccessorAfterTheTermSignalTakesOver) {
  Rig rig;
  rig.WriteConfig(Shared(4));
  const pid_t older = rig.Start({.log = "older.log"});
  ASSERT_TRUE(rig.CountBecomes(8));
  const pid_t pod = rig.RunPod("a");
  rig.ForgetLeast();
  const auto told = rig.Now();
  kill(older, SIGTERM);
  ASSERT_TRUE(rig.Until([&] { return rig.Logged("received SIGTERM", "older.log"); }));
  const bool runs = rig.Runs(older);
  const auto served = rig.stage().RunPod({.name = "b", .requests = {{kGpu, 1}}});
  const pid_t newer = rig.Start();
  EXPECT_EQ(rig.WaitForEnd(older), 0);
  // It waits for 3.5 s.
  if (rig.InTime(told, seconds(3))) {
    EXPECT_TRUE(runs) << "it keeps the streams for a successor";
    ASSERT_TRUE(served.ok()) << "and still answers";
    EXPECT_EQ(served->phase, sim::PodPhase::kRunning) << served->message;
    EXPECT_EQ(rig.least(), 8) << "a moment without devices";
  }
  ASSERT_TRUE(rig.CountBecomes(8, 8)) << rig.Counted();
  EXPECT_TRUE(rig.Runs(newer));
  EXPECT_TRUE(rig.Untouched("a", pod));
}

TEST(HandoverTest, WithoutASuccessorTheTermSignalEndsIt) {
  Rig rig;
  rig.WriteConfig(Shared(4));
  const pid_t pid = rig.Start();
  ASSERT_TRUE(rig.CountBecomes(8));
  kill(pid, SIGTERM);
  EXPECT_EQ(rig.WaitForEnd(pid), 0);
  EXPECT_TRUE(rig.CountBecomes(0)) << rig.Counted();
  EXPECT_TRUE(rig.Status().is_null());
}

// An agent in a pod, and a newer one for which it stands by.
struct Two {
  pid_t older;
  pid_t newer;
};
Two InAPod(Rig& rig) {
  rig.WriteConfig(Shared(4));
  const pid_t older =
      rig.Start({.env = {{"KUBERNETES_SERVICE_HOST", "192.0.2.1"}}, .log = "older.log"});
  EXPECT_TRUE(rig.CountBecomes(8));
  const pid_t newer = rig.Start();
  EXPECT_TRUE(rig.Until([&] { return rig.Logged("standing by", "older.log"); }));
  return {.older = older, .newer = newer};
}

// Its container would be started again, and take over in turn, until its pod is ended.
TEST(HandoverTest, InAPodTheOlderStaysUntilItIsToldToEnd) {
  Rig rig;
  const auto [older, newer] = InAPod(rig);
  // Its lock and its port are free all the same.
  ASSERT_TRUE(rig.Until([&] { return rig.Get("/readyz").status == 200; }));
  rig.Turn(seconds(1));
  EXPECT_TRUE(rig.Runs(older));
  kill(older, SIGTERM);
  EXPECT_EQ(rig.WaitForEnd(older), 0);
  EXPECT_EQ(rig.stage().Count(kGpu).allocatable, 8);
  EXPECT_TRUE(rig.Runs(newer));
}

// One whose successor fails, or is a second release that goes again, is there at once.
TEST(HandoverTest, InAPodTheOlderServesAgainWhenTheNewerGoes) {
  Rig rig;
  const auto [older, newer] = InAPod(rig);
  rig.Stop(SIGKILL, newer);
  ASSERT_TRUE(rig.Until([&] { return rig.Logged("serving it again", "older.log"); }));
  ASSERT_TRUE(rig.CountBecomes(8)) << rig.Counted();
  EXPECT_TRUE(rig.Runs(older));
  EXPECT_TRUE(rig.Until([&] { return rig.Get("/readyz").status == 200; }));
  kill(older, SIGINT);
  EXPECT_EQ(rig.WaitForEnd(older), 0);
}

TEST(HandoverTest, InAPodTheOlderTakesOverFromANewerThatIsToldToEnd) {
  Rig rig;
  const auto [older, newer] = InAPod(rig);
  rig.ForgetLeast();
  const auto told = rig.Now();
  kill(newer, SIGTERM);
  EXPECT_EQ(rig.WaitForEnd(newer), 0);
  // The newer waits for 3.5 s.
  if (rig.InTime(told, seconds(3))) {
    EXPECT_TRUE(rig.Logged("a newer agent is serving, leaving"));
    rig.Turn(seconds(1));
    EXPECT_EQ(rig.least(), 8) << "a moment without devices";
  }
  ASSERT_TRUE(rig.CountBecomes(8)) << rig.Counted();
  EXPECT_TRUE(rig.Runs(older));
}

// A successor that cannot serve takes nothing away.
TEST(HandoverTest, ASuccessorThatCannotServeChangesNothing) {
  Rig rig;
  rig.WriteConfig(Shared(4));
  const pid_t older = rig.Start({.log = "older.log"});
  ASSERT_TRUE(rig.CountBecomes(8));
  rig.ForgetLeast();
  const std::string empty = rig.stage().directory() + "/config";
  const pid_t stuck = rig.Start(
      {.flags = {"--driver-root-ctr-path=" + empty}, .env = {{"FAIL_ON_INIT_ERROR", "false"}}});
  rig.Turn(seconds(2));
  EXPECT_TRUE(rig.Runs(older));
  EXPECT_TRUE(rig.Runs(stuck));
  EXPECT_EQ(rig.least(), 8);
  rig.Stop(SIGKILL, stuck);
  rig.Turn(milliseconds(300));
  EXPECT_EQ(rig.stage().Count(kGpu).allocatable, 8);
  EXPECT_TRUE(rig.Runs(older));
}

}  // namespace
}  // namespace tranche::process
