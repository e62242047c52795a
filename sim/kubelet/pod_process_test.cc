#include "sim/kubelet/pod_process.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

#include "base/file.h"
#include "base/testing/real_loop.h"

namespace tranche::sim {
namespace {

using ::testing::HasSubstr;

class PodProcessTest : public ::testing::Test {
 protected:
  // Runs to its end and gives what it wrote.
  std::string Run(ProcessSpec spec) {
    spec.directory = folder_.path();
    auto started = StartProcess(spec);
    EXPECT_TRUE(started.ok()) << started.status().message();
    if (!started.ok()) return {};
    not_applied_ = started->not_applied;
    bool ended = false;
    const auto watch = WatchProcess(*loop_, started->id, [&](std::optional<int> status) {
      status_ = status;
      ended = true;
    });
    EXPECT_TRUE(loop_.RunUntil([&] { return ended; }));
    return base::ReadFile(folder_ / "output", 1 << 20).value();
  }

  base::testing::TempDir folder_;
  base::testing::RealLoop loop_;
  std::optional<int> status_;
  std::vector<std::string> not_applied_;
};

TEST_F(PodProcessTest, HasItsEnvironmentAndNoOther) {
  const std::string output = Run({.command = {"env"},
                                  .env = {{"A", "1"}, {"PATH", "/usr/bin:/bin"}},
                                  .mounts = {},
                                  .devices = {},
                                  .directory = {}});
  EXPECT_EQ(output, "A=1\nPATH=/usr/bin:/bin\n");
  ASSERT_TRUE(status_.has_value());
  EXPECT_EQ(WEXITSTATUS(*status_), 0);
}

TEST_F(PodProcessTest, ExitCodesAndSignalsAreSeen) {
  Run({.command = {"sh", "-c", "exit 7"}, .env = {}, .mounts = {}, .devices = {}, .directory = {}});
  ASSERT_TRUE(status_.has_value());
  EXPECT_EQ(WEXITSTATUS(*status_), 7);
  Run({.command = {"sh", "-c", "kill -9 $$"},
       .env = {},
       .mounts = {},
       .devices = {},
       .directory = {}});
  EXPECT_EQ(WTERMSIG(*status_), SIGKILL);
}

TEST_F(PodProcessTest, SaysWhyACommandDoesNotStart) {
  const auto started = StartProcess({.command = {"/no/such"},
                                     .env = {},
                                     .mounts = {},
                                     .devices = {},
                                     .directory = folder_.path()});
  ASSERT_FALSE(started.ok());
  EXPECT_THAT(started.status().message(), HasSubstr("/no/such"));
}

TEST_F(PodProcessTest, ARecycledPidIsNotTheProcess) {
  const auto started = StartProcess({.command = {"sleep", "100"},
                                     .env = {},
                                     .mounts = {},
                                     .devices = {},
                                     .directory = folder_.path()})
                           .value();
  EXPECT_TRUE(IsAlive(started.id));
  EXPECT_FALSE(IsAlive({started.id.pid, started.id.start_time + 1}));
  bool ended = false;
  const auto other = WatchProcess(*loop_, {started.id.pid, started.id.start_time + 1},
                                  [&](std::optional<int> status) {
                                    EXPECT_FALSE(status.has_value());
                                    ended = true;
                                  });
  ASSERT_TRUE(loop_.RunUntil([&] { return ended; }));
  SignalProcess(started.id, SIGKILL);
  ended = false;
  const auto watch = WatchProcess(*loop_, started.id, [&](std::optional<int>) { ended = true; });
  ASSERT_TRUE(loop_.RunUntil([&] { return ended; }));
  EXPECT_FALSE(IsAlive(started.id));
}

// What becomes of a container when the process that started it is killed: whether it is still
// there then, and how it has ended, at last by this test.
struct Left {
  bool alive = false;
  int status = 0;
};

Left KillTheKubeletOf(const std::string& folder, WhenKubeletEnds when) {
  prctl(PR_SET_CHILD_SUBREAPER, 1);  // so that the container becomes this process's child
  int ends[2];
  EXPECT_EQ(pipe2(ends, O_CLOEXEC), 0);
  const base::UniqueFd reader(ends[0]);
  const base::UniqueFd writer(ends[1]);
  const pid_t kubelet = fork();
  if (kubelet == 0) {
    const auto started = StartProcess({.command = {"sleep", "100"},
                                       .env = {},
                                       .mounts = {},
                                       .devices = {},
                                       .directory = folder,
                                       .when_kubelet_ends = when});
    if (started.ok() && write(writer.get(), &started->id, sizeof started->id) > 0) raise(SIGKILL);
    _exit(1);
  }
  ProcessId id;
  EXPECT_EQ(read(reader.get(), &id, sizeof id), static_cast<ssize_t>(sizeof id));
  // The kernel sends the container its signal, if it does, before it tells of the kubelet's end.
  int status = 0;
  EXPECT_EQ(waitpid(kubelet, &status, 0), kubelet);
  EXPECT_TRUE(WIFSIGNALED(status));
  Left left;
  if (when == WhenKubeletEnds::kGoesOn) {
    left.alive = IsAlive(id);
    SignalProcess(id, SIGTERM);
  }
  EXPECT_EQ(waitpid(id.pid, &left.status, 0), id.pid);
  return left;
}

TEST_F(PodProcessTest, GoesOnWithoutItsKubeletUnlessToldOtherwise) {
  const Left goes_on = KillTheKubeletOf(folder_.path(), WhenKubeletEnds::kGoesOn);
  EXPECT_TRUE(goes_on.alive);
  EXPECT_EQ(WTERMSIG(goes_on.status), SIGTERM);
  const Left killed = KillTheKubeletOf(folder_.path(), WhenKubeletEnds::kIsKilled);
  EXPECT_TRUE(WIFSIGNALED(killed.status));
  EXPECT_EQ(WTERMSIG(killed.status), SIGKILL);
}

TEST_F(PodProcessTest, MountsAreItsOwn) {
  const std::string host = folder_ / "host";
  const std::string point = folder_ / "a/b/point";
  ASSERT_TRUE(base::WriteFileAtomic(host, "from the host\n").ok());
  ASSERT_TRUE(base::WriteFileAtomic(folder_ / "other", "still there\n").ok());
  const std::string script = "cat " + point + " " + (folder_ / "other") + "; echo x >" + point +
                             " || echo read-only; echo y >/a-new-file-in-the-root-of-nothing/x";
  const std::string output = Run({.command = {"sh", "-c", script},
                                  .env = {},
                                  .mounts = {{point, host, true},
                                             {"/new-in-root/x", host, true},
                                             {folder_ / "z", "/no", false}},
                                  .devices = {{folder_ / "dev/zero", "/dev/zero", "rw"}},
                                  .directory = {}});
  if (!not_applied_.empty() && not_applied_[0].find("not permitted") != std::string::npos) {
    GTEST_SKIP() << not_applied_[0];
  }
  EXPECT_FALSE(std::filesystem::exists(point)) << "the machine's own files stay as they are";
  ASSERT_EQ(not_applied_.size(), 2U);
  EXPECT_THAT(not_applied_[0], HasSubstr("would have to be made in /"));
  EXPECT_THAT(not_applied_[1], HasSubstr("/no"));
  EXPECT_THAT(output, HasSubstr("from the host\nstill there\n"));
  EXPECT_THAT(output, HasSubstr("read-only\n"));
}

}  // namespace
}  // namespace tranche::sim
