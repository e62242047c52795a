#include "base/threads/thread.h"

#include <pthread.h>

#include <cstddef>
#include <memory>
#include <shared_mutex>
#include <string>
#include <vector>

namespace tranche::base::threads {

namespace {

// Far more than a thread needs that does nothing; of what it does not touch there is nothing.
constexpr std::size_t kStackBytes = 1U << 20U;

// Waits at the gate, as all the others do, who are let through together.
void* WaitAtGate(void* gate) {
  const std::shared_lock passed(*static_cast<std::shared_mutex*>(gate));
  return nullptr;
}

// Threads that are there at one time, on stacks that lie side by side: a stack of its own for each
// costs more than the thread.
class IdleThreads {
 public:
  explicit IdleThreads(std::size_t most) : stacks_(new std::byte[most * kStackBytes]) {
    threads_.reserve(most);
    gate_.lock();
    pthread_attr_init(&attributes_);
  }
  IdleThreads(const IdleThreads&) = delete;
  IdleThreads& operator=(const IdleThreads&) = delete;
  ~IdleThreads() {
    gate_.unlock();
    for (const pthread_t thread : threads_) pthread_join(thread, nullptr);
    pthread_attr_destroy(&attributes_);
  }

  // 0, or the error with which there is no further one.
  int Add() {
    pthread_attr_setstack(&attributes_, stacks_.get() + threads_.size() * kStackBytes, kStackBytes);
    pthread_t thread{};
    const int error = pthread_create(&thread, &attributes_, WaitAtGate, &gate_);
    if (error == 0) threads_.push_back(thread);
    return error;
  }

  [[nodiscard]] std::size_t count() const { return threads_.size(); }

 private:
  std::unique_ptr<std::byte[]> stacks_;  // not written to
  std::shared_mutex gate_;
  pthread_attr_t attributes_{};
  std::vector<pthread_t> threads_;
};

}  // namespace

Status NoFurtherThread(const std::error_code& why) {
  return {Code::kResourceExhausted,
          "no further thread can be made (" + why.message() +
              "): the limit of processes is reached, of the container (pids.max) or of "
              "the user (RLIMIT_NPROC)"};
}

Status CheckRoomForThreads(int count) {
  const auto wanted = static_cast<std::size_t>(count);
  IdleThreads threads(wanted);
  while (threads.count() < wanted) {
    const int error = threads.Add();
    if (error == 0) continue;
    const Status why = NoFurtherThread({error, std::generic_category()});
    return {why.code(), "there is room for " + std::to_string(threads.count()) +
                            " more threads and " + std::to_string(count) +
                            " are needed: " + why.message()};
  }
  return Status::Ok();
}

}  // namespace tranche::base::threads
