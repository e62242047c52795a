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

}  // namespace
}  // namespace tranche::base::threads
