#include "base/disk/look.h"

#include <gtest/gtest.h>

#include <memory>

#include "base/disk/testing/fake_worker.h"
#include "base/testing/fake_loop.h"

namespace tranche::base::disk {
namespace {

class LookTest : public ::testing::Test {
 protected:
  Status Run() {
    return look_->Run([this] { ++looked_; }, [this] { ++late_; });
  }

  base::testing::FakeLoop loop_;
  testing::FakeWorker worker_{loop_};
  int looked_ = 0;
  int late_ = 0;
  std::unique_ptr<Look> look_ = std::make_unique<Look>(loop_, worker_, "looking at the root");
};

TEST_F(LookTest, TheAnswerIsThereAtOnce) {
  EXPECT_TRUE(Run().ok());
  EXPECT_TRUE(Run().ok());
  EXPECT_EQ(looked_, 2);
  loop_.RunPosted();
  EXPECT_EQ(late_, 0);
}

TEST_F(LookTest, OneThatHangsIsNotFollowedByOthersAndIsToldOfWhenItIsBack) {
  worker_.Hang();
  EXPECT_EQ(Run().code(), Code::kDeadlineExceeded);
  EXPECT_EQ(Run().message(), "looking at the root has no answer yet");
  EXPECT_EQ(worker_.waiting(), 1U);
  worker_.Release();
  EXPECT_EQ(looked_, 1);
  EXPECT_EQ(late_, 1);
  EXPECT_TRUE(Run().ok());
  EXPECT_EQ(late_, 1);
}

TEST_F(LookTest, WhereNobodyCanLookItSaysWhyAndTriesAgain) {
  worker_.refuse = {Code::kResourceExhausted, "no thread"};
  EXPECT_EQ(Run().message(), "no thread");
  worker_.refuse = Status::Ok();
  EXPECT_TRUE(Run().ok());
}

TEST_F(LookTest, NobodyIsToldAfterTheEnd) {
  worker_.Hang();
  EXPECT_FALSE(Run().ok());
  look_.reset();
  worker_.Release();
  EXPECT_EQ(late_, 0);
}

}  // namespace
}  // namespace tranche::base::disk
