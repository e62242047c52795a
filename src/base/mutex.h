// Mutex is std::mutex with the annotations that clang's thread-safety analysis reads (preset
// `clang`); with other compilers the macros are empty. It is for the few places that are not on the
// event loop.
//
//     Mutex mutex_;
//     int count_ TRANCHE_GUARDED_BY(mutex_) = 0;
//     MutexLock lock(mutex_);
//
// Threading: safe on any thread; that is its purpose.
// Errors: none.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>

#ifdef __clang__
#define TRANCHE_THREAD_ANNOTATION(x) __attribute__((x))
#else
#define TRANCHE_THREAD_ANNOTATION(x)
#endif

// The names are those of clang's manual, "Thread Safety Analysis".
#define TRANCHE_CAPABILITY(x) TRANCHE_THREAD_ANNOTATION(capability(x))
#define TRANCHE_SCOPED_CAPABILITY TRANCHE_THREAD_ANNOTATION(scoped_lockable)
#define TRANCHE_GUARDED_BY(x) TRANCHE_THREAD_ANNOTATION(guarded_by(x))
#define TRANCHE_REQUIRES(...) TRANCHE_THREAD_ANNOTATION(requires_capability(__VA_ARGS__))
#define TRANCHE_ACQUIRE(...) TRANCHE_THREAD_ANNOTATION(acquire_capability(__VA_ARGS__))
#define TRANCHE_RELEASE(...) TRANCHE_THREAD_ANNOTATION(release_capability(__VA_ARGS__))
#define TRANCHE_NO_THREAD_SAFETY_ANALYSIS TRANCHE_THREAD_ANNOTATION(no_thread_safety_analysis)

namespace tranche::base {

class TRANCHE_CAPABILITY("mutex") Mutex {
 public:
  Mutex() = default;
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;
  void Lock() TRANCHE_ACQUIRE() { mutex_.lock(); }
  void Unlock() TRANCHE_RELEASE() { mutex_.unlock(); }

 private:
  friend class CondVar;
  std::mutex mutex_;
};

class TRANCHE_SCOPED_CAPABILITY MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) TRANCHE_ACQUIRE(mutex) : mutex_(mutex) { mutex_.Lock(); }
  ~MutexLock() TRANCHE_RELEASE() { mutex_.Unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

// Waits are in a loop around the condition, in the caller, where the analysis can see the lock.
class CondVar {
 public:
  void Wait(Mutex& mutex) TRANCHE_REQUIRES(mutex) {
    std::unique_lock<std::mutex> lock(mutex.mutex_, std::adopt_lock);
    condition_.wait(lock);
    lock.release();
  }
  // False when `timeout` has passed.
  bool WaitFor(Mutex& mutex, std::chrono::steady_clock::duration timeout) TRANCHE_REQUIRES(mutex) {
    std::unique_lock<std::mutex> lock(mutex.mutex_, std::adopt_lock);
    const bool notified = condition_.wait_for(lock, timeout) == std::cv_status::no_timeout;
    lock.release();
    return notified;
  }
  void NotifyAll() { condition_.notify_all(); }

 private:
  std::condition_variable condition_;
};

}  // namespace tranche::base
