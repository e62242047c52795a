// What a small kubelet tells as it happens, for the log, the trace of a control client and tests.
//
// Threading: plain values; the listeners are called where the device manager runs, on its loop.
// Errors: none.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/event_loop.h"
#include "base/json.h"
#include "sim/kubelet/device_manager.h"

namespace tranche::sim {

struct Event {
  // registered, registration-refused, devices, stream-lost, pod-pending, pod-running, pod-refused,
  // pod-ended, pod-deleted, container-restarted, kubelet-started, kubelet-stopped
  std::string kind = {};
  base::TimePoint at = {};
  std::string resource = {};  // the first three, or empty
  std::string endpoint = {};  // socket's basename
  std::int64_t total = 0;
  std::int64_t healthy = 0;
  std::string pod = {};
  std::string detail = {};

  [[nodiscard]] base::Json ToJson() const;  // "at" in seconds of the steady clock
};

// What the device manager tells, as events.
[[nodiscard]] DeviceEvents ToEvents(base::EventLoop& loop, std::function<void(const Event&)> tell);

}  // namespace tranche::sim
