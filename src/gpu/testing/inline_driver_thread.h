// A DriverThread without threads, for tests in virtual time: each scan is one task on the loop, and
// a fault comes when the test says so.
//
// Threading: the loop's thread.
// Errors: those of the driver that it asks, which must not hang.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/event_loop.h"
#include "base/weak_runner.h"
#include "gpu/driver_thread.h"
#include "gpu/testing/fake_driver.h"

namespace tranche::gpu::testing {

class InlineDriverThread : public DriverThread {
 public:
  InlineDriverThread(base::EventLoop& loop, std::shared_ptr<FakeDriver> driver, Owner owner)
      : loop_(loop), driver_(std::move(driver)), owner_(std::move(owner)), runner_(loop) {}

  void RequestScan(ScanMode mode) override {
    restart_ = restart_ || mode == ScanMode::kRestartDriver;
    if (!std::exchange(wanted_, true)) Post();
  }
  void RequestUsage(std::vector<UsageQuery> queries) override {
    runner_.Post([this, queries = std::move(queries)] {
      if (!hanging_.empty() || !owner_.usage) return;
      Usage usage;
      usage.time_us = driver_->NowUs();
      if (!initialised_) usage.status = {base::Code::kUnavailable, "not initialised"};
      for (const UsageQuery& query : queries) {
        if (!initialised_) break;
        if (auto device = driver_->ReadUsage(query); device.ok()) {
          usage.devices.push_back(std::move(*device));
        }
      }
      owner_.usage(std::move(usage));
    });
  }
  [[nodiscard]] std::optional<Stuck> StuckCall() const override {
    if (hanging_.empty()) return std::nullopt;
    return Stuck{.call = hanging_, .age = loop_.Now() - hanging_since_};
  }

  // From now on no scan comes back, because of this call; "": they do again.
  void Hang(const std::string& call) {
    hanging_since_ = loop_.Now();
    if (!std::exchange(hanging_, call).empty() && wanted_) Post();
  }

  void Raise(const HealthEvent& event) {
    if (owner_.health_event) owner_.health_event(event);
  }
  void RaiseXid(const std::string& uuid, std::uint64_t xid) {
    HealthEvent event;
    event.xid = xid;
    event.uuid = uuid;
    Raise(event);
  }

 private:
  void Post() {
    runner_.Post([this] {
      if (!hanging_.empty()) return;
      wanted_ = false;
      owner_.scanned(TakeScan(std::exchange(restart_, false)));
    });
  }
  Scan TakeScan(bool restart) {
    if (restart) {
      driver_->Shutdown();
      initialised_ = false;
    }
    Scan scan;
    scan.status = driver_->Initialise();
    scan.driver_unloaded = scan.status.code() == base::Code::kDataLoss;
    if (!scan.status.ok()) return scan;
    const bool just_read = !std::exchange(initialised_, true);
    auto inventory = driver_->Enumerate();
    scan.status = inventory.status();
    if (!inventory.ok()) return scan;
    scan.inventory = std::move(*inventory);
    for (const Gpu& gpu : scan.inventory.gpus) {
      if (!just_read && !driver_->Probe(gpu.uuid).ok()) scan.lost.push_back(gpu.uuid);
    }
    if (owner_.health_event) {
      std::vector<std::string> uuids;
      for (const Gpu& gpu : scan.inventory.gpus) uuids.push_back(gpu.uuid);
      if (auto unwatched = driver_->WatchHealth(uuids); unwatched.ok()) scan.unwatched = *unwatched;
    }
    return scan;
  }

  base::EventLoop& loop_;
  std::shared_ptr<FakeDriver> driver_;
  Owner owner_;
  std::string hanging_;
  base::TimePoint hanging_since_{};
  bool wanted_ = false;
  bool restart_ = false;
  bool initialised_ = false;
  base::WeakRunner runner_;
};

}  // namespace tranche::gpu::testing
