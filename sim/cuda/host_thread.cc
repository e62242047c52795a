#include "sim/cuda/host_thread.h"

#include <pthread.h>
#include <signal.h>

#include <utility>

#include "sim/cuda/library.h"
#include "sim/cuda/work.h"

namespace tranche::sim::cuda {
namespace {

constexpr std::uint64_t kLookNs = 100'000'000;
constexpr std::uint64_t kPollNs = 50'000;  // how often a value is looked at that a stream waits for

HostThread::Role RoleOf(PendingItem::Kind kind) {
  return kind == PendingItem::Kind::kHost ? HostThread::Role::kFunctions : HostThread::Role::kWords;
}

std::shared_ptr<HostThread>& ThreadOf(ContextObject& context, HostThread::Role role) {
  return context.host_threads[static_cast<std::size_t>(role)];
}

struct Round {
  bool progress = false;
  bool polls = false;  // something is waited for that says nothing when it comes
};

// Runs what the stream has come to. The lock is held, and let go of while a host function runs.
void RunReached(const std::shared_ptr<StreamObject>& stream, HostThread::Role role, Round* round) {
  PendingItem* item = ReachedHostItem(*stream);
  if (item == nullptr || RoleOf(item->kind) != role) return;
  const std::uint64_t number = item->number;
  if (item->kind == PendingItem::Kind::kPoll) {
    if (item->effect() == kNotReady) {
      round->polls = true;
      return;
    }
  } else {
    const Effect function = item->effect;
    std::mutex& mutex = Process::Get().mutex();
    mutex.unlock();
    function();
    mutex.lock();
  }
  FinishHostItem(*stream, number);
  round->progress = true;
}

Round RunAll(const ContextObject& context, HostThread::Role role) {
  Round round;
  // A copy: it changes meanwhile.
  const std::vector stalled(StalledStreams().begin(), StalledStreams().end());
  for (const auto& stream : stalled) {
    if (stream->context.get() == &context) RunReached(stream, role, &round);
  }
  if (role == HostThread::Role::kWords) RunTimed();
  return round;
}

}  // namespace

void* HostThread::Main(void* given) {
  const std::unique_ptr<Given> holder(static_cast<Given*>(given));
  const auto& [context, role] = *holder;
  InHostFunction() = true;
  Process& process = Process::Get();
  Connection& connection = process.connection();
  std::unique_lock lock(process.mutex());
  const std::shared_ptr<HostThread> self = ThreadOf(*context, role);
  const std::uint32_t index = context->index;
  while (ThreadOf(*context, role) == self && !connection.gone()) {
    const std::uint64_t seen = connection.Value(link::Counter::kHostCalls, index);
    const Round round = RunAll(*context, role);
    if (round.progress) continue;
    connection.Send(
        link::Kind::kAwait,
        link::Await{.counter = link::Counter::kHostCalls, .index = index, .value = seen + 1});
    lock.unlock();
    connection.Sleep(link::Counter::kHostCalls, index, seen, round.polls ? kPollNs : kLookNs);
    lock.lock();
  }
  return nullptr;
}

Result HostThread::Start(const std::shared_ptr<ContextObject>& context, PendingItem::Kind kind) {
  const Role role = RoleOf(kind);
  std::shared_ptr<HostThread>& thread_object = ThreadOf(*context, role);
  if (thread_object != nullptr) return kSuccess;
  // The program's signals are for its own threads.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  auto holder = std::make_unique<Given>(Given{context, role});
  pthread_t thread{};
  thread_object = std::make_shared<HostThread>();
  const int failed = pthread_create(&thread, nullptr, &HostThread::Main, holder.get());
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (failed != 0) {
    thread_object.reset();
    return kOperatingSystem;
  }
  (void)holder.release();  // the thread's now
  pthread_detach(thread);
  return kSuccess;
}

}  // namespace tranche::sim::cuda
