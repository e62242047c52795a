#include "base/disk/worker.h"

#include <deque>
#include <utility>

#include "base/mutex.h"
#include "base/threads/thread.h"

namespace tranche::base::disk {

namespace {

struct Task {
  std::string what;
  Worker::Job job;
  Worker::Done done;
};

// What the loop's thread and the worker's have in common; whichever ends last frees it.
struct Shared {
  Mutex mutex;
  CondVar changed;
  EventLoop* loop TRANCHE_GUARDED_BY(mutex) = nullptr;  // nullptr: the owner has gone
  std::deque<Task> waiting TRANCHE_GUARDED_BY(mutex);
  std::string running TRANCHE_GUARDED_BY(mutex);  // "": nothing
  TimePoint since TRANCHE_GUARDED_BY(mutex);
  Worker::Clock clock;
};

// Callbacks are looked up on the loop's thread: the owner may be gone by then.
struct Life {};

std::optional<Task> NextTask(Shared& shared) {
  const MutexLock lock(shared.mutex);
  shared.running.clear();
  while (shared.loop != nullptr && shared.waiting.empty()) shared.changed.Wait(shared.mutex);
  if (shared.loop == nullptr) return std::nullopt;
  Task task = std::move(shared.waiting.front());
  shared.waiting.pop_front();
  shared.running = task.what;
  shared.since = shared.clock();
  return task;
}

void Work(const std::shared_ptr<Shared>& shared, const std::weak_ptr<Life>& life) {
  while (std::optional<Task> task = NextTask(*shared)) {
    const Status status = task->job();
    task->job = nullptr;
    const MutexLock lock(shared->mutex);
    if (shared->loop == nullptr) return;
    shared->loop->Post([life, status, done = std::move(task->done)] {
      if (!life.expired()) done(status);
    });
  }
}

class ThreadWorker final : public Worker {
 public:
  ThreadWorker(EventLoop& loop, Clock clock) {
    shared_->clock = std::move(clock);
    const MutexLock lock(shared_->mutex);
    shared_->loop = &loop;
  }
  ThreadWorker(const ThreadWorker&) = delete;
  ThreadWorker& operator=(const ThreadWorker&) = delete;
  ~ThreadWorker() override {
    const MutexLock lock(shared_->mutex);
    shared_->loop = nullptr;
    shared_->waiting.clear();
    shared_->changed.NotifyAll();
  }

  Status Run(std::string what, Job job, Done done) override {
    TRANCHE_TRY(StartThread());
    const MutexLock lock(shared_->mutex);
    if (shared_->waiting.size() >= kMaxWaiting) {
      return {Code::kResourceExhausted, shared_->running.empty()
                                            ? "too much waits for the disk"
                                            : "too much waits behind " + shared_->running};
    }
    shared_->waiting.push_back(
        {.what = std::move(what), .job = std::move(job), .done = std::move(done)});
    shared_->changed.NotifyAll();
    return Status::Ok();
  }

  [[nodiscard]] std::optional<Stuck> StuckJob() const override {
    const MutexLock lock(shared_->mutex);
    if (shared_->running.empty()) return std::nullopt;
    const Duration age = shared_->clock() - shared_->since;
    if (age <= kPatience) return std::nullopt;
    return Stuck{.what = shared_->running, .age = age};
  }

 private:
  // With the first job: a program without any needs none.
  Status StartThread() {
    if (started_) return Status::Ok();
    auto thread = threads::StartThread(
        [shared = shared_, life = std::weak_ptr(life_)] { Work(shared, life); });
    if (!thread.ok()) return thread.status();
    // Detached: joining would wait for a job that hangs. It owns all that it touches.
    thread->detach();
    started_ = true;
    return Status::Ok();
  }

  std::shared_ptr<Shared> shared_ = std::make_shared<Shared>();
  std::shared_ptr<Life> life_ = std::make_shared<Life>();
  bool started_ = false;
};

}  // namespace

std::unique_ptr<Worker> Worker::New(EventLoop& loop, Clock clock) {
  return std::make_unique<ThreadWorker>(loop, std::move(clock));
}

}  // namespace tranche::base::disk
