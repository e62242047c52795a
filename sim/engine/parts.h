// The inside of Engine: streams, contexts and units, and what follows when a task is done.
//
// Threading: one thread.
// Errors: as in engine.h.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "sim/engine/copy_engine.h"
#include "sim/engine/engine.h"
#include "sim/engine/event_queue.h"
#include "sim/engine/stream.h"
#include "sim/engine/turns.h"

namespace tranche::sim::engine {

struct Unit {
  Unit(UnitId id, const Hardware& hardware, EventQueue& events, Observer& observer)
      : turns(id, hardware, events, observer), in(events), out(events) {}

  Turns turns;
  CopyEngine in;
  CopyEngine out;
  std::map<ContextId, std::unique_ptr<Context>> contexts;
  bool undecided = false;  // is in the list of units to decide about
};

class Engine::Parts {
 public:
  explicit Parts(Observer& observer) : observer_(observer) {}

  UnitId AddUnit(const Hardware& hardware);
  void RemoveUnit(UnitId unit);
  ContextId AddContext(UnitId unit);
  StreamId AddStream(ContextId context, StreamKind kind);
  void RemoveContext(ContextId context);
  void RemoveStream(StreamId stream);

  void Submit(StreamId stream, const Task& task);
  void HostDone(StreamId stream, std::uint64_t number, Time at);

  [[nodiscard]] Time now() const { return now_; }
  [[nodiscard]] std::optional<Time> NextEvent() const;
  void AdvanceTo(Time time);
  void ReportComputed();
  [[nodiscard]] std::size_t Pending(StreamId stream) const;

 private:
  [[nodiscard]] Stream* Find(StreamId stream) const;
  // Outside of AdvanceTo, which is when observers are told: looks at `stream` when that begins.
  void LookLater(Stream& stream) { events_.Set(stream.timer, now_); }
  void LookAt(Stream& stream);
  void Undecided(Unit& unit);

  void Handle(Timer& timer);
  // Does what can be done of a stream's first task now; finds out that nothing can as well.
  void Look(Stream& stream);
  bool MustWait(Stream& stream, const Queued& first);
  bool WaitFor(Stream& stream, Stream* other, std::uint64_t number);
  bool AtHostTask(Stream& stream, const Queued& first);  // true: it is done
  void Complete(Stream& stream);
  void StopWaiting(Stream& stream);
  void Forget(Stream& stream);  // a removed one that has nothing left to do

  Observer& observer_;
  Time now_ = 0;
  EventQueue events_;
  std::deque<Stream*> to_look_at_;
  std::vector<Unit*> to_decide_;
  std::map<UnitId, std::unique_ptr<Unit>> units_;
  std::unordered_map<ContextId, Context*> contexts_;
  std::unordered_map<StreamId, Stream*> streams_;
  std::uint32_t last_id_ = 0;  // of units, contexts and streams; none is used twice
};

}  // namespace tranche::sim::engine
