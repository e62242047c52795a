// The driver's threads where there are none to be had: a scan says so, and the next one tries
// again.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

#include "base/testing/real_loop.h"
#include "base/testing/thread_limit.h"
#include "gpu/driver_thread.h"
#include "gpu/testing/fake_driver.h"

namespace tranche::gpu {
namespace {

using base::testing::AllowMoreThreads;
using testing::FakeDriver;

// Scans with so many threads to be had, and then again with enough; says what each answered, and
// what came of an XID afterwards.
void ScanWithThreads(int first) {
  base::testing::BecomeLimitedUser();
  base::testing::RealLoop loop;
  const auto driver = std::make_shared<FakeDriver>(FakeDriver::Gpus(1));
  std::string told;
  bool heard = false;
  const auto thread = DriverThread::Start(
      *loop, driver,
      {.scanned =
           [&](const Scan& scan) {
             told += scan.status.ok() ? "scanned;" : scan.status.message() + ";";
           },
       .health_event = [&](const HealthEvent& event) { heard = heard || event.xid == 79; },
       .topology = nullptr});
  for (const int threads : {first, 2}) {
    AllowMoreThreads(threads);
    const std::string before = told;
    thread->RequestScan(ScanMode::kKeepDriver);
    loop.RunUntil([&] { return told != before; });
  }
  driver->RaiseXid("GPU-0", 79);
  loop.RunUntil([&] { return heard; });
  std::fprintf(stderr, "%s heard %d\n", told.c_str(), static_cast<int>(heard));
  std::_Exit(0);  // the threads are the driver's
}

class DriverThreadLimitTest : public ::testing::Test {
 protected:
  void SetUp() override {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    if (getuid() != 0) GTEST_SKIP() << "only root can become a user without other processes";
  }
};

TEST_F(DriverThreadLimitTest, WithoutThreadsAScanSaysSoAndTheNextHasThem) {
  EXPECT_EXIT(ScanWithThreads(0), ::testing::ExitedWithCode(0),
              "^no further thread can be made .*;scanned; heard 1");
}

// The one that there is scans by and by, and the other is made when it can be.
TEST_F(DriverThreadLimitTest, WithOneTooFewTheOtherIsMadeLater) {
  EXPECT_EXIT(ScanWithThreads(1), ::testing::ExitedWithCode(0),
              "^no further thread can be made .*;scanned; heard 1");
}

// The control.
TEST_F(DriverThreadLimitTest, WithBothNothingIsSaid) {
  EXPECT_EXIT(ScanWithThreads(2), ::testing::ExitedWithCode(0), "^scanned;scanned; heard 1");
}

}  // namespace
}  // namespace tranche::gpu
