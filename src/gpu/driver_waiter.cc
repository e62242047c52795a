#include "gpu/driver_waiter.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <utility>

#include "base/log.h"
#include "base/mutex.h"

namespace tranche::gpu {

using base::MutexLock;

void DriverWaiter::Run() {
  while (BeginWait()) {
    auto events = context_.Timed(kWaiter, "WaitForEvents", kWaitSlice,
                                 [&] { return context_.driver->WaitForEvents(kWaitSlice); });
    const auto [watch, ended] = EndWait();
    if (events.ok()) {
      back_off_.Reset();
      if (std::exchange(failed_, false)) {
        HealthEvent works;
        works.kind = HealthEvent::Kind::kWaitWorks;
        events->insert(events->begin(), works);
      }
      if (events->empty()) continue;
      Deliver(std::move(*events));
      Pause(context_.limits.pause, ended, watch);
      continue;
    }
    failed_ = true;
    HealthEvent failed;
    failed.kind = HealthEvent::Kind::kWaitFailed;
    failed.error = events.status().message();
    Deliver({std::move(failed)});
    Pause(back_off_.Next(), ended, watch);
  }
}

bool DriverWaiter::BeginWait() {
  DriverShared& shared = *context_.shared;
  const MutexLock lock(shared.mutex);
  while (!shared.gone() && !shared.watching) shared.changed.Wait(shared.mutex);
  shared.waiting = !shared.gone();
  return shared.waiting;
}

std::pair<unsigned, DriverWaiter::Time> DriverWaiter::EndWait() {
  DriverShared& shared = *context_.shared;
  const MutexLock lock(shared.mutex);
  shared.waiting = false;
  // Somebody waits for that only where the driver is to be shut down: nobody is woken in vain.
  if (!shared.watching) shared.changed.NotifyAll();
  return {shared.watch, shared.clock()};
}

void DriverWaiter::Pause(Span pause, Time start, unsigned watch) {
  DriverShared& shared = *context_.shared;
  const MutexLock lock(shared.mutex);
  for (;;) {
    const Span left = pause - (shared.clock() - start);
    if (shared.gone() || shared.watch != watch || left <= Span(0)) break;
    shared.changed.WaitFor(shared.mutex, left);
  }
}

void DriverWaiter::Deliver(std::vector<HealthEvent> events) {
  DriverShared& shared = *context_.shared;
  {
    const MutexLock lock(shared.mutex);
    for (HealthEvent& event : events) {
      if (std::ranges::find(shared.events, event) != shared.events.end()) continue;
      if (shared.events.size() < context_.limits.most) {
        shared.events.push_back(std::move(event));
      } else {
        ++shared.events_left_out;
      }
    }
    ++shared.deliveries;
  }
  context_.Post([shared = context_.shared](DriverThread::Owner& owner) { Take(*shared, owner); });
  const MutexLock lock(shared.mutex);
  while (!shared.gone() && shared.deliveries >= context_.limits.deliveries) {
    shared.changed.Wait(shared.mutex);
  }
}

void DriverWaiter::Take(DriverShared& shared, const DriverThread::Owner& owner) {
  std::vector<HealthEvent> events;
  std::uint64_t left_out = 0;
  {
    const MutexLock lock(shared.mutex);
    events.swap(shared.events);
    left_out = std::exchange(shared.events_left_out, 0);
    shared.deliveries = 0;
    shared.changed.NotifyAll();
  }
  if (left_out > 0) {
    base::LogWarning("more GPU events than can be heard of at once",
                     {base::Kv("left_out", left_out)});
  }
  for (const HealthEvent& event : events) owner.health_event(event);
}

}  // namespace tranche::gpu
