#include "node/kubelet_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <utility>

#include "base/testing/fake_loop.h"
#include "gpu/testing/inventories.h"

namespace tranche::node {
namespace {

using namespace std::chrono_literals;
using base::Code;
using base::Status;

class KubeletWatchTest : public ::testing::Test {
 protected:
  KubeletWatchTest() { watch_->SetInventory(gpu::testing::Gpus(1)); }

  std::unique_ptr<KubeletWatch> New(const std::string& socket) {
    return std::make_unique<KubeletWatch>(
        loop_, socket,
        [this](const std::string& /*socket*/, KubeletDone done) {
          ++asked_;
          done_ = std::move(done);
        },
        KubeletWatch::Owner{.status_changed = [this] { ++status_changes_; },
                            .answered = [this] { ++answers_; }});
  }
  void Answer() {
    done_(std::optional(
        KubeletAnswer{.holdings = {{"team", "pod", "main", "nvidia.com/gpu", {"GPU-0"}}},
                      .offers = std::nullopt}));
  }

  base::testing::FakeLoop loop_;
  int asked_ = 0;
  int answers_ = 0;
  int status_changes_ = 0;
  KubeletDone done_;
  std::unique_ptr<KubeletWatch> watch_ = New("/kubelet.sock");
};

TEST_F(KubeletWatchTest, AsksAgainAWhileAfterEachAnswer) {
  watch_->Start();
  EXPECT_EQ(watch_->given(), nullptr) << "it has not answered yet";
  Answer();
  ASSERT_NE(watch_->given(), nullptr);
  EXPECT_EQ(watch_->given()->held().size(), 1U);
  EXPECT_EQ(status_changes_, 1);
  loop_.AdvanceBy(KubeletWatch::kAsk - 1s);
  EXPECT_EQ(asked_, 1);
  loop_.AdvanceBy(1s);
  EXPECT_EQ(asked_, 2);
  watch_->AskSoon();
  loop_.AdvanceBy(1min);
  EXPECT_EQ(asked_, 2) << "one question at a time";
  Answer();
  EXPECT_EQ(answers_, 2);
  EXPECT_EQ(status_changes_, 1);
}

TEST_F(KubeletWatchTest, WhatItSaidIsNotKnownWhileItDoesNotAnswer) {
  watch_->Start();
  Answer();
  loop_.AdvanceBy(KubeletWatch::kAsk);
  done_(Status(Code::kUnavailable, "away"));
  EXPECT_EQ(watch_->given(), nullptr);
  EXPECT_EQ(watch_->status().message(), "away");
  EXPECT_EQ(status_changes_, 2);
  EXPECT_EQ(answers_, 2) << "an error is an answer";
}

TEST_F(KubeletWatchTest, WhatItSaidHoldsWhereItRepeatsItAlsoAfterItWasAway) {
  watch_->Start();
  Answer();
  loop_.AdvanceBy(KubeletWatch::kAsk);
  done_(Status(Code::kUnavailable, "away"));
  loop_.AdvanceBy(KubeletWatch::kAsk);
  done_(std::optional<KubeletAnswer>());
  ASSERT_NE(watch_->given(), nullptr);
  EXPECT_EQ(watch_->given()->held().size(), 1U);
  EXPECT_EQ(watch_->given()->version(), 2U) << "nothing is made anew";
}

TEST_F(KubeletWatchTest, WhoCannotWaitIsAnsweredSoonAndNotOftenerThanThat) {
  watch_->Start();
  Answer();
  watch_->AskSoon();
  watch_->AskSoon();
  loop_.AdvanceBy(KubeletWatch::kAskSoon);
  EXPECT_EQ(asked_, 2);
  Answer();
  loop_.AdvanceBy(KubeletWatch::kAskSoon);
  EXPECT_EQ(asked_, 2);
}

TEST_F(KubeletWatchTest, AnAnswerIsAsOldAsItsQuestion) {
  loop_.AdvanceBy(1s);
  watch_->Start();
  const base::TimePoint asked = loop_.Now();
  loop_.AdvanceBy(3s);
  Answer();
  EXPECT_EQ(watch_->asked(), asked);
}

TEST_F(KubeletWatchTest, WithoutASocketNobodyIsAsked) {
  watch_ = New("");
  watch_->Start();
  watch_->AskSoon();
  loop_.AdvanceBy(1min);
  EXPECT_EQ(asked_, 0);
  EXPECT_FALSE(watch_->status().ok());
}

TEST_F(KubeletWatchTest, AnAnswerAfterItsEndHarmsNobody) {
  watch_->Start();
  watch_.reset();
  Answer();
  EXPECT_EQ(answers_, 0);
}

}  // namespace
}  // namespace tranche::node
