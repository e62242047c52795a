// What has happened to a program: each event is logged, kept for reports (the newest kMost), and
// sent to Kubernetes where that is asked for.
//
// Threading: the loop's thread.
// Errors: none; what Kubernetes does not take is said by kubernetes_state().
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <string>

#include "apiserver/client.h"
#include "base/event_loop.h"
#include "daemon/event.h"
#include "daemon/node_events.h"

namespace tranche::daemon {

class EventLog {
 public:
  static constexpr std::size_t kMost = 64;

  // `changed` after an event, and after kubernetes_state() has changed. `node_name` is the node on
  // which Kubernetes Events are raised; "": none are.
  EventLog(base::EventLoop& loop, const std::string& node_name, std::function<void()> changed);

  // A repeat of the last event is counted, not kept twice.
  void Raise(EventType type, Reason reason, const std::string& message);
  // The same as a function that may be called as long as this object lives.
  [[nodiscard]] RaiseEvent raiser();

  void Connect(apiserver::ApiClient& api);  // which outlives this

  [[nodiscard]] const std::deque<Event>& events() const { return events_; }  // newest last
  // "" where events are not sent to Kubernetes; else as NodeEvents::state() says.
  [[nodiscard]] std::string kubernetes_state() const;

 private:
  std::function<void()> changed_;
  std::deque<Event> events_;
  std::unique_ptr<NodeEvents> kubernetes_;
};

}  // namespace tranche::daemon
