// What the loop's thread and the two threads that call the driver have in common: what is wanted,
// what has happened, and which calls are being made.
//
// Threading: DriverShared is guarded by its mutex; a DriverContext is copied, one for each thread.
// Errors: none.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/event_loop.h"
#include "base/mutex.h"
#include "gpu/driver.h"
#include "gpu/driver_thread.h"

namespace tranche::gpu {

enum DriverRole : std::size_t { kScanner = 0, kWaiter = 1, kRoles = 2 };

// A driver call that is being made.
struct CallInFlight {
  std::string_view name;  // "": none
  std::chrono::steady_clock::time_point start;
  std::chrono::steady_clock::duration expected{};
};

// What the loop's thread and the two driver threads have in common.
struct DriverShared {
  base::Mutex mutex;
  base::CondVar changed;
  base::EventLoop* loop TRANCHE_GUARDED_BY(mutex) = nullptr;  // nullptr: the owner has gone
  bool scan_wanted TRANCHE_GUARDED_BY(mutex) = false;
  ScanMode mode TRANCHE_GUARDED_BY(mutex) = ScanMode::kKeepDriver;  // of the scan wanted
  std::optional<std::vector<UsageQuery>> usage_wanted TRANCHE_GUARDED_BY(mutex);
  bool watching TRANCHE_GUARDED_BY(mutex) = false;              // there is something to wait on
  bool waiting TRANCHE_GUARDED_BY(mutex) = false;               // the waiter is in the driver
  unsigned watch TRANCHE_GUARDED_BY(mutex) = 0;                 // counts WatchHealth calls
  std::vector<HealthEvent> events TRANCHE_GUARDED_BY(mutex);    // that the loop has not taken
  std::uint64_t events_left_out TRANCHE_GUARDED_BY(mutex) = 0;  // of one delivery
  std::array<CallInFlight, kRoles> calls TRANCHE_GUARDED_BY(mutex);
  std::size_t deliveries TRANCHE_GUARDED_BY(mutex) = 0;  // of events, likewise
  DriverThread::Clock clock;

  [[nodiscard]] bool gone() TRANCHE_REQUIRES(mutex) { return loop == nullptr; }
};

// What both threads hold on to.
struct DriverContext {
  std::shared_ptr<DriverShared> shared;
  std::shared_ptr<GpuDriver> driver;
  std::weak_ptr<DriverThread::Owner> owner;
  bool wants_events = false;
  bool wants_topology = false;
  EventLimits limits = {};

  // Runs call(owner) on the loop, unless the owner has gone by then.
  template <class Call>
  void Post(Call call) const {
    const base::MutexLock lock(shared->mutex);
    if (shared->gone()) return;
    shared->loop->Post([weak = owner, call = std::move(call)]() mutable {
      if (const auto alive = weak.lock()) call(*alive);
    });
  }

  // Makes a driver call and records that it runs.
  template <class Make>
  auto Timed(DriverRole role, std::string_view name, std::chrono::steady_clock::duration expected,
             const Make& make) const {
    {
      const base::MutexLock lock(shared->mutex);
      shared->calls[role] = {.name = name, .start = shared->clock(), .expected = expected};
    }
    if constexpr (std::is_void_v<std::invoke_result_t<const Make&>>) {
      make();
      EndCall(role);
    } else {
      auto result = make();
      EndCall(role);
      return result;
    }
  }

  void EndCall(DriverRole role) const {
    const base::MutexLock lock(shared->mutex);
    shared->calls[role] = {};
  }
};

}  // namespace tranche::gpu
