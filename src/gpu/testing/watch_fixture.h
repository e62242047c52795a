// A GpuWatch over a FakeDriver in virtual time, and what it has told.
//
// Threading: one thread.
// Errors: none.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/disk/testing/fake_worker.h"
#include "base/file.h"
#include "base/testing/fake_loop.h"
#include "base/testing/temp_dir.h"
#include "gpu/gpu_watch.h"
#include "gpu/testing/inline_driver_thread.h"
#include "gpu/testing/inventories.h"

namespace tranche::gpu::testing {

class WatchFixture : public ::testing::Test {
 protected:
  WatchFixture() {
    EXPECT_TRUE(base::MakeDirectories(root_ / "dev").ok());
    AddNode("nvidia0");
  }
  void AddNode(const std::string& name) {
    EXPECT_TRUE(base::WriteFileAtomic(root_ / ("dev/" + name), "").ok());
  }
  void Start(GpuWatch::Intervals intervals = {.scan = std::chrono::seconds(10), .restart = {}}) {
    watch_ = std::make_unique<GpuWatch>(
        loop_, worker_,
        GpuWatch::Options{.start_driver =
                              [this](base::EventLoop& loop, const std::string& root,
                                     DriverThread::Owner listener) {
                                EXPECT_EQ(root, root_.path());
                                auto thread = std::make_unique<InlineDriverThread>(
                                    loop, driver_, std::move(listener));
                                thread_ = thread.get();
                                thread_->Hang(hangs_at_start_);
                                return thread;
                              },
                          .xid_filter = {}},
        intervals,
        GpuWatch::Owner{.scanned = [this](const GpuWatch::News& news) { news_.push_back(news); },
                        .health_changed =
                            [this](const std::vector<HealthChange>& changes) {
                              for (const HealthChange& change : changes) {
                                health_.push_back(change.uuid +
                                                  (change.healthy ? " well" : " ill"));
                              }
                            },
                        .topology_read = {},
                        .scan_requested = [this] { ++requested_; }});
    watch_->Start(root_.path());
    loop_.RunPosted();
  }
  int Restarts() { return driver_->Calls("Shutdown"); }
  int Scans() { return static_cast<int>(news_.size()); }
  std::vector<std::string> Health() { return std::exchange(health_, {}); }

  base::testing::TempDir root_;
  base::testing::FakeLoop loop_;
  base::disk::testing::FakeWorker worker_{loop_};
  std::shared_ptr<FakeDriver> driver_ = std::make_shared<FakeDriver>(Gpus(2));
  InlineDriverThread* thread_ = nullptr;
  std::vector<GpuWatch::News> news_;
  std::vector<std::string> health_;
  int requested_ = 0;
  std::string hangs_at_start_;
  std::unique_ptr<GpuWatch> watch_;
};

}  // namespace tranche::gpu::testing
