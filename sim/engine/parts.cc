#include "sim/engine/parts.h"

#include <algorithm>
#include <utility>

namespace tranche::sim::engine {
namespace {

// Far enough for everyone, and two of them can be added.
constexpr Time kForever = Time{1} << 60U;

}  // namespace

UnitId Engine::Parts::AddUnit(const Hardware& hardware) {
  const UnitId id = ++last_id_;
  const Hardware bounded = {.slice = std::min(hardware.slice, kForever),
                            .switch_cost = std::min(hardware.switch_cost, kForever)};
  units_.emplace(id, std::make_unique<Unit>(id, bounded, events_, observer_));
  return id;
}

void Engine::Parts::RemoveUnit(UnitId unit) {
  const auto found = units_.find(unit);
  if (found == units_.end()) {
    return;
  }
  while (!found->second->contexts.empty()) {
    RemoveContext(found->second->contexts.begin()->first);
  }
  found->second->turns.Stop();
  std::erase(to_decide_, found->second.get());
  units_.erase(found);
}

ContextId Engine::Parts::AddContext(UnitId unit) {
  const ContextId id = ++last_id_;
  const auto found = units_.find(unit);
  if (found != units_.end()) {
    auto context = std::make_unique<Context>(id, *found->second);
    contexts_.emplace(id, context.get());
    found->second->contexts.emplace(id, std::move(context));
  }
  return id;
}

StreamId Engine::Parts::AddStream(ContextId context, StreamKind kind) {
  const StreamId id = ++last_id_;
  const auto found = contexts_.find(context);
  if (found == contexts_.end()) {
    return id;
  }
  Context& of = *found->second;
  if (kind == StreamKind::kLegacy && of.legacy != nullptr) {
    return of.legacy->id;
  }
  auto stream = std::make_unique<Stream>(id, kind, of);
  if (kind == StreamKind::kLegacy) {
    of.legacy = stream.get();
  }
  streams_.emplace(id, stream.get());
  of.streams.emplace(id, std::move(stream));
  return id;
}

void Engine::Parts::RemoveContext(ContextId context) {
  const auto found = contexts_.find(context);
  if (found == contexts_.end()) {
    return;
  }
  Context& gone = *found->second;
  Unit& unit = gone.unit;
  for (const auto& [id, stream] : gone.streams) {
    events_.Cancel(stream->timer);
    StopWaiting(*stream);
  }
  for (const auto& [id, stream] : gone.streams) {
    while (!stream->waiting.empty()) {
      Stream& waiter = *stream->waiting.begin()->second;
      StopWaiting(waiter);
      LookLater(waiter);
    }
    streams_.erase(id);
  }
  unit.turns.Remove(gone, now_);
  unit.in.Remove(gone, now_);
  unit.out.Remove(gone, now_);
  Undecided(unit);
  contexts_.erase(found);
  unit.contexts.erase(context);
}

void Engine::Parts::RemoveStream(StreamId stream) {
  Stream* found = Find(stream);
  // The legacy stream goes with its context.
  if (found != nullptr && found->kind != StreamKind::kLegacy) {
    found->removed = true;
    if (found->tasks.empty()) {
      LookLater(*found);
    }
  }
}

void Engine::Parts::Submit(StreamId stream, const Task& task) {
  Stream* found = Find(stream);
  if (found == nullptr || found->removed || task.number <= found->last_number) {
    return;
  }
  Context& context = found->context;
  Queued queued = {.task = task};
  queued.task.length = std::clamp<Time>(task.length, 0, kForever);
  queued.task.submitted = std::min(task.submitted, kForever);
  if (found->kind == StreamKind::kLegacy) {
    queued.age = context.order.Divide();
  } else if (found->kind == StreamKind::kBlocking) {
    queued.age = context.order.Enter();
    queued.legacy_before = context.legacy == nullptr ? 0 : context.legacy->last_number;
  }
  found->last_number = task.number;
  found->tasks.push_back(queued);
  if (found->tasks.size() == 1) {
    events_.Set(found->timer, std::max(now_, queued.task.submitted));
  }
}

void Engine::Parts::HostDone(StreamId stream, std::uint64_t number, Time at) {
  Stream* found = Find(stream);
  if (found == nullptr) {
    return;
  }
  const auto queued = std::lower_bound(
      found->tasks.begin(), found->tasks.end(), number,
      [](const Queued& one, std::uint64_t wanted) { return one.task.number < wanted; });
  if (queued == found->tasks.end() || queued->task.number != number ||
      queued->task.work != Work::kHost || queued->host_done) {
    return;
  }
  queued->host_done = std::clamp(at, now_, kForever);
  if (queued == found->tasks.begin() && found->begun) {
    events_.Set(found->timer, *queued->host_done);
  }
}

std::optional<Time> Engine::Parts::NextEvent() const {
  if (!to_decide_.empty()) {
    return now_;
  }
  return events_.empty() ? std::nullopt : std::optional(events_.Next());
}

void Engine::Parts::AdvanceTo(Time time) {
  const Time until = std::clamp(time, now_, kForever);
  while (true) {
    // All that happens at one moment comes before what is decided at it.
    while (!events_.empty() && events_.Next() <= now_) {
      Handle(events_.Take());
    }
    if (!to_decide_.empty()) {
      for (Unit* unit : std::exchange(to_decide_, {})) {
        unit->undecided = false;
        unit->turns.Decide(now_);
      }
    } else if (!events_.empty() && events_.Next() <= until) {
      now_ = events_.Next();
    } else {
      break;
    }
  }
  now_ = until;
}

void Engine::Parts::ReportComputed() {
  for (const auto& [id, unit] : units_) {
    unit->turns.ReportComputed(now_);
  }
}

std::size_t Engine::Parts::Pending(StreamId stream) const {
  const Stream* found = Find(stream);
  return found == nullptr ? 0 : found->tasks.size();
}

Stream* Engine::Parts::Find(StreamId stream) const {
  const auto found = streams_.find(stream);
  return found == streams_.end() ? nullptr : found->second;
}

void Engine::Parts::Undecided(Unit& unit) {
  if (!std::exchange(unit.undecided, true)) {
    to_decide_.push_back(&unit);
  }
}

void Engine::Parts::Handle(Timer& timer) {
  if (auto* stream = std::get_if<Stream*>(&timer.owner)) {
    LookAt(**stream);
  } else if (auto* copies = std::get_if<CopyEngine*>(&timer.owner)) {
    Complete((*copies)->OnDue(now_));
  } else {
    Turns& turns = *std::get<Turns*>(timer.owner);
    if (Stream* done = turns.OnDue(now_)) {
      Complete(*done);
    }
    Undecided(*units_.at(turns.unit()));
  }
  while (!to_look_at_.empty()) {
    Stream& next = *to_look_at_.front();
    to_look_at_.pop_front();
    next.looked = false;
    Look(next);
  }
}

void Engine::Parts::LookAt(Stream& stream) {
  if (!std::exchange(stream.looked, true)) {
    to_look_at_.push_back(&stream);
  }
}

void Engine::Parts::Look(Stream& stream) {
  if (stream.tasks.empty()) {
    if (stream.removed) {
      Forget(stream);
    }
    return;
  }
  const Queued& first = stream.tasks.front();
  if (stream.with_unit || (!stream.begun && MustWait(stream, first))) {
    return;
  }
  Unit& unit = stream.context.unit;
  stream.with_unit = true;
  switch (first.task.work) {
    case Work::kKernel:
      unit.turns.Add(stream);
      Undecided(unit);
      return;
    case Work::kCopyIn:
      unit.in.Add(stream, now_);
      return;
    case Work::kCopyOut:
      unit.out.Add(stream, now_);
      return;
    case Work::kHost:
      stream.with_unit = false;
      if (AtHostTask(stream, first)) {
        Complete(stream);
      }
      return;
    case Work::kNothing:
      Complete(stream);
      return;
  }
}

bool Engine::Parts::AtHostTask(Stream& stream, const Queued& first) {
  if (!stream.begun) {
    stream.begun = now_;
    if (!first.host_done) {
      observer_.OnHost(stream.id, first.task, now_);
    }
  }
  if (!first.host_done) {
    return false;
  }
  if (*first.host_done > now_) {
    events_.Set(stream.timer, *first.host_done);
    return false;
  }
  return true;
}

bool Engine::Parts::MustWait(Stream& stream, const Queued& first) {
  StopWaiting(stream);
  if (first.task.submitted > now_) {
    events_.Set(stream.timer, first.task.submitted);
    return true;
  }
  if (first.task.after &&
      WaitFor(stream, Find(first.task.after->stream), first.task.after->number)) {
    return true;
  }
  const Context& context = stream.context;
  switch (stream.kind) {
    case StreamKind::kBlocking:
      return first.legacy_before > 0 && WaitFor(stream, context.legacy, first.legacy_before);
    case StreamKind::kLegacy:
      return !context.order.MayBegin(first.age);  // the end of an age looks at it again
    case StreamKind::kNonBlocking:
      break;
  }
  return false;
}

bool Engine::Parts::WaitFor(Stream& stream, Stream* other, std::uint64_t number) {
  if (other == nullptr || other == &stream || other->finished >= number) {
    return false;
  }
  stream.waits_on = other;
  stream.waiting_there = other->waiting.emplace(number, &stream);
  return true;
}

void Engine::Parts::StopWaiting(Stream& stream) {
  if (stream.waits_on != nullptr) {
    stream.waits_on->waiting.erase(stream.waiting_there);
    stream.waits_on = nullptr;
  }
}

void Engine::Parts::Complete(Stream& stream) {
  const Queued done = stream.tasks.front();
  const Time begun = stream.begun.value_or(now_);
  stream.tasks.pop_front();
  stream.begun.reset();
  stream.with_unit = false;
  stream.finished = done.task.number;
  observer_.OnDone(stream.id, done.task, begun, now_);
  LookAt(stream);
  if (stream.kind == StreamKind::kBlocking) {
    Stream* legacy = stream.context.legacy;
    if (stream.context.order.Leave(done.age) && legacy != nullptr) {
      LookAt(*legacy);
    }
  }
  while (!stream.waiting.empty() && stream.waiting.begin()->first <= stream.finished) {
    Stream& waiter = *stream.waiting.begin()->second;
    StopWaiting(waiter);
    LookAt(waiter);
  }
}

void Engine::Parts::Forget(Stream& stream) {
  while (!stream.waiting.empty()) {  // for what was never submitted
    Stream& waiter = *stream.waiting.begin()->second;
    StopWaiting(waiter);
    LookAt(waiter);
  }
  Context& context = stream.context;
  streams_.erase(stream.id);
  context.streams.erase(stream.id);
}

}  // namespace tranche::sim::engine
