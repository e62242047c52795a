// Usage is read off the loop, beside scans.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/testing/fake_loop.h"
#include "gpu/driver_thread.h"
#include "gpu/testing/fake_driver.h"

namespace tranche::gpu {
namespace {

using namespace std::chrono_literals;
using testing::FakeDriver;
using ::testing::SizeIs;

class DriverThreadUsageTest : public ::testing::Test {
 protected:
  DriverThreadUsageTest() {
    thread_ =
        DriverThread::Start(loop_, driver_,
                            {.scanned = [this](const Scan& /*scan*/) { ++scans_; },
                             .health_event = {},
                             .topology = {},
                             .usage = [this](const Usage& usage) { usages_.push_back(usage); }},
                            [clock = clock_] { return clock->load(); });
  }
  ~DriverThreadUsageTest() override {
    thread_.reset();
    driver_->Release("ReadUsage");
  }
  // The driver's threads are real: gives them time until `done`.
  void Until(const std::function<bool()>& done) {
    const auto limit = std::chrono::steady_clock::now() + 30s;
    while (!done()) {
      ASSERT_LT(std::chrono::steady_clock::now(), limit);
      loop_.RunPosted();
      std::this_thread::yield();
    }
  }
  void Ask(const std::string& uuid) {
    const std::size_t before = usages_.size();
    thread_->RequestUsage({{.uuid = uuid}});
    Until([&] { return usages_.size() > before; });
  }
  void ScanOnce() {
    const int before = scans_;
    thread_->RequestScan(ScanMode::kKeepDriver);
    Until([&] { return scans_ > before; });
  }

  using Time = std::chrono::steady_clock::time_point;
  base::testing::FakeLoop loop_;
  std::shared_ptr<FakeDriver> driver_ = std::make_shared<FakeDriver>(FakeDriver::Gpus(2));
  std::shared_ptr<std::atomic<Time>> clock_ = std::make_shared<std::atomic<Time>>(Time(1h));
  int scans_ = 0;
  std::vector<Usage> usages_;
  std::unique_ptr<DriverThread> thread_;
};

TEST_F(DriverThreadUsageTest, BeforeTheFirstScanThereIsNoDriverToAsk) {
  Ask("GPU-0");
  EXPECT_EQ(usages_[0].status.code(), base::Code::kUnavailable);
  EXPECT_EQ(driver_->Calls("ReadUsage"), 0);
}

TEST_F(DriverThreadUsageTest, EachGpuIsAskedAndAFailureIsThatGpusOwn) {
  ScanOnce();
  driver_->SetUsage({.uuid = "GPU-0", .processes = {{{.pid = 7}}}});
  Ask("GPU-0");
  ASSERT_THAT(usages_[0].devices, SizeIs(1));
  EXPECT_TRUE(usages_[0].status.ok());
  EXPECT_GT(usages_[0].time_us, 0U);
  EXPECT_THAT(*usages_[0].devices[0].processes, SizeIs(1));
  driver_->Fail("ReadUsage", {base::Code::kDataLoss, "GPU is lost"});
  Ask("GPU-1");
  ASSERT_THAT(usages_[1].devices, SizeIs(1));
  EXPECT_EQ(usages_[1].devices[0].uuid, "GPU-1");
  EXPECT_EQ(usages_[1].devices[0].unread[0].error, "GPU is lost");
  EXPECT_EQ(usages_[1].devices[0].processes, std::nullopt);
}

TEST_F(DriverThreadUsageTest, ADriverThatHangsBlocksNothingAndIsReportedWithItsAge) {
  ScanOnce();
  driver_->Hang("ReadUsage");
  thread_->RequestUsage({{.uuid = "GPU-0"}});
  Until([&] { return driver_->Calls("ReadUsage") == 1; });
  clock_->store(Time(1h) + 5s);
  const auto stuck = thread_->StuckCall();
  ASSERT_TRUE(stuck.has_value());
  EXPECT_EQ(stuck->call, "ReadUsage");
  EXPECT_EQ(stuck->age, 5s);
  driver_->Release("ReadUsage");
  Until([&] { return usages_.size() == 1; });
  EXPECT_FALSE(thread_->StuckCall().has_value());
}

}  // namespace
}  // namespace tranche::gpu
