#include "base/disk/worker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "base/file.h"
#include "base/testing/real_loop.h"

namespace tranche::base::disk {
namespace {

using ::testing::HasSubstr;

class WorkerTest : public ::testing::Test {
 protected:
  WorkerTest() {
    int ends[2];
    EXPECT_EQ(pipe(ends), 0);
    read_end_ = std::make_shared<UniqueFd>(ends[0]);
    write_end_ = UniqueFd(ends[1]);
    worker_ = Worker::New(*loop_, [now = now_] { return TimePoint(Duration(*now)); });
  }

  // A job that hangs until the write end is closed.
  Worker::Job Hanging() {
    return [this_end = read_end_] {
      char byte = 0;
      return read(this_end->get(), &byte, 1) == 0 ? Status::Ok() : Status(Code::kInternal, "?");
    };
  }
  void Run(std::string what, Worker::Job job) {
    EXPECT_TRUE(worker_
                    ->Run(std::move(what), std::move(job),
                          [this](const Status& status) { done_.push_back(status); })
                    .ok());
  }

  testing::RealLoop loop_;
  std::shared_ptr<UniqueFd> read_end_;
  UniqueFd write_end_;
  std::shared_ptr<std::atomic<Duration::rep>> now_ =
      std::make_shared<std::atomic<Duration::rep>>(Duration(std::chrono::hours(1)).count());
  std::vector<Status> done_;
  std::unique_ptr<Worker> worker_;
};

TEST_F(WorkerTest, AJobRunsOffTheLoopAndItsAnswerComesOnIt) {
  const auto here = std::this_thread::get_id();
  Run("looking", [here] {
    return std::this_thread::get_id() == here ? Status(Code::kInternal, "on the loop")
                                              : Status(Code::kDataLoss, "torn");
  });
  EXPECT_TRUE(loop_.RunUntil([&] { return !done_.empty(); }));
  EXPECT_EQ(done_.front().message(), "torn");
}

TEST_F(WorkerTest, AJobThatHangsIsReportedWithItsAgeAndTheLoopGoesOn) {
  Run("saving", Hanging());
  EXPECT_FALSE(worker_->StuckJob());
  // The job has begun once it is seen to be stuck.
  EXPECT_TRUE(loop_.RunUntil([&] {
    *now_ += Duration(std::chrono::seconds(2)).count();
    return worker_->StuckJob().has_value();
  }));
  EXPECT_EQ(worker_->StuckJob()->what, "saving");
  EXPECT_GE(worker_->StuckJob()->age, Worker::kPatience);
  EXPECT_TRUE(done_.empty());
  write_end_ = UniqueFd();
  EXPECT_TRUE(loop_.RunUntil([&] { return done_.size() == 1; }));
  EXPECT_TRUE(done_.front().ok());
  EXPECT_TRUE(loop_.RunUntil([&] { return !worker_->StuckJob(); }));
}

TEST_F(WorkerTest, OnlySoManyWaitBehindIt) {
  Run("saving", Hanging());
  Status refused;
  std::size_t taken = 0;
  while (taken < 100) {
    refused = worker_->Run(
        "more", [] { return Status::Ok(); }, [](const Status&) {});
    if (!refused.ok()) break;
    ++taken;
  }
  EXPECT_GE(taken, Worker::kMaxWaiting - 1);
  EXPECT_LE(taken, Worker::kMaxWaiting);
  EXPECT_EQ(refused.code(), Code::kResourceExhausted);
  EXPECT_THAT(refused.message(), HasSubstr("too much waits"));
}

TEST_F(WorkerTest, AnAnswerThatIsWaitedForIsThereBeforeAnythingElseRuns) {
  worker_ = Worker::New(*loop_, std::chrono::steady_clock::now, std::chrono::minutes(2));
  const auto here = std::this_thread::get_id();
  bool elsewhere = false;
  std::optional<Status> answer;
  ASSERT_TRUE(worker_
                  ->RunAndWait(
                      "looking",
                      [&] {
                        elsewhere = std::this_thread::get_id() != here;
                        return Status(Code::kDataLoss, "torn");
                      },
                      [&](const Status& status) { answer = status; })
                  .ok());
  ASSERT_TRUE(answer.has_value()) << "and the loop has not run";
  EXPECT_EQ(answer->message(), "torn");
  EXPECT_TRUE(elsewhere);
}

// Whoever waits looks at the clock.
TEST_F(WorkerTest, WhatHangsIsWaitedForOnceAndItsAnswerComesLater) {
  constexpr int kMore = 20;
  const auto looks = std::make_shared<std::atomic<int>>(0);
  const auto clock = [looks] {
    ++*looks;
    return std::chrono::steady_clock::now();
  };
  worker_ = Worker::New(*loop_, clock, std::chrono::milliseconds(1));
  const auto look = [this](Worker::Job job) {
    EXPECT_TRUE(worker_
                    ->RunAndWait("looking", std::move(job),
                                 [this](const Status& status) { done_.push_back(status); })
                    .ok());
  };
  look(Hanging());
  const int before = *looks;
  EXPECT_GE(before, 2);
  for (int i = 0; i < kMore; ++i) look([] { return Status::Ok(); });
  EXPECT_TRUE(done_.empty());
  EXPECT_LE(*looks, before + 1) << "the worker itself looks once, when it begins";
  write_end_ = UniqueFd();
  EXPECT_TRUE(loop_.RunUntil([&] { return done_.size() == kMore + 1; }));
  const int then = *looks;
  look([] { return Status::Ok(); });
  EXPECT_GE(*looks, then + 2) << "it is waited for again";
  EXPECT_TRUE(loop_.RunUntil([&] { return done_.size() == kMore + 2; }));
}

// Were it waited for, this test would not end.
TEST_F(WorkerTest, TheEndDoesNotWaitForAJobThatHangs) {
  Run("saving", Hanging());
  worker_.reset();
  write_end_ = UniqueFd();
  loop_.RunFor(std::chrono::milliseconds(20));
  EXPECT_TRUE(done_.empty()) << "and nobody is told after the end";
}

}  // namespace
}  // namespace tranche::base::disk
