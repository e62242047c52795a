#include "sim/cuda/work.h"

#include <algorithm>
#include <utility>

#include "sim/cuda/capture.h"
#include "sim/cuda/host_thread.h"
#include "sim/cuda/library.h"

namespace tranche::sim::cuda {
namespace {

constexpr std::uint64_t kLookNs = 100'000'000;  // how long to sleep before a look at all else

struct Timed {
  std::shared_ptr<StreamObject> stream;
  std::uint64_t number;
  Effect effect;
};

struct Backlog {
  std::vector<std::shared_ptr<StreamObject>> stalled;
  std::vector<Timed> timed;
};

Backlog& TheBacklog() {
  static auto* const backlog = new Backlog();
  return *backlog;
}

std::vector<AfterWait>& AfterWaits() {
  static auto* const functions = new std::vector<AfterWait>();
  return *functions;
}

void Apply(ContextObject& context, const Effect& effect) {
  if (!effect) return;
  const Result result = effect();
  if (result != kSuccess) Process::Get().Break(context, result);
}

// The last task of the stream for which the driver has called this process.
std::uint64_t HostNumber(const StreamObject& stream) {
  const auto& word = Process::Get().connection().page().streams[stream.index % link::kMaxStreams];
  return __atomic_load_n(&word.host_number, __ATOMIC_ACQUIRE);
}

// Sends the next task of the stream.
Result Submit(StreamObject& stream, link::Submit task) {
  Connection& connection = Process::Get().connection();
  task.stream = stream.index;
  task.number = stream.submitted + 1;
  task.stamp_ns = connection.Now();
  const Result sent = connection.Send(link::Kind::kSubmit, task);
  if (sent == kSuccess) ++stream.submitted;
  return sent;
}

void PushGate(StreamObject& stream, std::shared_ptr<StreamObject> other, std::uint64_t number) {
  if (other.get() == &stream || other->pending.empty() || other->pending.front().number > number) {
    return;
  }
  stream.pending.push_back({.kind = PendingItem::Kind::kGate,
                            .number = stream.submitted,
                            .other = std::move(other),
                            .other_number = number});
}

// The effects of a context's default stream and of its blocking streams wait for each other, as
// the tasks do in the driver.
void PushGatesOfDefaultStream(StreamObject& stream) {
  ContextObject& context = *stream.context;
  if (stream.kind == StreamKind::kBlocking && context.legacy != nullptr) {
    PushGate(stream, context.legacy, context.legacy->submitted);
  }
  if (stream.kind != StreamKind::kLegacy) return;
  for (StreamObject* other : context.streams) {
    if (other->kind != StreamKind::kBlocking) continue;
    PushGate(stream, other->shared_from_this(), other->submitted);
  }
}

void Stall(StreamObject& stream) {
  auto& stalled = TheBacklog().stalled;
  const auto same = [&](const auto& other) { return other.get() == &stream; };
  if (stream.pending.empty() || std::any_of(stalled.begin(), stalled.end(), same)) return;
  stalled.push_back(stream.shared_from_this());
}

// Does the effect now if nothing is before it, else puts it behind that.
Result ApplyInOrder(StreamObject& stream, PendingItem::Kind kind, const Effect& effect) {
  Backlog& backlog = TheBacklog();
  if (!backlog.stalled.empty()) PushGatesOfDefaultStream(stream);
  if (kind == PendingItem::Kind::kEffect && stream.pending.empty()) {
    Apply(*stream.context, effect);
    return kSuccess;
  }
  stream.pending.push_back({.kind = kind, .number = stream.submitted, .effect = effect});
  Stall(stream);
  Pump();
  return kind == PendingItem::Kind::kEffect ? kSuccess : HostThread::Start(stream.context, kind);
}

// Does all that the stream can do now. True if it did anything.
bool Advance(StreamObject& stream) {
  bool progress = false;
  while (!stream.pending.empty()) {
    PendingItem& item = stream.pending.front();
    if (item.kind == PendingItem::Kind::kHost || item.kind == PendingItem::Kind::kPoll) break;
    if (item.kind == PendingItem::Kind::kGate) {
      const auto& before = item.other->pending;
      if (!before.empty() && before.front().number <= item.other_number) break;
    } else if (item.kind == PendingItem::Kind::kTimed) {
      TheBacklog().timed.push_back({stream.shared_from_this(), item.number, item.effect});
    } else {
      Apply(*stream.context, item.effect);
    }
    stream.pending.pop_front();
    progress = true;
  }
  return progress;
}

// Waits without the lock until the counter has come to `value`.
Result WaitFor(const std::shared_ptr<ContextObject>& context, link::Counter counter,
               std::uint32_t index, std::uint64_t value) {
  Process& process = Process::Get();
  Connection& connection = process.connection();
  const std::uint64_t id = context->id;  // of a primary context, another one after a reset
  std::uint64_t last = 0;
  for (;;) {
    const std::uint64_t seen = connection.Value(counter, index);
    // A counter that has fallen is another stream's by now: the one waited for is long done.
    if (seen >= value || seen < last) return kSuccess;
    last = seen;
    if (!context->alive || context->id != id) return kContextIsDestroyed;
    if (const Result error = process.ErrorOf(*context); error != kSuccess) return error;
    const link::Await await{.counter = counter, .index = index, .value = value};
    if (const Result sent = connection.Send(link::Kind::kAwait, await); sent != kSuccess) {
      return sent;
    }
    process.mutex().unlock();
    connection.Sleep(counter, index, seen, kLookNs);
    process.mutex().lock();
  }
}

using Ends = std::vector<std::pair<std::uint32_t, std::uint64_t>>;  // stream's index, last number

Result WaitForAll(const std::shared_ptr<ContextObject>& context, const Ends& ends) {
  for (const auto& [index, number] : ends) {
    const Result waited = WaitFor(context, link::Counter::kStream, index, number);
    if (waited != kSuccess) return waited;
  }
  RunTimed();
  for (const AfterWait function : AfterWaits()) function();
  return Process::Get().ErrorOf(*context);
}

// What has to end before the stream is done with what it has been given.
Ends EndsOf(const StreamObject& stream) {
  Ends ends{{stream.index, stream.submitted}};
  if (stream.kind != StreamKind::kLegacy) return ends;
  for (const StreamObject* other : stream.context->streams) {
    if (other->kind == StreamKind::kBlocking) ends.emplace_back(other->index, other->submitted);
  }
  return ends;
}

}  // namespace

void Pump() {
  auto& stalled = TheBacklog().stalled;
  for (bool progress = true; progress;) {
    progress = false;
    for (std::size_t i = 0; i < stalled.size(); ++i) {
      if (Advance(*std::shared_ptr<StreamObject>(stalled[i]))) progress = true;
    }
  }
  std::erase_if(stalled, [](const auto& stream) { return stream->pending.empty(); });
}

void RunTimed() {
  auto& timed = TheBacklog().timed;
  if (timed.empty()) return;
  const Connection& connection = Process::Get().connection();
  std::vector<Timed> later;
  for (Timed& item : timed) {
    // The driver raises the stream's own counter after it has called.
    const bool done = connection.Value(link::Counter::kStream, item.stream->index) >= item.number ||
                      HostNumber(*item.stream) >= item.number;
    if (done) Apply(*item.stream->context, item.effect);
    if (!done && item.stream->context->alive) later.push_back(std::move(item));
  }
  timed = std::move(later);
}

void OnSynchronized(AfterWait function) { AfterWaits().push_back(function); }

void DropWorkOf(const ContextObject& context) {
  Backlog& backlog = TheBacklog();
  for (const auto& stream : backlog.stalled) {
    if (stream->context.get() == &context) stream->pending.clear();
  }
  std::erase_if(backlog.timed,
                [&](const Timed& item) { return item.stream->context.get() == &context; });
  Pump();
}

void TakeOverIndex(std::uint32_t index) {
  std::vector<Timed> later;
  for (Timed& item : TheBacklog().timed) {
    if (item.stream->alive || item.stream->index != index) {
      later.push_back(std::move(item));
    } else {
      Apply(*item.stream->context, item.effect);
    }
  }
  TheBacklog().timed = std::move(later);
}

const std::vector<std::shared_ptr<StreamObject>>& StalledStreams() { return TheBacklog().stalled; }

PendingItem* ReachedHostItem(StreamObject& stream) {
  if (stream.pending.empty()) return nullptr;
  PendingItem& first = stream.pending.front();
  if (first.kind != PendingItem::Kind::kHost && first.kind != PendingItem::Kind::kPoll) {
    return nullptr;
  }
  return HostNumber(stream) >= first.number ? &first : nullptr;
}

void FinishHostItem(StreamObject& stream, std::uint64_t number) {
  if (stream.pending.empty() || stream.pending.front().number != number) return;
  stream.pending.pop_front();
  Pump();
  Process::Get().connection().Send(link::Kind::kHostDone,
                                   link::HostDone{.stream = stream.index, .number = number});
}

Result WaitForRoom(StreamObject& stream) {
  const std::shared_ptr<ContextObject> context = stream.context;
  if (context->launched < link::kQueueLength) return kSuccess;
  return WaitFor(context, link::Counter::kContext, context->index,
                 context->launched - link::kQueueLength + 1);
}

Result Enqueue(StreamObject& stream, const Operation& operation) {
  if (stream.capture != nullptr) return CaptureOperation(stream, operation);
  if (const Result allowed = AllowsWork(stream); allowed != kSuccess) return allowed;
  const auto kept = stream.shared_from_this();
  if (operation.launch) {
    if (const Result room = WaitForRoom(stream); room != kSuccess) return room;
    if (!stream.alive) return kInvalidHandle;
  }
  const Result sent = Submit(stream, {.work = operation.work,
                                      .amount = operation.amount,
                                      .name = operation.name,
                                      .launch = operation.launch ? 1U : 0U});
  if (sent != kSuccess) return sent;
  if (operation.launch) ++stream.context->launched;
  return ApplyInOrder(stream, operation.kind, operation.effect);
}

Result RecordEvent(StreamObject& stream, EventObject& event) {
  if (stream.capture != nullptr) return CaptureRecord(stream, event);
  if (const Result allowed = AllowsWork(stream); allowed != kSuccess) return allowed;
  if (const Result taken = Process::Get().TakeMark(&event); taken != kSuccess) return taken;
  const Result sent = Submit(
      stream, {.work = link::Work::kMark, .mark = event.mark, .other = event.generation + 1});
  if (sent != kSuccess) return sent;
  if (!TheBacklog().stalled.empty()) {
    PushGatesOfDefaultStream(stream);
    Stall(stream);
  }
  ++event.generation;
  event.recorded = true;
  event.capture.reset();
  event.stream = stream.weak_from_this();
  event.stream_index = stream.index;
  event.number = stream.submitted;
  return kSuccess;
}

bool IsDone(const EventObject& event) {
  return !event.recorded ||
         Process::Get().connection().Value(link::Counter::kMark, event.mark) >= event.generation;
}

Result WaitEvent(StreamObject& stream, EventObject& event) {
  if (stream.capture != nullptr || !event.capture.expired()) return CaptureWait(stream, event);
  if (const Result allowed = AllowsWork(stream); allowed != kSuccess) return allowed;
  if (IsDone(event)) return kSuccess;
  const Result sent = Submit(
      stream,
      {.work = link::Work::kAfter, .other = event.number, .after_stream = event.stream_index});
  if (sent != kSuccess) return sent;
  if (auto other = event.stream.lock(); other != nullptr) {
    PushGate(stream, std::move(other), event.number);
    Stall(stream);
  }
  return kSuccess;
}

bool IsIdle(StreamObject& stream) {
  const Connection& connection = Process::Get().connection();
  const Ends ends = EndsOf(stream);
  const bool idle = std::all_of(ends.begin(), ends.end(), [&](const auto& end) {
    return connection.Value(link::Counter::kStream, end.first) >= end.second;
  });
  RunTimed();
  return idle;
}

Result Synchronize(StreamObject& stream) {
  const auto context = stream.context;
  return WaitForAll(context, EndsOf(stream));
}

Result Synchronize(ContextObject& context) {
  const auto kept = Process::Get().contexts().Share(context.handle);
  if (kept == nullptr) return kContextIsDestroyed;
  Ends ends = context.leaving;
  for (const StreamObject* stream : context.streams) {
    ends.emplace_back(stream->index, stream->submitted);
  }
  const Result waited = WaitForAll(kept, ends);
  const Connection& connection = Process::Get().connection();
  std::erase_if(context.leaving, [&](const auto& end) {
    return connection.Value(link::Counter::kStream, end.first) >= end.second;
  });
  return waited;
}

Result Synchronize(EventObject& event) {
  if (!event.recorded) return kSuccess;
  const Result waited = WaitFor(event.context, link::Counter::kMark, event.mark, event.generation);
  RunTimed();
  for (const AfterWait function : AfterWaits()) function();
  return waited;
}

}  // namespace tranche::sim::cuda
