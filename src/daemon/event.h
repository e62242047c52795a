// Something that happened and that a person may want to know: a line in the log, an entry in
// status.json and, where asked for, a Kubernetes Event.
//
// Threading: plain data.
// Errors: none.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/reasons.h"

namespace tranche::daemon {

// As in Kubernetes: a warning is what somebody may have to do something about.
enum class EventType { kNormal, kWarning };

constexpr std::string_view TypeName(EventType type) {
  return type == EventType::kNormal ? "Normal" : "Warning";
}

// A pod as the API server names it.
struct EventPod {
  std::string pod_namespace;
  std::string name;
  std::string uid;
  friend bool operator==(const EventPod&, const EventPod&) = default;
};

struct Event {
  EventType type = EventType::kNormal;
  std::string reason;  // one of reasons.h
  std::string message;
  std::string wall_time;                       // RFC 3339
  std::uint64_t count = 1;                     // repeats of the same message in a row
  std::optional<EventPod> pod = std::nullopt;  // that it is about; none: the node
};

// How a part of a program reports what has happened to it.
using RaiseEvent = std::function<void(EventType type, Reason reason, const std::string& message)>;

}  // namespace tranche::daemon
