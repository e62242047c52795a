#include "base/threads/thread.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>

#include "base/testing/thread_limit.h"

namespace tranche::base::threads {
namespace {

void SayAndExit(const Status& status) {
  std::fprintf(stderr, "%d %s\n", static_cast<int>(status.code()), status.message().c_str());
  std::exit(status.ok() ? 0 : 1);
}

class ThreadTest : public ::testing::Test {
 protected:
  void SetUp() override {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    if (getuid() != 0) GTEST_SKIP() << "only root can become a user without other processes";
  }
};

TEST_F(ThreadTest, AThreadRuns) {
  int ran = 0;
  auto thread = StartThread([&ran] { ran = 1; });
  ASSERT_TRUE(thread.ok());
  thread->join();
  EXPECT_EQ(ran, 1);
}

TEST_F(ThreadTest, AThreadThatCannotBeMadeIsAStatus) {
  EXPECT_EXIT(
      {
        testing::BecomeLimitedUser();
        testing::AllowMoreThreads(0);
        SayAndExit(StartThread([] {}).status());
      },
      ::testing::ExitedWithCode(1), "8 no further thread can be made .*pids.max");
}

TEST_F(ThreadTest, RoomIsThereForSoManyAndNoMore) {
  EXPECT_EXIT(
      {
        testing::BecomeLimitedUser();
        testing::AllowMoreThreads(5);
        SayAndExit(CheckRoomForThreads(5));
      },
      ::testing::ExitedWithCode(0), "");
  EXPECT_EXIT(
      {
        testing::BecomeLimitedUser();
        testing::AllowMoreThreads(5);
        SayAndExit(CheckRoomForThreads(6));
      },
      ::testing::ExitedWithCode(1), "there is room for 5 more threads and 6 are needed");
}

TEST_F(ThreadTest, LookingForRoomLeavesNoThreadBehind) {
  const int threads = testing::Threads();
  EXPECT_TRUE(CheckRoomForThreads(20).ok());
  EXPECT_EQ(testing::Threads(), threads);
}

}  // namespace
}  // namespace tranche::base::threads
