// The driver's files, or those that a container runtime reads, on a file system that does not
// answer, as that of a network mount whose server has gone: a FUSE mount that nobody serves.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mount.h>

#include <csignal>
#include <cstdlib>
#include <string>

#include "base/file.h"
#include "tests/process/rig.h"

namespace tranche::process {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Whoever looks at anything below `path` hangs, until the end of this object: then it is an error.
class Hanging {
 public:
  explicit Hanging(std::string path)
      : path_(std::move(path)), fuse_(open("/dev/fuse", O_RDWR | O_CLOEXEC)) {
    if (!fuse_.valid()) return;
    const std::string options =
        "fd=" + std::to_string(fuse_.get()) + ",rootmode=40000,user_id=0,group_id=0";
    mounted_ = mount("none", path_.c_str(), "fuse", 0, options.c_str()) == 0;
  }
  Hanging(const Hanging&) = delete;
  Hanging& operator=(const Hanging&) = delete;
  ~Hanging() { End(); }

  [[nodiscard]] bool mounted() const { return mounted_; }
  void End() {
    if (mounted_) umount2(path_.c_str(), MNT_DETACH);
    mounted_ = false;
    fuse_ = base::UniqueFd();
  }

 private:
  std::string path_;
  base::UniqueFd fuse_;
  bool mounted_ = false;
};

// It answers whatever it is asked, and says what hangs and for how long.
void ExpectAlive(Rig& rig, const std::string& pod) {
  ASSERT_TRUE(rig.StatusHas("degraded", "driver root: ")) << rig.StatusOf("degraded");
  EXPECT_NE(rig.StatusOf("degraded").find("has not returned for "), std::string::npos);
  EXPECT_EQ(rig.Get("/livez").status, 200);
  EXPECT_EQ(rig.Get("/readyz").status, 200);
  EXPECT_NE(rig.RunPod(pod), 0);
}

TEST(HungRootTest, ADriverRootThatHangsStopsNeitherPodsNorProbes) {
  Rig rig;
  rig.WriteConfig(Shared(4));
  const pid_t pid = rig.Start({.flags = {"--device-list-strategy=cdi-cri"}});
  ASSERT_TRUE(rig.CountBecomes(8));
  Hanging hanging(rig.stage().driver_root() + "/dev");
  if (!hanging.mounted()) GTEST_SKIP() << "no FUSE mount can be made here";
  ExpectAlive(rig, "a");
  // Whatever else looks there.
  kill(pid, SIGHUP);
  rig.RestartKubelet(milliseconds(5));
  ASSERT_TRUE(rig.CountBecomes(8)) << rig.Counted();
  rig.WriteConfig(Shared(6));
  EXPECT_TRUE(rig.StatusHas("config.error", "has no answer yet"));
  ExpectAlive(rig, "b");
  EXPECT_EQ(rig.stage().Count(kGpu).allocatable, 8);
  hanging.End();
  ASSERT_TRUE(rig.CountBecomes(12)) << rig.Counted();
  ASSERT_TRUE(rig.StatusIs("degraded", "[]")) << rig.StatusOf("degraded");
  EXPECT_TRUE(rig.Runs(pid));
}

TEST(HungRootTest, SoDoesAFolderOfCdiSpecs) {
  Rig rig;
  rig.WriteConfig(Shared(4));
  rig.Start({.flags = {"--device-list-strategy=cdi-cri"}});
  ASSERT_TRUE(rig.CountBecomes(8));
  Hanging hanging("/var/run/cdi");
  if (!hanging.mounted()) GTEST_SKIP() << "no FUSE mount can be made here";
  EXPECT_NE(rig.RunPod("a"), 0);
  ExpectAlive(rig, "b");
  hanging.End();
  ASSERT_TRUE(rig.StatusIs("degraded", "[]")) << rig.StatusOf("degraded");
}

// Nothing can be served then, and the probes are answered.
TEST(HungRootTest, OneThatHangsFromTheStartIsToldOfAndServedOnceItAnswers) {
  Rig rig;
  rig.WriteConfig(Shared(4));
  Hanging hanging(rig.stage().driver_root() + "/dev");
  if (!hanging.mounted()) GTEST_SKIP() << "no FUSE mount can be made here";
  rig.Start({.flags = {"--fail-on-init-error=false"}});
  ASSERT_TRUE(rig.StatusHas("degraded", "driver root: ")) << rig.StatusOf("degraded");
  EXPECT_EQ(rig.Get("/livez").status, 200);
  hanging.End();
  ASSERT_TRUE(rig.CountBecomes(8)) << rig.Counted();
}

// What hangs is left behind.
TEST(HungRootTest, ItDoesNotKeepTheAgentFromEnding) {
  Rig rig;
  rig.WriteConfig(Shared(4));
  const pid_t pid = rig.Start();
  ASSERT_TRUE(rig.CountBecomes(8));
  Hanging hanging(rig.stage().driver_root() + "/dev");
  if (!hanging.mounted()) GTEST_SKIP() << "no FUSE mount can be made here";
  ASSERT_TRUE(rig.StatusHas("degraded", "driver root: ")) << rig.StatusOf("degraded");
  kill(pid, SIGINT);
  rig.Turn(seconds(1));
  hanging.End();  // a thread in such a call is ended by no signal
  EXPECT_EQ(rig.WaitForEnd(pid), 0);
}

}  // namespace
}  // namespace tranche::process
