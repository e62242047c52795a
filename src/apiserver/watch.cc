#include "apiserver/watch.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "apiserver/reply.h"
#include "apiserver/watch_lines.h"
#include "base/backoff.h"
#include "base/json_read.h"
#include "base/timer.h"
#include "base/weak_runner.h"

namespace tranche::apiserver {

using base::Code;
using base::Json;
using base::Result;
using base::Status;
using base::TextAt;
using std::chrono::duration;
using std::chrono::seconds;

namespace {

constexpr int kPageSize = 500;                     // as client-go's
constexpr std::size_t kMaxListBytes = 128U << 20;  // of all pages of one list
constexpr seconds kListDeadline(60);
constexpr seconds kAnswerDeadline(30);         // a watch's head comes at once
constexpr double kShortestWatchSeconds = 300;  // then up to twice that, so that a fleet's
                                               // watches do not end together
constexpr seconds kGrace(30);                  // for the server to end it
constexpr std::chrono::milliseconds kFirstBackOff(500);
constexpr base::Duration kLongestBackOff = seconds(30);
constexpr seconds kSteady(10);        // a watch that lived this long ends a row of failures
constexpr double kDoubtSeconds = 30;  // then up to twice that, as above
constexpr base::Duration kLongestRetryAfter = std::chrono::minutes(2);

base::Duration ToDuration(duration<double> time) {
  return std::chrono::duration_cast<base::Duration>(time);
}

class Watcher final : public ApiWatch {
 public:
  Watcher(base::EventLoop& loop, std::shared_ptr<HttpTransport> transport,
          std::function<double()> random, WatchSpec spec, Owner owner)
      : loop_(loop),
        transport_(std::move(transport)),
        random_(std::move(random)),
        spec_(std::move(spec)),
        owner_(std::make_shared<const Owner>(std::move(owner))),
        timer_(loop),
        doubt_timer_(loop),
        back_off_({.first = kFirstBackOff,
                   .longest = 2 * kLongestBackOff,  // jitter halves it at most
                   .jitter_low = 0.5,
                   .jitter_high = 1.5},
                  [this] { return random_(); }),
        runner_(loop) {
    if (!spec_.field_selector.empty()) {
      selectors_ += "&fieldSelector=" + EscapeSegment(spec_.field_selector);
    }
    if (!spec_.label_selector.empty()) {
      selectors_ += "&labelSelector=" + EscapeSegment(spec_.label_selector);
    }
    Later({});
  }

 private:
  void Later(base::Duration delay) {
    timer_.Start(delay, [this] {
      if (version_.empty()) {
        objects_.clear();
        list_bytes_ = 0;
        List("");
      } else {
        Watch();
      }
    });
  }

  // --- The list ---

  void List(const std::string& next) {
    HttpRequest request;
    request.path = fmt::format("{}?limit={}{}", spec_.path, kPageSize, selectors_);
    if (!next.empty()) request.path += "&continue=" + EscapeSegment(next);
    request.accept = AcceptHeader(spec_.path, spec_.form);
    request.deadline = kListDeadline;
    transfer_ =
        transport_->Start(std::move(request),
                          {.done = [this](Result<HttpReply> reply) { OnPage(std::move(reply)); }});
  }

  void OnPage(Result<HttpReply> reply) {
    transfer_.reset();
    if (!reply.ok()) return Fail(reply.status(), {});
    const base::Duration retry_after = reply->retry_after;
    list_bytes_ += reply->body.size();
    auto page = ReadReply(std::move(reply).value(), spec_.form);
    if (!page.ok()) return Fail(page.status(), retry_after);
    const Json* items = page->Find("items");
    const std::string_view version = TextAt(*page, {"metadata", "resourceVersion"});
    const bool no_items = items == nullptr || items->is_null();  // Go's word for an empty list
    if (version.empty() || !(no_items || items->is_array())) {
      return Fail({Code::kInternal, "the API server's answer is no list: " + spec_.path}, {});
    }
    if (list_bytes_ > kMaxListBytes) {
      return Fail({Code::kResourceExhausted, fmt::format("the list of {} is larger than {} bytes",
                                                         spec_.path, kMaxListBytes)},
                  {});
    }
    if (!no_items) {
      const Json::Array& more = items->as_array();
      objects_.insert(objects_.end(), more.begin(), more.end());
    }
    const std::string next(TextAt(*page, {"metadata", "continue"}));
    if (!next.empty()) return List(next);
    Listed(std::string(version));
  }

  void Listed(std::string version) {
    version_ = std::move(version);
    fresh_ = true;
    doubtful_ = false;
    doubt_timer_.Stop();
    Later({});  // before the owner hears of it, who may end this
    const Json::Array objects = std::exchange(objects_, {});
    const auto owner = owner_;
    if (owner->listed) owner->listed(objects);
  }

  // --- The watch ---

  void Watch() {
    const int timeout = static_cast<int>(kShortestWatchSeconds * (1 + random_()));
    HttpRequest request;
    request.path =
        fmt::format("{}?watch=1&allowWatchBookmarks=true&resourceVersion={}&timeoutSeconds={}{}",
                    spec_.path, EscapeSegment(version_), timeout, selectors_);
    // The server sends the objects one by one.
    request.accept = spec_.form == ReplyForm::kMetadata
                         ? "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
                         : "application/json";
    // A stream that is still open after its timeout has stalled.
    request.deadline = seconds(timeout) + kGrace;
    request.answer_deadline = kAnswerDeadline;
    lines_ = LineBuffer();
    opened_at_.reset();
    ends_at_ = loop_.Now() + seconds(timeout) - seconds(1);
    transfer_ = transport_->Start(
        std::move(request), {.data = [this](std::string_view bytes) { OnData(bytes); },
                             .opened = [this] { OnOpened(); },
                             .done = [this](Result<HttpReply> reply) { OnEnd(std::move(reply)); }});
  }

  void OnOpened() {
    opened_at_ = loop_.Now();
    if (doubtful_ && !doubt_timer_.running()) {
      // After a reconnect the server may have been restored from an older snapshot of etcd. Its
      // resourceVersions then restart below ours, and it sends no event until it passes our
      // version; the events in between are lost. So list once more.
      doubt_timer_.Start(ToDuration(duration<double>(kDoubtSeconds * (1 + random_()))), [this] {
        if (opened_at_) return ListAgain();
        version_.clear();  // so that the next request lists
      });
    }
    SetState(Status::Ok());
  }

  void ListAgain() {
    doubt_timer_.Stop();
    transfer_.reset();
    version_.clear();
    Later({});
  }

  void OnData(std::string_view bytes) {
    lines_.Append(bytes);
    const auto alive = runner_.AliveCheck();
    const HttpTransfer* const stream = transfer_.get();
    std::string line;
    for (;;) {
      const auto next = lines_.Next(line);
      if (!next.ok()) return Broken(next.status());
      if (!*next) return;
      OnLine(line);
      if (!alive() || transfer_.get() != stream) return;
    }
  }

  void OnLine(std::string_view line) {
    auto event = ParseWatchEvent(line);
    if (!event.ok()) return Broken(event.status());
    if (event->type == WatchEvent::Type::kError) return OnErrorEvent(event->object);
    if (event->type == WatchEvent::Type::kOther) return;
    version_ = event->version;
    fresh_ = false;
    const auto owner = owner_;
    if (event->type == WatchEvent::Type::kBookmark) return;
    if (event->type == WatchEvent::Type::kDeleted) {
      if (owner->removed) owner->removed(event->object);
    } else if (owner->changed) {
      owner->changed(event->object);
    }
  }

  // The stream cannot be understood, or says that it has ended: only a list is sure to be complete.
  void Broken(const Status& why) {
    version_.clear();
    Fail(why, {});
  }

  void OnErrorEvent(const Json& status) {
    const std::int64_t code = base::IntAt(status, "code").value_or(500);
    const int http_code = static_cast<int>(std::clamp<std::int64_t>(code, 0, 999));
    OnFailure(StatusOf(http_code, status), {});
  }

  void OnEnd(Result<HttpReply> reply) {
    if (!reply.ok()) return Fail(reply.status(), {});
    if (reply->code < 200 || reply->code >= 300) {
      return OnFailure(FailureOf(*reply), reply->retry_after);
    }
    transfer_.reset();
    const bool early = loop_.Now() < ends_at_;
    doubtful_ = doubtful_ || early;
    if (!early || Lived()) {
      back_off_.Reset();
      return Later({});
    }
    Fail({Code::kUnavailable, "the API server ended the watch at once"}, {});
  }

  // A failure in the server's own words.
  void OnFailure(const Status& why, base::Duration retry_after) {
    // Anything else than "not now" may have to do with the version we ask from.
    const bool keep = why.code() == Code::kUnavailable || why.code() == Code::kResourceExhausted ||
                      why.code() == Code::kPermissionDenied ||
                      why.code() == Code::kFailedPrecondition;
    if (!keep) version_.clear();
    // A list helps at once, unless it was a list that gave the version.
    if (why.code() == Code::kOutOfRange && !std::exchange(fresh_, true)) return ListAgain();
    Fail(why, retry_after);
  }

  [[nodiscard]] bool Lived() const { return opened_at_ && loop_.Now() - *opened_at_ >= kSteady; }

  void Fail(const Status& why, base::Duration retry_after) {
    transfer_.reset();
    if (Lived()) back_off_.Reset();
    opened_at_.reset();
    doubtful_ = true;
    const base::Duration back_off = std::min(back_off_.Next(), kLongestBackOff);
    Later(std::max(back_off, std::min(retry_after, kLongestRetryAfter)));
    SetState(why);
  }

  // Last in whatever calls it: the owner may destroy this.
  void SetState(const Status& state) {
    if (state_ && *state_ == state) return;
    state_ = state;
    const auto owner = owner_;
    if (owner->state) owner->state(state);
  }

  base::EventLoop& loop_;
  std::shared_ptr<HttpTransport> transport_;
  std::function<double()> random_;
  WatchSpec spec_;
  std::shared_ptr<const Owner> owner_;  // shared: a callback may destroy the watch it belongs to
  std::string selectors_;
  std::unique_ptr<HttpTransfer> transfer_;
  base::Timer timer_;
  base::Timer doubt_timer_;
  std::string version_;  // to go on from; "": list
  Json::Array objects_;  // of the pages so far
  std::size_t list_bytes_ = 0;
  LineBuffer lines_;
  std::optional<base::TimePoint> opened_at_;
  base::TimePoint ends_at_;
  bool fresh_ = true;      // version_ is a list's, or there is none
  bool doubtful_ = false;  // the server may have gone back in time since version_
  base::Backoff back_off_;
  std::optional<Status> state_;
  base::WeakRunner runner_;  // the last member: destroyed first
};

}  // namespace

std::unique_ptr<ApiWatch> NewApiWatch(base::EventLoop& loop,
                                      std::shared_ptr<HttpTransport> transport,
                                      std::function<double()> random, WatchSpec spec,
                                      ApiWatch::Owner owner) {
  return std::make_unique<Watcher>(loop, std::move(transport), std::move(random), std::move(spec),
                                   std::move(owner));
}

}  // namespace tranche::apiserver
