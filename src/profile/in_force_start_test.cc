// What InForce does about sources that want more than is usual: very large texts, and changes
// without end.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/disk/testing/fake_worker.h"
#include "base/testing/fake_loop.h"
#include "base/testing/temp_dir.h"
#include "profile/in_force.h"
#include "profile/testing/replicas.h"

namespace tranche::profile {
namespace {

using base::Status;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using testing::Replicas;

std::string Padded(const std::string& text) {
  return text + "#" + std::string(InForce::kUsualBytes, 'x') + "\n";
}

class Source : public ConfigSource {
 public:
  [[nodiscard]] WantedConfig Read() const override {
    ++reads;
    return {.profile = "dev",
            .source = "/profiles/dev",
            .named = true,
            .status = Status::Ok(),
            .text = text};
  }
  [[nodiscard]] std::vector<std::string> AvailableProfiles() const override { return {}; }
  std::string text;
  std::function<void()> changed;
  mutable int reads = 0;
};

class InForceStartTest : public ::testing::Test {
 protected:
  // A new process that finds `text` wanted.
  void Start(const std::string& text) {
    config_.reset();
    applied_.clear();
    config_ = std::make_unique<InForce>(
        loop_,
        [&](std::function<void()> changed) {
          auto source = std::make_unique<Source>();
          source->text = text;
          source->changed = std::move(changed);
          source_ = source.get();
          return source;
        },
        Overrides{}, LastGoodPlace{.directory = dir_ / "tranche", .worker = &worker_},
        InForce::Owner{.apply = [this](const config::Loaded& loaded, const std::string&) -> Status {
                         applied_.push_back(loaded.config.time_slicing.resources[0].replicas);
                         return Status::Ok();
                       },
                       .event = [](daemon::EventType, const std::string&, const std::string&) {},
                       .source_changed = {}});
    config_->NodeChanged();
  }

  base::testing::TempDir dir_;
  base::testing::FakeLoop loop_;
  base::disk::testing::FakeWorker worker_{loop_};
  Source* source_ = nullptr;
  std::vector<int> applied_;
  std::unique_ptr<InForce> config_;
};

TEST_F(InForceStartTest, TheLastGoodConfigIsInForceBeforeAVeryLargeTextIsRead) {
  Start(Replicas(2));
  loop_.AdvanceBy(seconds(1));
  Start(Padded(Replicas(4)));
  EXPECT_THAT(applied_, ElementsAre(2));
  EXPECT_TRUE(config_->state().from_last_good);
  EXPECT_NE(config_->state().awaiting, "");
  loop_.AdvanceBy(InForce::kHeadStart);
  EXPECT_THAT(applied_, ElementsAre(2, 4));
  EXPECT_FALSE(config_->state().from_last_good);
  EXPECT_EQ(config_->state().awaiting, "");
}

// The next start of one that was ended by it finds the node as this one does.
TEST_F(InForceStartTest, OneThatIsEndedByItBeginsWithTheLastGoodConfigEachTime) {
  Start(Replicas(2));
  loop_.AdvanceBy(seconds(1));
  for (int i = 0; i < 3; ++i) {
    Start(Padded(Replicas(4)));
    EXPECT_THAT(applied_, ElementsAre(2));
  }
}

TEST_F(InForceStartTest, ATextOfUsualSizeIsReadAtOnce) {
  Start(Replicas(2));
  loop_.AdvanceBy(seconds(1));
  Start(Replicas(4));
  EXPECT_THAT(applied_, ElementsAre(4));
}

TEST_F(InForceStartTest, WithoutALastGoodConfigEvenALargeTextIsReadAtOnce) {
  Start(Padded(Replicas(4)));
  EXPECT_THAT(applied_, ElementsAre(4));
}

// An API server that flips a label 28,000 times a second, for ten seconds.
TEST_F(InForceStartTest, ASourceThatFlipsIsReadAtABoundedRateAndItsLastWordCounts) {
  Start(Replicas(2));
  for (int i = 0; i < 280'000; ++i) {
    source_->text = Replicas(2 + i % 2);
    source_->changed();
    loop_.AdvanceBy(microseconds(36));
  }
  const double most = 1 + InForce::kChangeBurst + 10.1 * InForce::kChangesPerSecond;
  EXPECT_LE(static_cast<double>(applied_.size()), most + 1);
  EXPECT_GE(applied_.size(), 20U);
  source_->text = Replicas(9);
  source_->changed();
  loop_.AdvanceBy(seconds(1));
  EXPECT_EQ(applied_.back(), 9);
}

TEST_F(InForceStartTest, ANewWordNowAndThenIsFollowedAtOnce) {
  Start(Replicas(2));
  for (int i = 0; i < 100; ++i) {
    source_->text = Replicas(3 + i);
    source_->changed();
    EXPECT_EQ(applied_.back(), 3 + i);
    loop_.AdvanceBy(milliseconds(500));
  }
}

}  // namespace
}  // namespace tranche::profile
