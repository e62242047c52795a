#include "discovery/feature_discovery.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <memory>

#include "base/file.h"
#include "base/testing/real_loop.h"
#include "base/timer.h"
#include "base/weak_runner.h"
#include "config/testing/configs.h"
#include "gpu/testing/fake_driver.h"

namespace tranche::discovery {
namespace {

using base::Code;
using base::Status;
using base::testing::RealLoop;
using base::testing::TempDir;
using config::testing::Shared;
using gpu::testing::FakeDriver;
using ::testing::Contains;
using ::testing::IsEmpty;
using ::testing::Key;
using ::testing::Pair;

constexpr char kReplicas[] = "nvidia.com/gpu.replicas";
constexpr char kCount[] = "nvidia.com/gpu.count";

// What was published, and what the outlet makes of it.
struct Board {
  std::vector<labels::Labels> seen;
  bool withdrawn = false;
  Status answer;
  int outlets = 0;
};

class BoardOutlet : public labels::LabelOutlet {
 public:
  BoardOutlet(base::EventLoop& loop, Board& board, StateChanged state_changed)
      : board_(board), state_changed_(std::move(state_changed)), runner_(loop) {
    ++board_.outlets;
  }
  void Publish(const labels::Labels& labels) override {
    board_.seen.push_back(labels);
    runner_.Post([this] { state_changed_(board_.answer); });
  }
  void Withdraw() override { board_.withdrawn = true; }

 private:
  Board& board_;
  StateChanged state_changed_;
  base::WeakRunner runner_;
};

class FeatureDiscoveryTest : public ::testing::Test {
 protected:
  FeatureDiscoveryTest() {
    Flag("machine-type-file", directory_ / "machine");
    Flag("driver-root-ctr-path", directory_ / "root");
    Flag("sleep-interval", "infinite");
    EXPECT_TRUE(base::MakeDirectories(directory_ / "root/dev").ok());
    EXPECT_TRUE(base::WriteFileAtomic(directory_ / "root/dev/nvidia0", "").ok());
  }
  void Flag(const std::string& name, const std::string& value) {
    std::erase_if(flags_, [&](const config::Override& one) { return one.flag == name; });
    flags_.push_back({name, {value}, "--" + name});
  }
  void Config(const std::string& text) {
    EXPECT_TRUE(base::WriteFileAtomic(directory_ / "config/config.yaml", text).ok());
  }
  // Runs until `holds`, then ends it as by `number`; the exit status.
  int Run(const std::function<bool()>& holds, int number = SIGTERM) {
    auto made = FeatureDiscovery::New(
        *loop_, {.overrides = {.environment = {}, .command_line = flags_},
                 .config_file = with_config_ ? directory_ / "config/config.yaml" : "",
                 .sys_root = directory_ / "none",
                 .version = "test",
                 .gpus = {.start_driver =
                              [this](base::EventLoop& loop, const std::string& /*root*/,
                                     gpu::DriverThread::Owner owner) {
                                return gpu::DriverThread::Start(loop, driver_, std::move(owner));
                              },
                          .xid_filter = {}},
                 .new_outlet = [this](const config::Config&,
                                      labels::LabelOutlet::StateChanged state_changed)
                     -> base::Result<std::unique_ptr<labels::LabelOutlet>> {
                   return std::unique_ptr<labels::LabelOutlet>(
                       std::make_unique<BoardOutlet>(*loop_, board_, std::move(state_changed)));
                 }});
    if (!made.ok()) return 1;
    FeatureDiscovery& discovery = **made;
    discovery_ = &discovery;
    const base::TimePoint end = loop_->Now() + std::chrono::seconds(20);
    base::Timer timer(*loop_);
    std::function<void()> look = [&] {
      if (holds()) return discovery.OnSignal(number);
      if (loop_->Now() > end) {
        ADD_FAILURE() << "it does not come";
        return discovery.OnSignal(number);
      }
      timer.Start(std::chrono::milliseconds(1), look);
    };
    timer.Start(std::chrono::milliseconds(1), look);
    return discovery.Run();
  }
  int RunToItsEnd() {
    return Run([] { return false; });
  }
  bool Last(const std::string& key, const std::string& value) {
    if (board_.seen.empty()) return false;
    const auto found = board_.seen.back().find(key);
    return found != board_.seen.back().end() && found->second == value;
  }

  TempDir directory_;
  RealLoop loop_;
  std::shared_ptr<FakeDriver> driver_ = std::make_shared<FakeDriver>(FakeDriver::Gpus(2));
  Board board_;
  std::vector<config::Override> flags_;
  bool with_config_ = false;
  FeatureDiscovery* discovery_ = nullptr;
};

TEST_F(FeatureDiscoveryTest, WhatOnlyThePluginRefusesIsNoReasonNotToLabel) {
  Flag("oneshot", "true");
  Flag("mig-strategy", "");
  with_config_ = true;
  Config(
      "flags: {plugin: {deviceListStrategy: wish, deviceIDStrategy: name}}\n"
      "imex: {channelIDs: [0, 1]}\n");
  EXPECT_EQ(RunToItsEnd(), 0);
  EXPECT_TRUE(Last(kCount, "2"));
}

TEST_F(FeatureDiscoveryTest, OneshotLabelsOnceAndEnds) {
  Flag("oneshot", "true");
  EXPECT_EQ(RunToItsEnd(), 0);
  ASSERT_EQ(board_.seen.size(), 1U);
  EXPECT_TRUE(Last(kCount, "2"));
  EXPECT_FALSE(board_.withdrawn);
}

TEST_F(FeatureDiscoveryTest, OneshotThatCannotPublishFails) {
  Flag("oneshot", "true");
  board_.answer = {Code::kUnavailable, "away"};
  EXPECT_EQ(RunToItsEnd(), 1);
}

TEST_F(FeatureDiscoveryTest, WithdrawsInTheEndWhereItLookedByTime) {
  EXPECT_EQ(Run([&] { return Last(kCount, "2"); }), 0);
  EXPECT_FALSE(board_.withdrawn);
  Flag("sleep-interval", "60s");
  board_.seen.clear();
  EXPECT_EQ(Run([&] { return Last(kCount, "2"); }), 0);
  EXPECT_TRUE(board_.withdrawn);
}

TEST_F(FeatureDiscoveryTest, WithoutADriverItEndsOrWaitsAsItIsTold) {
  driver_->Fail("Initialise", {Code::kNotFound, "no library"});
  EXPECT_EQ(RunToItsEnd(), 1);
  EXPECT_THAT(board_.seen, IsEmpty());
  Flag("fail-on-init-error", "false");
  bool came = false;
  EXPECT_EQ(Run([&] {
              if (board_.seen.empty()) return false;
              if (!std::exchange(came, true)) driver_->Fail("Initialise", Status::Ok());
              return Last(kCount, "2");
            }),
            0);
  EXPECT_THAT(board_.seen.front(), ::testing::Not(Contains(Key(kCount))));
}

TEST_F(FeatureDiscoveryTest, ADriverThatGoesLaterLeavesTheLabels) {
  Flag("sleep-interval", "1s");
  bool failed = false;
  int calls = 0;
  EXPECT_EQ(Run([&] {
              if (Last(kCount, "2") && !std::exchange(failed, true)) {
                driver_->Fail("Enumerate", {Code::kUnavailable, "gone"});
                calls = driver_->Calls("Enumerate");
              }
              return failed && driver_->Calls("Enumerate") >= calls + 2;
            }),
            0);
  EXPECT_EQ(board_.seen.size(), 1U);
}

TEST_F(FeatureDiscoveryTest, AnEditOfTheConfigAppliesByItself) {
  with_config_ = true;
  Config(Shared(4));
  EXPECT_EQ(Run([&] {
              if (Last(kReplicas, "4")) Config(Shared(8));
              return Last(kReplicas, "8");
            }),
            0);
  EXPECT_EQ(board_.outlets, 1);
}

TEST_F(FeatureDiscoveryTest, ABadEditChangesNothing) {
  with_config_ = true;
  Config(Shared(4));
  int step = 0;
  EXPECT_EQ(Run([&] {
              if (step == 0 && Last(kReplicas, "4")) {
                Config("sharing: [");
                step = 1;
                loop_->RunAfter(std::chrono::milliseconds(300), [&] {
                  Config(Shared(4) + "# again\n");
                  step = 2;
                });
              }
              if (step == 2) {
                Config(Shared(6));
                step = 3;
              }
              return Last(kReplicas, "6");
            }),
            0);
  EXPECT_EQ(board_.seen.size(), 2U);
}

TEST_F(FeatureDiscoveryTest, ABadConfigAtTheStartEndsItOrIsWaitedOut) {
  with_config_ = true;
  Config("sharing: [");
  EXPECT_EQ(RunToItsEnd(), 1);
  Flag("fail-on-init-error", "false");
  bool mended = false;
  EXPECT_EQ(Run([&] {
              if (driver_->Calls("Enumerate") > 0 && !std::exchange(mended, true)) {
                EXPECT_THAT(board_.seen, IsEmpty());
                Config(Shared(4));
              }
              return Last(kReplicas, "4");
            }),
            0);
}

TEST_F(FeatureDiscoveryTest, BadFlagsEndItInAnyCase) {
  Flag("fail-on-init-error", "false");
  Flag("mig-strategy", "double");
  EXPECT_EQ(RunToItsEnd(), 1);
}

TEST_F(FeatureDiscoveryTest, AGpuThatIsPluggedInIsLabelledAtOnce) {
  bool plugged = false;
  EXPECT_EQ(Run([&] {
              if (Last(kCount, "2") && !std::exchange(plugged, true)) {
                driver_->SetInventory(FakeDriver::Gpus(3));
                EXPECT_TRUE(base::WriteFileAtomic(directory_ / "root/dev/nvidia2", "").ok());
              }
              return Last(kCount, "3");
            }),
            0);
}

TEST_F(FeatureDiscoveryTest, HangupReadsEverythingAgain) {
  Flag("no-timestamp", "true");
  bool told = false;
  EXPECT_EQ(Run([&] {
              if (Last(kCount, "2") && !std::exchange(told, true)) {
                driver_->SetInventory(FakeDriver::Gpus(1));
                discovery_->OnSignal(SIGHUP);
              }
              // The other is remembered for a while; but the labels are published anew.
              return board_.seen.size() == 2;
            }),
            0);
  EXPECT_GE(driver_->Calls("Shutdown"), 1);
}

}  // namespace
}  // namespace tranche::discovery
