#include "daemon/node_events.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <random>
#include <utility>

#include "base/log.h"
#include "daemon/event_object.h"

namespace tranche::daemon {

namespace {

using base::Code;
using base::Duration;
using base::Json;
using base::Status;

constexpr Duration kFirstBackOff = std::chrono::seconds(5);
constexpr Duration kMaxBackOff = std::chrono::minutes(1);
constexpr Duration kNotDue = Duration::max();

}  // namespace

NodeEvents::NodeEvents(base::EventLoop& loop, std::string node_name, std::function<void()> changed)
    : loop_(loop),
      node_name_(std::move(node_name)),
      changed_(std::move(changed)),
      credited_at_(loop.Now()),
      random_(base::SeededRandom(std::random_device{}())),
      back_off_({.first = kFirstBackOff, .longest = kMaxBackOff, .jitter_low = 0.75},
                [this] { return random_(); }) {}

void NodeEvents::Connect(apiserver::ApiClient& api) {
  api_ = &api;
  WakeAfter({});
}

void NodeEvents::Raise(const Event& event) {
  if (denied_) return;
  const base::TimePoint now = loop_.Now();
  std::erase_if(entries_, [now](const std::shared_ptr<Entry>& entry) {
    return entry->sent == entry->event.count && now - entry->raised > kForget;
  });
  const auto same = std::ranges::find_if(entries_, [&](const std::shared_ptr<Entry>& entry) {
    return entry->event.type == event.type && entry->event.reason == event.reason &&
           entry->event.message == event.message && entry->event.pod == event.pod;
  });
  if (same != entries_.end()) {
    ++(*same)->event.count;
    (*same)->event.wall_time = event.wall_time;
    (*same)->raised = now;
  } else {
    if (entries_.size() >= kMaxKept) DropOldest();
    entries_.push_back(std::make_shared<Entry>(
        Entry{.event = event, .first_time = event.wall_time, .raised = now}));
    entries_.back()->event.count = 1;
  }
  WakeAfter(PartOf(event.type == EventType::kNormal ? kNormalSpread : kWarningSpread));
}

Duration NodeEvents::PartOf(Duration most) {
  return std::chrono::duration_cast<Duration>(most * random_());
}

// One that is there already rather than one that nobody has read.
void NodeEvents::DropOldest() {
  auto victim = std::ranges::find_if(entries_, [](const std::shared_ptr<Entry>& entry) {
    return entry->sent == entry->event.count;
  });
  entries_.erase(victim != entries_.end() ? victim : entries_.begin());
}

// A timer, also for now: a call may not be replaced from within its own answer.
void NodeEvents::WakeAfter(Duration delay) {
  if (api_ == nullptr || sending_ != nullptr) return;
  const base::TimePoint at = std::max(loop_.Now() + delay, not_before_);
  if (timer_.running() && wake_at_ <= at) return;
  wake_at_ = at;
  timer_.Start(at - loop_.Now(), [this] { SendNext(); });
}

// How long until this one may be sent.
Duration NodeEvents::Due(const Entry& entry) const {
  if (entry.sent == entry.event.count) return kNotDue;
  if (entry.sent == 0) return Duration::zero();
  return std::max(Duration::zero(), entry.last_sent + kRepeatEvery - loop_.Now());
}

void NodeEvents::SendNext() {
  const base::TimePoint now = loop_.Now();
  if (denied_) {
    denied_ = false;
    SetState("not sent since it was not permitted");
  }
  credit_ = std::min(kBurst * kRefill, credit_ + (now - credited_at_));
  credited_at_ = now;
  Duration soonest = kNotDue;
  std::shared_ptr<Entry> next;
  for (const std::shared_ptr<Entry>& entry : entries_) {
    const Duration due = Due(*entry);
    if (due == Duration::zero() && next == nullptr) next = entry;
    soonest = std::min(soonest, due);
  }
  if (soonest == kNotDue) return;
  if (next == nullptr) return WakeAfter(soonest);
  if (credit_ < kRefill) return WakeAfter(kRefill - credit_);
  credit_ -= kRefill;
  sending_ = next;
  Send(*next);
}

void NodeEvents::Send(Entry& entry) {
  sending_count_ = entry.event.count;
  apiserver::ApiRequest request;
  if (entry.name.empty()) {
    const auto wall = std::chrono::system_clock::now().time_since_epoch();
    sending_name_ = fmt::format("{}.{:x}{:02x}", node_name_.substr(0, 200),
                                std::chrono::duration_cast<std::chrono::nanoseconds>(wall).count(),
                                ++names_ % 256);
    request.method = apiserver::Method::kPost;
    request.path = EventsPath(entry.event);
    request.body = EventObject(entry.event, {.node = node_name_, .component = "tranche"},
                               sending_name_, entry.first_time);
  } else {
    sending_name_ = entry.name;
    request.method = apiserver::Method::kPatch;
    request.path = EventsPath(entry.event) + "/" + entry.name;
    request.body =
        Json::MakeObject({{"count", entry.event.count}, {"lastTimestamp", entry.event.wall_time}});
  }
  call_ = api_->Send(std::move(request),
                     [this](const base::Result<Json>& answer) { Answered(answer.status()); });
}

void NodeEvents::Answered(const Status& status) {
  const std::shared_ptr<Entry> entry = std::exchange(sending_, nullptr);
  switch (status.code()) {
    case Code::kOk:
      entry->name = sending_name_;
      entry->sent = sending_count_;
      entry->last_sent = loop_.Now();
      back_off_.Reset();
      SetState("sent");
      break;
    case Code::kPermissionDenied:
      Denied(entry);
      if (denied_) return;
      break;
    case Code::kNotFound:
    case Code::kAlreadyExists:
      // The server keeps Events for an hour only; a name that is taken is not ours.
      if (entry->name.empty() && status.code() == Code::kNotFound) {
        std::erase(entries_, entry);
      }
      entry->name.clear();
      entry->sent = 0;
      break;
    case Code::kInvalidArgument:
      base::LogDebug("the API server takes no such Event", {base::Kv("reason", entry->event.reason),
                                                            base::Kv("error", status.message())});
      std::erase(entries_, entry);
      break;
    default:
      // With jitter: a fleet must not come back in step.
      not_before_ = loop_.Now() + back_off_.Next();
      SetState("waiting: " + status.message());
  }
  WakeAfter({});
}

void NodeEvents::Denied(const std::shared_ptr<Entry>& entry) {
  const bool on_pod = entry->event.pod.has_value();
  if (state_ != "not permitted") {
    base::LogWarning(on_pod
                         ? "this account may not write Events on pods; they are in log and status"
                         : "this account may not write Events on the node; they are in log and "
                           "status");
  }
  if (on_pod) {
    std::erase(entries_, entry);
    return SetState("not permitted");
  }
  entries_.clear();
  denied_ = true;
  SetState("not permitted");
  not_before_ = loop_.Now() + kDeniedFor;
  WakeAfter({});
}

void NodeEvents::SetState(std::string state) {
  if (state == state_) return;
  state_ = std::move(state);
  changed_();
}

}  // namespace tranche::daemon
