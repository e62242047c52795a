#include "apiserver/throttle.h"

#include <algorithm>
#include <map>

#include "base/timer.h"

namespace tranche::apiserver {

using base::Code;
using base::Status;

namespace {

class Queue : public std::enable_shared_from_this<Queue> {
 public:
  using Id = std::uint64_t;

  Queue(base::EventLoop& loop, std::unique_ptr<HttpTransport> transport, double qps, int burst)
      : loop_(loop),
        transport_(std::move(transport)),
        qps_(qps),
        burst_(std::max(burst, 1)),
        tokens_(burst_),
        filled_(loop.Now()),
        timer_(loop) {}
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;
  ~Queue() { Close(); }

  Id Start(HttpRequest request, HttpOwner owner) {
    const Id id = ++last_id_;
    if (waiting_.empty() && TakeToken()) {
      running_[id] = transport_->Start(std::move(request), std::move(owner));
      return id;
    }
    Waiting& waiting = waiting_[id];
    waiting.until = loop_.Now() + request.deadline;
    waiting.request = std::move(request);
    waiting.owner = std::move(owner);
    waiting.deadline = std::make_unique<base::Timer>(loop_);
    waiting.deadline->Start(waiting.until - loop_.Now(), [this, id] { GiveUp(id); });
    SetTimer();
    return id;
  }

  void Cancel(Id id) {
    running_.erase(id);
    waiting_.erase(id);
  }

  void Close() {
    waiting_.clear();
    running_.clear();
    timer_.Stop();
  }

 private:
  struct Waiting {
    HttpRequest request;
    HttpOwner owner;
    base::TimePoint until;
    std::unique_ptr<base::Timer> deadline;
  };

  bool TakeToken() {
    if (qps_ <= 0) return true;
    const base::TimePoint now = loop_.Now();
    const std::chrono::duration<double> passed = now - filled_;
    tokens_ = std::min(burst_, tokens_ + passed.count() * qps_);
    filled_ = now;
    // A timer's rounding must not cost another round.
    if (tokens_ < 1 - 1e-6) return false;
    tokens_ -= 1;
    return true;
  }

  void SetTimer() {
    if (timer_.running() || waiting_.empty()) return;
    const std::chrono::duration<double> wait((1 - tokens_) / qps_);
    timer_.Start(std::chrono::ceil<base::Duration>(wait), [this] { Release(); });
  }

  void Release() {
    while (!waiting_.empty() && TakeToken()) {
      const auto it = waiting_.begin();
      const Id id = it->first;
      Waiting waiting = std::move(it->second);
      waiting_.erase(it);
      waiting.request.deadline = waiting.until - loop_.Now();
      running_[id] = transport_->Start(std::move(waiting.request), std::move(waiting.owner));
    }
    SetTimer();
  }

  void GiveUp(Id id) {
    const auto it = waiting_.find(id);
    if (it == waiting_.end()) return;
    const auto done = std::move(it->second.owner.done);
    waiting_.erase(it);
    done(Status(Code::kDeadlineExceeded, "too many requests of our own were ahead of this one"));
  }

  base::EventLoop& loop_;
  std::unique_ptr<HttpTransport> transport_;
  double qps_;
  double burst_;
  double tokens_;
  base::TimePoint filled_;
  std::map<Id, Waiting> waiting_;
  std::map<Id, std::unique_ptr<HttpTransfer>> running_;
  base::Timer timer_;
  Id last_id_ = 0;
};

class QueuedTransfer final : public HttpTransfer {
 public:
  QueuedTransfer(std::weak_ptr<Queue> queue, Queue::Id id) : queue_(std::move(queue)), id_(id) {}
  QueuedTransfer(const QueuedTransfer&) = delete;
  QueuedTransfer& operator=(const QueuedTransfer&) = delete;
  ~QueuedTransfer() override {
    if (const auto queue = queue_.lock()) queue->Cancel(id_);
  }

 private:
  std::weak_ptr<Queue> queue_;
  Queue::Id id_;
};

class Throttle final : public HttpTransport {
 public:
  explicit Throttle(std::shared_ptr<Queue> queue) : queue_(std::move(queue)) {}
  Throttle(const Throttle&) = delete;
  Throttle& operator=(const Throttle&) = delete;
  ~Throttle() override { queue_->Close(); }

  std::unique_ptr<HttpTransfer> Start(HttpRequest request, HttpOwner owner) override {
    const Queue::Id id = queue_->Start(std::move(request), std::move(owner));
    return std::make_unique<QueuedTransfer>(queue_, id);
  }

 private:
  std::shared_ptr<Queue> queue_;
};

}  // namespace

std::unique_ptr<HttpTransport> NewThrottle(base::EventLoop& loop,
                                           std::unique_ptr<HttpTransport> transport, double qps,
                                           int burst) {
  return std::make_unique<Throttle>(
      std::make_shared<Queue>(loop, std::move(transport), qps, burst));
}

}  // namespace tranche::apiserver
