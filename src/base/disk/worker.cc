#include "base/disk/worker.h"

#include <cstdint>
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
  std::uint64_t number = 0;
};

// What the loop's thread and the worker's have in common; whichever ends last frees it.
struct Shared {
  Mutex mutex;
  CondVar changed;
  EventLoop* loop TRANCHE_GUARDED_BY(mutex) = nullptr;  // nullptr: the owner has gone
  std::deque<Task> waiting TRANCHE_GUARDED_BY(mutex);
  std::string running TRANCHE_GUARDED_BY(mutex);  // "": nothing
  TimePoint since TRANCHE_GUARDED_BY(mutex);
  std::uint64_t tasks TRANCHE_GUARDED_BY(mutex) = 0;    // that there have been
  std::uint64_t awaited TRANCHE_GUARDED_BY(mutex) = 0;  // the loop waits for this one; 0: for none
  std::optional<Status> answer TRANCHE_GUARDED_BY(mutex);  // of the one awaited
  bool in_vain TRANCHE_GUARDED_BY(mutex) = false;  // what runs, or waits, has been waited for
  Worker::Clock clock;
};

// Callbacks are looked up on the loop's thread: the owner may be gone by then.
struct Life {};

std::optional<Task> NextTask(Shared& shared) {
  const MutexLock lock(shared.mutex);
  shared.running.clear();
  shared.in_vain = false;
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
    if (shared->awaited == task->number) {
      shared->answer = status;
      shared->changed.NotifyAll();
      continue;
    }
    shared->loop->Post([life, status, done = std::move(task->done)] {
      if (!life.expired()) done(status);
    });
  }
}

class ThreadWorker final : public Worker {
 public:
  ThreadWorker(EventLoop& loop, Clock clock, Duration wait) : wait_(wait) {
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
    return Push(std::move(what), std::move(job), std::move(done));
  }

  Status RunAndWait(std::string what, Job job, Done done) override {
    TRANCHE_TRY(StartThread());
    std::optional<Status> answer;
    {
      const MutexLock lock(shared_->mutex);
      TRANCHE_TRY(Push(std::move(what), std::move(job), done));
      if (shared_->in_vain) return Status::Ok();
      shared_->awaited = shared_->tasks;
      bool in_time = true;
      const TimePoint begin = shared_->clock();
      while (!shared_->answer && in_time) {
        const Duration left = wait_ - (shared_->clock() - begin);
        in_time = left > Duration::zero() && shared_->changed.WaitFor(shared_->mutex, left);
      }
      shared_->awaited = 0;
      answer = std::exchange(shared_->answer, std::nullopt);
      shared_->in_vain = !answer;
    }
    if (answer) done(*answer);
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
  Status Push(std::string what, Job job, Done done) TRANCHE_REQUIRES(shared_->mutex) {
    if (shared_->waiting.size() >= kMaxWaiting) {
      return {Code::kResourceExhausted, shared_->running.empty()
                                            ? "too much waits for the disk"
                                            : "too much waits behind " + shared_->running};
    }
    shared_->waiting.push_back({.what = std::move(what),
                                .job = std::move(job),
                                .done = std::move(done),
                                .number = ++shared_->tasks});
    shared_->changed.NotifyAll();
    return Status::Ok();
  }

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
  const Duration wait_;
  bool started_ = false;
};

}  // namespace

std::unique_ptr<Worker> Worker::New(EventLoop& loop, Clock clock, Duration wait) {
  return std::make_unique<ThreadWorker>(loop, std::move(clock), wait);
}

}  // namespace tranche::base::disk
