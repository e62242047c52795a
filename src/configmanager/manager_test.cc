#include "configmanager/manager.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "apiserver/testing/fake_api.h"
#include "base/file.h"
#include "base/testing/fake_loop.h"
#include "base/testing/temp_dir.h"
#include "configmanager/link.h"
#include "configmanager/testing/processes.h"

namespace tranche::configmanager {
namespace {

namespace fs = std::filesystem;
using testing::AddProcess;
using testing::Child;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using testing::Write;

constexpr char kNode[] = "/api/v1/nodes/gpu-node";
constexpr char kLabel[] = "nvidia.com/device-plugin.config";
constexpr char kEvents[] = "/api/v1/namespaces/default/events";
constexpr auto kPoll = std::chrono::seconds(31);  // a folder is looked at this often in any case

class ConfigManagerTest : public ::testing::Test {
 protected:
  ConfigManagerTest() {
    for (const char* name : {"default", "dev", "train"}) {
      Write(folder_ / ("configs/" + std::string(name)), std::string("config ") + name);
    }
    fs::create_directories(folder_ / "proc");
    options_.node_name = "gpu-node";
    options_.node_label = kLabel;
    options_.source_directory = folder_ / "configs";
    options_.destination = folder_ / "config/config.yaml";
    options_.default_config = "default";
    options_.proc_directory = folder_ / "proc";
    options_.send_signal = true;
    options_.signal = SIGHUP;
    options_.process_to_signal = "nvidia-device-plugin";
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
  EXPECT_EQ(api_.watched()[0].form, apiserver::ReplyForm::kMetadata);
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
  EXPECT_THAT(EventMessages(), ElementsAre(HasSubstr("specified config dve does not exist; did "
                                                     "you mean dev?; the last good config stays")));
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

}  // namespace
}  // namespace tranche::configmanager
