// The agent in a container that may have few processes and threads (pids.max): the kernel limits
// root by no RLIMIT_NPROC, so the agent is another user here, with root's rights on files.
#include <gtest/gtest.h>

#include <string>

#include "tests/process/rig.h"

namespace tranche::process {
namespace {

AgentSpec Limited(int processes) {
  return {.through = {"/usr/bin/prlimit", "--nproc=" + std::to_string(processes) + ":1000",
                      "/usr/bin/setpriv", "--reuid=2000054321",
                      "--inh-caps=+dac_override,+dac_read_search,+chown,+fowner",
                      "--ambient-caps=+dac_override,+dac_read_search,+chown,+fowner"}};
}

TEST(ThreadsTest, WithTooFewAtStartItSaysSoAndEnds) {
  Rig rig;
  rig.WriteConfig(Shared(4));
  for (int processes = 1; processes <= 14; ++processes) {
    EXPECT_EQ(rig.WaitForEnd(rig.Start(Limited(processes))), 1) << processes;
    EXPECT_TRUE(rig.Logged("there is room for " + std::to_string(processes - 1) + " more threads"))
        << processes;
  }
  EXPECT_TRUE(rig.Logged("pids.max"));
  EXPECT_EQ(rig.CountEvents("registered"), 0);
}

}  // namespace
}  // namespace tranche::process
