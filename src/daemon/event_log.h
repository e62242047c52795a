// What has happened to a program: each event is logged, kept for reports (the newest kMost), and
// sent to Kubernetes where that is asked for.
//
// Threading: the loop's thread.
// Errors: none; what Kubernetes does not take is said by kubernetes_state().
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "apiserver/client.h"
#include "base/event_loop.h"
#include "base/token_bucket.h"
#include "daemon/event.h"
#include "daemon/node_events.h"

namespace tranche::daemon {

class EventLog {
 public:
  static constexpr std::size_t kMost = 64;
  // How many events of one reason are taken at once, and how many a second in the long run: what
  // somebody outside repeats without end leaves other reasons their room.
  static constexpr double kBurst = kMost;
  static constexpr double kPerSecond = 1;
  static constexpr std::size_t kMaxMessage = 1024;

  // `changed` after an event, and after kubernetes_state() has changed. `node_name` is the node on
  // which Kubernetes Events are raised; "": none are.
  EventLog(base::EventLoop& loop, const std::string& node_name, std::function<void()> changed);

  // A repeat of the last event is counted, not kept twice. The message may have come from outside:
  // control bytes are escaped, and it is cut at kMaxMessage. An event beyond the rate is left out,
  // and the next one of its reason says how many were. With `pod` it is raised on that pod, not on
  // the node.
  void Raise(EventType type, Reason reason, const std::string& message,
             const std::optional<EventPod>& pod = std::nullopt);
  // The same as a function that may be called as long as this object lives.
  [[nodiscard]] RaiseEvent raiser();

  void Connect(apiserver::ApiClient& api);  // which outlives this

  [[nodiscard]] const std::deque<Event>& events() const { return events_; }  // newest last
  // "" where events are not sent to Kubernetes; else as NodeEvents::state() says.
  [[nodiscard]] std::string kubernetes_state() const;

 private:
  struct Rate {
    base::TokenBucket bucket{kBurst, kPerSecond};
    std::uint64_t left_out = 0;
  };

  base::EventLoop& loop_;
  std::function<void()> changed_;
  std::map<std::string_view, Rate> rates_;  // by reason, of which there is a table
  std::deque<Event> events_;
  std::unique_ptr<NodeEvents> kubernetes_;
  // Apart, so that what pods bring about leaves the node's own Events their room.
  std::unique_ptr<NodeEvents> on_pods_;
};

}  // namespace tranche::daemon
