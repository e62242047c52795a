#include "configmanager/signal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <string>

#include "base/file.h"
#include "base/testing/real_loop.h"
#include "base/testing/temp_dir.h"
#include "configmanager/testing/processes.h"

namespace tranche::configmanager {
namespace {

using base::Code;
using testing::AddProcess;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::Write;

TEST(FindProcessesTest, ReadsArgvZeroByteForByte) {
  const base::testing::TempDir proc;
  AddProcess(proc.path(), 11, std::string("nvidia-device-plugin\0", 21));
  AddProcess(proc.path(), 9, std::string("nvidia-device-plugin\0--flag\0", 28));
  AddProcess(proc.path(), 12, std::string("nvidia-device-plugin2\0", 22));
  AddProcess(proc.path(), 13, std::string("nvidia-device-plugi\0", 20));
  AddProcess(proc.path(), 14, "");  // a kernel thread, or a zombie
  AddProcess(proc.path(), 15, std::string("/bin/sh\0nvidia-device-plugin\0", 29));
  AddProcess(proc.path(), getpid(), std::string("nvidia-device-plugin\0", 21));
  std::filesystem::create_directories(proc / "16");  // one that has ended
  Write(proc / "self/cmdline", std::string("nvidia-device-plugin\0", 21));
  EXPECT_THAT(FindProcesses(proc.path(), "nvidia-device-plugin"), ElementsAre(9, 11));
  EXPECT_THAT(FindProcesses(proc.path(), ""), IsEmpty());
  EXPECT_THAT(FindProcesses(proc / "absent", "x"), IsEmpty());
}

TEST(FindProcessesTest, FindsARealChildByTheNameItWasGiven) {
  const std::string name = "tranche-test-" + std::to_string(getpid());
  const pid_t pid = fork();
  if (pid == 0) {
    execl("/bin/sleep", name.c_str(), "100", nullptr);
    _exit(1);
  }
  // exec has happened when the kernel says so.
  const std::string command = "/proc/" + std::to_string(pid) + "/cmdline";
  base::testing::RealLoop loop;
  ASSERT_TRUE(loop.RunUntil([&] {
    const auto text = base::ReadFile(command, 4096);
    return text.ok() && text->starts_with(name);
  }));
  EXPECT_THAT(FindProcesses("/proc", name), ElementsAre(pid));
  EXPECT_EQ(SignalProcesses("/proc", name, SIGTERM).sent, 1);
  int status = 0;
  ASSERT_EQ(waitpid(pid, &status, 0), pid);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
  const Signalled again = SignalProcesses("/proc", name, SIGTERM);
  EXPECT_EQ(again.sent, 0);
  EXPECT_TRUE(again.status.ok());
}

TEST(ParseSignalTest, TakesNumbersAndNames) {
  for (const char* text : {"1", "HUP", "SIGHUP", "sighup"}) {
    EXPECT_EQ(*ParseSignal(text), SIGHUP) << text;
  }
  EXPECT_EQ(*ParseSignal("USR1"), SIGUSR1);
  EXPECT_EQ(*ParseSignal("64"), 64);
  for (const char* text : {"", "65", "-1", "1x", "SIG", "SIGNONE", "1 "}) {
    EXPECT_EQ(ParseSignal(text).status().code(), Code::kInvalidArgument) << text;
  }
}

}  // namespace
}  // namespace tranche::configmanager
