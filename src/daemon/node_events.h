// What the agent has to tell, as Kubernetes Events on its own node (`kubectl describe node`).
//
// Best effort: never waited for, repeats are counted in one Event, no more than kBurst at once and
// one each kRefill after, and at most kMaxKept are held while the server is away. What makes all
// nodes of a cluster speak at once, such as an edit of their ConfigMap, is told over a while: each
// waits for a random part of kNormalSpread or kWarningSpread. An account that may not write Events
// (403) is asked again every kDeniedFor, and otherwise left in peace. The loop's thread.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>

#include "apiserver/client.h"
#include "base/backoff.h"
#include "base/event_loop.h"
#include "base/json.h"
#include "base/status.h"
#include "base/timer.h"
#include "daemon/event.h"

namespace tranche::daemon {

class NodeEvents {
 public:
  static constexpr int kBurst = 10;
  static constexpr base::Duration kRefill = std::chrono::seconds(6);
  static constexpr base::Duration kNormalSpread = std::chrono::seconds(10);
  static constexpr base::Duration kWarningSpread = std::chrono::seconds(2);
  static constexpr base::Duration kRepeatEvery = std::chrono::seconds(10);
  static constexpr base::Duration kForget = std::chrono::minutes(10);
  static constexpr base::Duration kDeniedFor = std::chrono::minutes(10);
  static constexpr std::size_t kMaxKept = 64;

  // `changed` after state() has.
  NodeEvents(base::EventLoop& loop, std::string node_name, std::function<void()> changed);
  NodeEvents(const NodeEvents&) = delete;
  NodeEvents& operator=(const NodeEvents&) = delete;

  void Connect(apiserver::ApiClient& api);  // which outlives this
  // `event`'s time counts as the time it happened, its count not at all: each call is one.
  void Raise(const Event& event);

  // "sent", "not permitted", or why they wait.
  [[nodiscard]] const std::string& state() const { return state_; }

 private:
  struct Entry {
    Event event;
    std::string name;  // of the Event object; "": not there yet
    std::string first_time;
    std::uint64_t sent = 0;  // of event.count
    base::TimePoint raised;
    base::TimePoint last_sent;
  };

  void Wake(base::Duration delay);
  void Next();
  void Send(Entry& entry);
  void Done(const base::Status& status);
  void Denied();
  void Say(std::string state);
  void DropOldest();
  [[nodiscard]] base::Duration Due(const Entry& entry) const;
  base::Duration PartOf(base::Duration most);

  base::EventLoop& loop_;
  const std::string node_name_;
  std::function<void()> changed_;
  apiserver::ApiClient* api_ = nullptr;
  std::string state_ = "not sent yet";

  std::deque<std::shared_ptr<Entry>> entries_;  // oldest first
  std::shared_ptr<Entry> sending_;
  std::uint64_t sending_count_ = 0;
  std::string sending_name_;
  std::unique_ptr<apiserver::ApiCall> call_;
  base::Timer timer_{loop_};
  base::TimePoint wake_at_{};

  base::Duration credit_ = kBurst * kRefill;
  base::TimePoint credited_at_;
  base::Backoff::Random random_;
  base::Backoff back_off_;
  base::TimePoint not_before_{};
  bool denied_ = false;
  std::uint64_t names_ = 0;
};

}  // namespace tranche::daemon
