// NodeEvents writes events as Kubernetes Events on the program's own node (`kubectl describe node`)
// or on a pod of it (`kubectl describe pod`).
//
// Nothing waits for them. Repeats are counted in one Event, no more than kBurst are sent at once
// and one each kRefill after, and at most kMaxKept are held while the server is away. Something
// that makes all nodes of a cluster report at once, such as an edit of their ConfigMap, is spread
// over time: each node waits for a random part of kNormalSpread or kWarningSpread.
//
// Threading: the loop's thread.
// Errors: state() says why Events wait. An account that may not write Events on the node (403)
// tries again every kDeniedFor only; one on a pod that may not be written, because the pod's
// namespace is about to end, say, is given up.
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

  void WakeAfter(base::Duration delay);
  void SendNext();
  void Send(Entry& entry);
  void Answered(const base::Status& status);
  void Denied(const std::shared_ptr<Entry>& entry);
  void SetState(std::string state);
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
