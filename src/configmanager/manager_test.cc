#include "configmanager/manager.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <filesystem>
#include <fstream>

#include "apiserver/testing/fake_api.h"
#include "base/file.h"
#include "base/testing/fake_loop.h"
#include "base/testing/real_loop.h"
#include "configmanager/link.h"
#include "configmanager/signal.h"

namespace tranche::configmanager {
namespace {

namespace fs = std::filesystem;
using base::Code;
using base::Status;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr char kNode[] = "/api/v1/nodes/gpu-node";
constexpr char kLabel[] = "nvidia.com/device-plugin.config";
constexpr char kEvents[] = "/api/v1/namespaces/default/events";
constexpr auto kPoll = std::chrono::seconds(31);  // a folder is looked at this often in any case

void Write(const std::string& path, const std::string& text) {
  fs::create_directories(fs::path(path).parent_path());
  std::ofstream(path) << text;
}

// A process in a proc folder of our own; the id is of a child that counts its SIGHUPs.
void AddProcess(const std::string& proc, pid_t pid, const std::string& command_line) {
  Write(proc + "/" + std::to_string(pid) + "/cmdline", command_line);
}

// A child that ends at the first SIGHUP, with status 7.
class Child {
 public:
  Child() {
    std::array<int, 2> ready{};
    TRANCHE_CHECK(pipe(ready.data()) == 0);
    pid_ = fork();
    if (pid_ == 0) {
      std::signal(SIGHUP, [](int) { _exit(7); });
      TRANCHE_CHECK(write(ready[1], "r", 1) == 1);
      for (;;) pause();
    }
    char byte = 0;
    TRANCHE_CHECK(read(ready[0], &byte, 1) == 1);
    close(ready[0]);
    close(ready[1]);
  }
  ~Child() {
    if (pid_ > 0) {
      kill(pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
    }
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  [[nodiscard]] pid_t pid() const { return pid_; }
  // Waits for it to end of the signal.
  bool GotSignal() {
    int status = 0;
    if (waitpid(pid_, &status, 0) != pid_) return false;
    pid_ = 0;
    return WIFEXITED(status) && WEXITSTATUS(status) == 7;
  }
  bool Runs() { return waitpid(pid_, nullptr, WNOHANG) == 0; }

 private:
  pid_t pid_ = 0;
};

class ConfigManagerTest : public ::testing::Test {
 protected:
  ConfigManagerTest() {
    for (const char* name : {"default", "dev", "train"}) {
      Write(folder_ / ("configs/" + std::string(name)), std::string("config ") + name);
    }
    fs::create_directories(folder_ / "proc");
    options_.node_name = "gpu-node";
    options_.source_directory = folder_ / "configs";
    options_.destination = folder_ / "config/config.yaml";
    options_.default_config = "default";
    options_.proc_directory = folder_ / "proc";
    options_.send_signal = true;
  }

  void Label(const std::string& value) { api_.PutLabel(kNode, kLabel, value); }
  void Start() {
    manager_.reset();
    exit_status_.reset();
    manager_ = std::make_unique<ConfigManager>(loop_, api_, options_,
                                               [this](int status) { exit_status_ = status; });
    loop_.AdvanceBy(std::chrono::milliseconds(100));
  }
  void OneShot() {
    options_.oneshot = true;
    options_.send_signal = false;
    Start();
  }
  void Settle() { loop_.AdvanceBy(kPoll); }
  std::string Linked() {
    const auto target = LinkTarget(options_.destination);
    if (!target) return "(no link)";
    const std::string prefix = options_.source_directory + "/";
    return target->starts_with(prefix) ? target->substr(prefix.size()) : *target;
  }
  void LinkTo(const std::string& name) {
    ASSERT_TRUE(
        PointLink(options_.destination, base::JoinPath(options_.source_directory, name)).ok());
  }
  std::vector<std::string> EventMessages() {
    std::vector<std::string> messages;
    for (const base::Json& event : api_.List(kEvents)) {
      messages.push_back(event.Find("message")->as_string());
    }
    return messages;
  }

  base::testing::TempDir folder_;
  base::testing::FakeLoop loop_;
  apiserver::testing::FakeApi api_{loop_};
  ConfigManagerOptions options_;
  std::optional<int> exit_status_;
  std::unique_ptr<ConfigManager> manager_;
};

TEST_F(ConfigManagerTest, TheFirstLinkIsTheLabelsAlready) {
  Label("dev");
  OneShot();
  EXPECT_EQ(exit_status_, 0);
  EXPECT_EQ(Linked(), "dev");
}

TEST_F(ConfigManagerTest, WithoutTheLabelTheDefaultCounts) {
  api_.Put(kNode, base::Json::MakeObject());
  OneShot();
  EXPECT_EQ(exit_status_, 0);
  EXPECT_EQ(Linked(), "default");
}

TEST_F(ConfigManagerTest, TheEmptyFallbackLeadsNowhere) {
  options_.default_config = "";
  options_.fallbacks = {profile::Fallback::kEmpty};
  api_.Put(kNode, base::Json::MakeObject());
  OneShot();
  EXPECT_EQ(exit_status_, 0);
  EXPECT_EQ(LinkTarget(options_.destination), "/dev/null");
}

TEST_F(ConfigManagerTest, NothingToChooseFailsAsUpstreamDoes) {
  options_.default_config = "";
  options_.fallbacks = {profile::Fallback::kNamed, profile::Fallback::kSingle};
  fs::remove(folder_ / "configs/default");
  api_.Put(kNode, base::Json::MakeObject());
  OneShot();
  EXPECT_EQ(exit_status_, 1);
  EXPECT_EQ(Linked(), "(no link)");
  EXPECT_THAT(EventMessages(), ElementsAre(HasSubstr("all fallbacks failed")));
}

TEST_F(ConfigManagerTest, AskedIsOnlyForTheMetadataOfItsOwnNode) {
  Label("dev");
  Start();
  ASSERT_THAT(api_.watched(), SizeIs(1));
  EXPECT_EQ(api_.watched()[0].field_selector, "metadata.name=gpu-node");
  EXPECT_TRUE(api_.watched()[0].metadata_only);
}

TEST_F(ConfigManagerTest, OneshotWaitsForTheApiServer) {
  Label("dev");
  api_.SetAway(true);
  OneShot();
  loop_.AdvanceBy(ConfigManager::kWait / 2);
  EXPECT_FALSE(exit_status_);
  EXPECT_EQ(Linked(), "(no link)");
  api_.SetAway(false);
  loop_.AdvanceBy(std::chrono::seconds(5));
  EXPECT_EQ(exit_status_, 0);
  EXPECT_EQ(Linked(), "dev");
}

TEST_F(ConfigManagerTest, OneshotGoesOnWithoutAnApiServerThatStaysAway) {
  Label("dev");
  api_.SetAway(true);
  OneShot();
  loop_.AdvanceBy(ConfigManager::kWait + std::chrono::seconds(3));
  EXPECT_EQ(exit_status_, 0);
  EXPECT_EQ(Linked(), "default");
}

TEST_F(ConfigManagerTest, OneshotWithALinkKeepsItAndSoonerSo) {
  LinkTo("train");
  Label("dev");
  api_.SetHanging(true);
  OneShot();
  loop_.AdvanceBy(ConfigManager::kWaitWithLink);
  EXPECT_EQ(exit_status_, 0);
  EXPECT_EQ(Linked(), "train");
}

TEST_F(ConfigManagerTest, ANodeThatIsNotThereYetIsWaitedFor) {
  OneShot();
  EXPECT_FALSE(exit_status_);
  Label("train");
  loop_.AdvanceBy(std::chrono::seconds(1));
  EXPECT_EQ(exit_status_, 0);
  EXPECT_EQ(Linked(), "train");
}

TEST_F(ConfigManagerTest, TheSideCarFollowsTheLabelBothWays) {
  Label("dev");
  Start();
  EXPECT_EQ(Linked(), "dev");
  Label("train");
  loop_.AdvanceBy(std::chrono::milliseconds(50));
  EXPECT_EQ(Linked(), "train");
  api_.PutLabel(kNode, kLabel, std::nullopt);
  loop_.AdvanceBy(std::chrono::milliseconds(50));
  EXPECT_EQ(Linked(), "default");
  EXPECT_FALSE(exit_status_);
}

TEST_F(ConfigManagerTest, TheSideCarCorrectsWhatWasChosenWithoutTheApiServer) {
  Label("dev");
  api_.SetAway(true);
  Start();
  loop_.AdvanceBy(ConfigManager::kWait * 2);
  EXPECT_EQ(Linked(), "default");
  api_.SetAway(false);
  loop_.AdvanceBy(std::chrono::seconds(5));
  EXPECT_EQ(Linked(), "dev");
}

TEST_F(ConfigManagerTest, ARestartChangesAndSignalsNothing) {
  Child plugin;
  AddProcess(folder_ / "proc", plugin.pid(), std::string("nvidia-device-plugin\0", 21));
  LinkTo("dev");
  const base::FileIdentity before = base::IdentityOf(options_.destination);
  Label("dev");
  Start();
  Settle();
  EXPECT_EQ(base::IdentityOf(options_.destination), before);
  EXPECT_TRUE(plugin.Runs());
  // The API server's absence at a restart does not either.
  api_.SetAway(true);
  Start();
  loop_.AdvanceBy(ConfigManager::kWait * 2);
  EXPECT_EQ(Linked(), "dev");
  EXPECT_TRUE(plugin.Runs());
}

TEST_F(ConfigManagerTest, ALabelThatNamesNothingKeepsTheLastGoodConfig) {
  Label("dev");
  Start();
  Label("dve");
  loop_.AdvanceBy(std::chrono::seconds(1));
  EXPECT_EQ(Linked(), "dev");
  EXPECT_FALSE(exit_status_);
  EXPECT_THAT(EventMessages(), ElementsAre(HasSubstr("specified config dve does not exist; the "
                                                     "last good config stays")));
  // Said once, however often it is looked at.
  Settle();
  Settle();
  EXPECT_THAT(EventMessages(), SizeIs(1));
  // A restart is no reason to take the default either, of the init container or of the side-car.
  Start();
  EXPECT_EQ(Linked(), "dev");
  OneShot();
  EXPECT_EQ(exit_status_, 0);
  EXPECT_EQ(Linked(), "dev");
}

TEST_F(ConfigManagerTest, WithNothingLinkedYetTheMissingFileIsLinkedAndWaitedFor) {
  Label("later");
  OneShot();
  EXPECT_EQ(exit_status_, 0);  // the pod does not hang in Init
  EXPECT_EQ(Linked(), "later");
  EXPECT_FALSE(base::Exists(options_.destination));

  options_.oneshot = false;
  options_.send_signal = true;
  Child plugin;
  AddProcess(folder_ / "proc", plugin.pid(), std::string("nvidia-device-plugin\0", 21));
  Start();
  Settle();
  EXPECT_TRUE(plugin.Runs());
  Write(folder_ / "configs/later", "here it is");
  Settle();
  EXPECT_TRUE(plugin.GotSignal());
}

TEST_F(ConfigManagerTest, AForbiddenEventIsNoFailure) {
  api_.Deny(apiserver::Method::kPost, kEvents);
  Label("later");
  OneShot();
  EXPECT_EQ(exit_status_, 0);
  EXPECT_EQ(api_.Count(apiserver::Method::kPost, kEvents), 1);
}

TEST_F(ConfigManagerTest, AnEditOfTheChosenConfigIsSignalledAndOneOfAnotherIsNot) {
  Child plugin;
  AddProcess(folder_ / "proc", plugin.pid(), std::string("nvidia-device-plugin\0", 21));
  LinkTo("dev");
  Label("dev");
  Start();
  Write(folder_ / "configs/train", "edited");
  Settle();
  EXPECT_TRUE(plugin.Runs());
  Write(folder_ / "configs/dev", "edited");
  Settle();
  EXPECT_TRUE(plugin.GotSignal());
}

TEST_F(ConfigManagerTest, TheLastGoodOutlivesItsFile) {
  Child plugin;
  AddProcess(folder_ / "proc", plugin.pid(), std::string("nvidia-device-plugin\0", 21));
  LinkTo("dev");
  Label("dev");
  Start();
  fs::remove(folder_ / "configs/dev");
  Settle();
  EXPECT_EQ(Linked(), "dev");
  EXPECT_TRUE(plugin.Runs());
  Write(folder_ / "configs/dev", "config dev");  // as it was
  Settle();
  EXPECT_TRUE(plugin.Runs());
}

TEST_F(ConfigManagerTest, EveryProcessOfTheNameIsSignalledAndNoOther) {
  Child first;
  Child second;
  Child other;
  AddProcess(folder_ / "proc", first.pid(), std::string("nvidia-device-plugin\0--x\0", 25));
  AddProcess(folder_ / "proc", second.pid(), "nvidia-device-plugin");
  AddProcess(folder_ / "proc", other.pid(), std::string("/usr/bin/nvidia-device-plugin\0", 30));
  Label("dev");
  Start();
  EXPECT_TRUE(first.GotSignal());
  EXPECT_TRUE(second.GotSignal());
  EXPECT_TRUE(other.Runs());
}

TEST_F(ConfigManagerTest, AFolderInTheWayIsTriedAgain) {
  fs::create_directories(options_.destination);
  Label("dev");
  Start();
  EXPECT_FALSE(exit_status_);
  fs::remove(options_.destination);
  loop_.AdvanceBy(ConfigManager::kRetry);
  EXPECT_EQ(Linked(), "dev");
}

TEST(FindProcessesTest, ReadsArgvZeroByteForByte) {
  const base::testing::TempDir proc;
  AddProcess(proc.path(), 11, std::string("nvidia-device-plugin\0", 21));
  AddProcess(proc.path(), 9, std::string("nvidia-device-plugin\0--flag\0", 28));
  AddProcess(proc.path(), 12, std::string("nvidia-device-plugin2\0", 22));
  AddProcess(proc.path(), 13, std::string("nvidia-device-plugi\0", 20));
  AddProcess(proc.path(), 14, "");  // a kernel thread, or a zombie
  AddProcess(proc.path(), 15, std::string("/bin/sh\0nvidia-device-plugin\0", 29));
  AddProcess(proc.path(), getpid(), std::string("nvidia-device-plugin\0", 21));
  fs::create_directories(proc / "16");  // one that has ended
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

TEST(PointLinkTest, TakesThePlaceOfALinkOrAFileInOneStep) {
  const base::testing::TempDir folder;
  const std::string link = folder / "config/config.yaml";
  ASSERT_TRUE(PointLink(link, "/available-configs/a").ok());
  EXPECT_EQ(LinkTarget(link), "/available-configs/a");
  ASSERT_TRUE(PointLink(link, "/dev/null").ok());
  EXPECT_EQ(LinkTarget(link), "/dev/null");
  fs::remove(link);
  Write(link, "a file");
  ASSERT_TRUE(PointLink(link, "b").ok());
  EXPECT_EQ(LinkTarget(link), "b");
  EXPECT_EQ(base::testing::CountEntries(folder / "config"), 1);
  fs::remove(link);
  fs::create_directories(link + "/full");
  EXPECT_FALSE(PointLink(link, "c").ok());
  EXPECT_EQ(base::testing::CountEntries(folder / "config"), 1);
}

}  // namespace
}  // namespace tranche::configmanager
