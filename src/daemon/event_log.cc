#include "daemon/event_log.h"

#include <utility>

#include "base/log.h"
#include "base/time.h"

namespace tranche::daemon {

EventLog::EventLog(base::EventLoop& loop, const std::string& node_name,
                   std::function<void()> changed)
    : loop_(loop), changed_(std::move(changed)) {
  if (node_name.empty()) return;
  kubernetes_ = std::make_unique<NodeEvents>(loop, node_name, changed_);
  on_pods_ = std::make_unique<NodeEvents>(loop, node_name, changed_);
}

void EventLog::Raise(EventType type, Reason reason, const std::string& text,
                     const std::optional<EventPod>& pod) {
  Rate& rate = rates_[reason.name()];
  if (!rate.bucket.Take(loop_.Now())) {
    ++rate.left_out;
    return;
  }
  std::string message = base::Printable(text, kMaxMessage);
  if (const auto left_out = std::exchange(rate.left_out, 0); left_out > 0) {
    message += " (" + std::to_string(left_out) + " more like this came before and were left out)";
  }
  base::Log(type == EventType::kNormal ? base::LogLevel::kInfo : base::LogLevel::kWarning, message,
            {base::Kv("event", reason.name())});
  if (!events_.empty() && events_.back().reason == reason.name() &&
      events_.back().message == message && events_.back().pod == pod) {
    ++events_.back().count;
    events_.back().wall_time = base::Rfc3339Now();
  } else {
    events_.push_back({.type = type,
                       .reason = std::string(reason.name()),
                       .message = std::move(message),
                       .wall_time = base::Rfc3339Now(),
                       .count = 1,
                       .pod = pod});
    if (events_.size() > kMost) events_.pop_front();
  }
  if (kubernetes_ != nullptr) (pod ? on_pods_ : kubernetes_)->Raise(events_.back());
  changed_();
}

RaiseEvent EventLog::raiser() {
  return [this](EventType type, Reason reason, const std::string& message) {
    Raise(type, reason, message);
  };
}

void EventLog::Connect(apiserver::ApiClient& api) {
  if (kubernetes_ == nullptr) return;
  kubernetes_->Connect(api);
  on_pods_->Connect(api);
}

std::string EventLog::kubernetes_state() const {
  return kubernetes_ == nullptr ? "" : kubernetes_->state();
}

}  // namespace tranche::daemon
