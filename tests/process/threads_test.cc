// The agent in a container that may have few processes and threads (pids.max): the kernel limits
// root by no RLIMIT_NPROC, so the agent is another user here, with root's rights on files.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "tests/process/rig.h"

namespace tranche::process {
namespace {

constexpr char kUser[] = "2000054321";

AgentSpec Limited(int processes) {
  return {.through = {"/usr/bin/prlimit", "--nproc=" + std::to_string(processes) + ":1000",
                      "/usr/bin/setpriv", std::string("--reuid=") + kUser,
                      "--inh-caps=+dac_override,+dac_read_search,+chown,+fowner",
                      "--ambient-caps=+dac_override,+dac_read_search,+chown,+fowner"}};
}

// The agent's user finds the driver's files by their modes, as access(2) does.
void LetAnyUserFindTheDriver(Rig& rig) {
  for (std::filesystem::path folder = rig.stage().driver_root();
       folder.has_relative_path() && folder != "/tmp"; folder = folder.parent_path()) {
    ASSERT_EQ(chmod(folder.c_str(), 0755), 0);
  }
}

// It needs three threads beside its first: two for the driver, and one for what may block on a
// disk.
constexpr int kNeeded = 4;

TEST(ThreadsTest, WithTooFewAtStartItSaysSoAndEnds) {
  Rig rig;
  LetAnyUserFindTheDriver(rig);
  rig.WriteConfig(Shared(4));
  for (int processes = 1; processes < kNeeded; ++processes) {
    EXPECT_EQ(rig.WaitForEnd(rig.Start(Limited(processes))), 1) << processes;
  }
  EXPECT_TRUE(rig.Logged("no further thread can be made"));
  EXPECT_TRUE(rig.Logged("pids.max"));
  EXPECT_EQ(rig.CountEvents("registered"), 0);
}

TEST(ThreadsTest, WithNoneToSpareItServes) {
  Rig rig;
  LetAnyUserFindTheDriver(rig);
  rig.WriteConfig(Shared(4));
  rig.Start(Limited(kNeeded));
  ASSERT_TRUE(rig.CountBecomes(8)) << rig.Counted();
  EXPECT_NE(rig.RunPod("a"), 0);
}

// Sets how many processes and threads its user may have, and with it the agent, which is the only
// one of that user.
void Allow(pid_t pid, int count) {
  const std::string command = std::string("/usr/bin/setpriv --reuid=") + kUser +
                              " /usr/bin/prlimit --pid=" + std::to_string(pid) +
                              " --nproc=" + std::to_string(count) + ":1000";
  ASSERT_EQ(std::system(command.c_str()), 0) << command;
}

TEST(ThreadsTest, WithNoneLeftAtRunTimeWhatIsServedStaysServed) {
  Rig rig;
  LetAnyUserFindTheDriver(rig);
  rig.WriteConfig(Shared(4));
  const pid_t pid = rig.Start(Limited(1000));
  ASSERT_TRUE(rig.CountBecomes(8));
  ASSERT_NE(rig.RunPod("a"), 0);
  Allow(pid, 1);
  for (int i = 0; i < 3; ++i) EXPECT_NE(rig.RunPod("b" + std::to_string(i)), 0);
  EXPECT_EQ(rig.Get("/livez").status, 200);
  EXPECT_EQ(rig.Get("/readyz").status, 200);
  // A change of counts needs no thread.
  rig.WriteConfig(Shared(6));
  ASSERT_TRUE(rig.CountBecomes(12)) << rig.Counted();
  // A fault is heard of, and a kubelet that starts anew is told.
  ASSERT_TRUE(rig.node().RaiseXid({.slot = 1}, 48).ok());
  ASSERT_TRUE(rig.CountBecomes(6, 12)) << rig.Counted();
  // Nor does a resource that is new.
  constexpr char kShared[] = "nvidia.com/gpu.shared";
  rig.WriteConfig(
      Config("sharing:\n  timeSlicing:\n    renameByDefault: true\n    resources:\n"
             "    - {name: nvidia.com/gpu, replicas: 2}\n"));
  ASSERT_TRUE(rig.CountBecomes(2, 4, kShared)) << rig.Counted(kShared);
  EXPECT_EQ(rig.Get("/livez").status, 200);
  EXPECT_TRUE(rig.StatusIs("config.error", ""));
  EXPECT_TRUE(rig.Runs(pid));
}

}  // namespace
}  // namespace tranche::process
