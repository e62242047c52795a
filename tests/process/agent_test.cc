// The agent dies, is told things by signal, and comes back.
#include <sys/wait.h>

#include <csignal>
#include <filesystem>
#include <random>

#include "base/testing/places.h"
#include "tests/process/rig.h"

namespace tranche::process {
namespace {

using std::chrono::milliseconds;

int Sockets() {
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(sim::kPluginDirectory)) {
    if (entry.is_socket()) ++count;
  }
  return count;
}

TEST(AgentTest, KilledAtRandomPoints) {
  Rig rig;
  rig.WriteConfig(Shared(4));
  std::mt19937 random(11);
  rig.Start();
  ASSERT_TRUE(rig.CountBecomes(8));
  const pid_t resident = rig.RunPod("resident");
  const int times = Times(200);
  for (int i = 0; i < times; ++i) {
    const bool loaded = random() % 2 == 0;
    bool answered = !loaded;
    if (loaded) {
      rig.kubelet().RunPod({.name = "load", .requests = {{kGpu, 1}}},
                           [&](const base::Result<sim::Pod>&) { answered = true; });
    }
    // From a moment after its start, before it has read anything, to well into its work.
    rig.Turn(milliseconds(random() % 60));
    rig.Stop(SIGKILL);
    rig.Start();
    // The first thing the kubelet holds of it is the truth, and it is complete.
    const std::size_t before = rig.events().size();
    ASSERT_TRUE(rig.CountBecomes(8, 8)) << rig.Counted() << " after kill " << i;
    for (std::size_t j = before; j < rig.events().size(); ++j) {
      const sim::Event& event = rig.events()[j];
      if (event.kind == "devices") {
        EXPECT_EQ(event.total, 8) << i;
      }
      if (event.kind == "registration-refused") ADD_FAILURE() << i << ": " << event.detail;
    }
    ASSERT_TRUE(rig.Until([&] { return answered; })) << "a pod unanswered after kill " << i;
    if (loaded) rig.DeletePod("load");
    ASSERT_NE(rig.RunPod("after"), 0) << i;
    rig.DeletePod("after");
    ASSERT_TRUE(rig.Untouched("resident", resident)) << i;
  }
  // What the dead left behind is bounded.
  EXPECT_LE(Sockets(), 8) << "sockets pile up";
}

TEST(AgentTest, HangupReadsConfigAndNodeAgainWithoutDroppingAStream) {
  Rig rig;
  rig.WriteConfig(Shared(4));
  const pid_t pid = rig.Start();
  ASSERT_TRUE(rig.CountBecomes(8));
  const pid_t pod = rig.RunPod("a");
  for (int i = 0; i < 20; ++i) {
    kill(pid, SIGHUP);
    rig.Turn(milliseconds(i));
  }
  rig.WriteConfig(Shared(3));
  kill(pid, SIGHUP);
  ASSERT_TRUE(rig.CountBecomes(6, 6)) << rig.Counted();
  EXPECT_TRUE(rig.Runs(pid));
  EXPECT_EQ(rig.CountEvents("stream-lost"), 0);
  EXPECT_EQ(rig.CountEvents("registered"), 1);
  EXPECT_TRUE(rig.Untouched("a", pod));
}

TEST(AgentTest, InterruptEndsItAtOnceAndLeavesNothing) {
  Rig rig;
  rig.WriteConfig(Shared(4));
  const pid_t pid = rig.Start();
  ASSERT_TRUE(rig.CountBecomes(8));
  ASSERT_TRUE(rig.StatusIs("ready", "true"));
  const pid_t pod = rig.RunPod("a");
  kill(pid, SIGINT);
  EXPECT_EQ(rig.WaitForEnd(pid), 0);
  ASSERT_TRUE(rig.CountBecomes(0)) << rig.Counted();
  EXPECT_EQ(Sockets(), 1) << "only the kubelet's is left";
  EXPECT_TRUE(rig.Status().is_null()) << "a status file speaks for an agent that is gone";
  EXPECT_TRUE(rig.Untouched("a", pod));
}

TEST(AgentTest, ItsUpstreamNameTakesUpstreamsEnvironment) {
  Rig rig;
  rig.WriteConfig(Shared(5));
  auto pid = rig.stage().StartProgram(
      {.path = std::string(base::testing::kProgramDir) + "/nvidia-device-plugin",
       .arguments = {"nvidia-device-plugin"},
       .env = {{"CONFIG_FILE", rig.config_path()},
               {"DRIVER_ROOT_CTR_PATH", rig.stage().driver_root()},
               {"TRANCHE_LISTEN", "127.0.0.1:" + std::to_string(rig.port())}},
       .log = "agent.log"});
  ASSERT_TRUE(pid.ok());
  ASSERT_TRUE(rig.CountBecomes(10)) << rig.Counted();
  EXPECT_NE(rig.RunPod("a"), 0);
}

}  // namespace
}  // namespace tranche::process
