// Turns is how the contexts of one unit come to compute: one after the other, each for a slice.
//
// A turn is counted in time computed. A context that is alone when its turn is over begins a new
// one at once; a newcomer waits for the end of that. A context that ran out of work goes on with
// what is left of its turn if nobody has computed meanwhile.
//
// Threading: one thread.
// Errors: none.
#pragma once

#include <map>

#include "sim/engine/event_queue.h"
#include "sim/engine/stream.h"

namespace tranche::sim::engine {

class Turns {
 public:
  Turns(UnitId unit, const Hardware& hardware, EventQueue& events, Observer& observer);

  [[nodiscard]] UnitId unit() const { return unit_; }

  // The first task of `stream` is a kernel that may compute.
  void Add(Stream& stream);
  // What was set for now: the stream whose kernel has ended, if one has.
  Stream* OnDue(Time now);
  // Gives the unit to whom it belongs. To be called when all is known that happens now, after
  // Add, OnDue and Remove.
  void Decide(Time now);
  void Remove(Context& context, Time now);
  void Stop() { events_.Cancel(timer_); }  // all contexts are removed; nothing comes any more
  void ReportComputed(Time now);           // what has been computed up to now

 private:
  void Progress(Time now);  // counts what has been computed since the last time
  void End(Time now);       // of a span of computing
  Context* After(ContextId context);
  void Compute(Time now);

  const UnitId unit_;
  const Hardware hardware_;
  EventQueue& events_;
  Observer& observer_;
  Timer timer_;

  std::map<ContextId, Context*> ready_;
  Context* current_ = nullptr;  // whose turn it is, also if it has nothing to do now
  ContextId place_ = 0;         // its id, also when it is gone
  ContextId last_ = 0;          // whose state the unit holds; 0: nobody's
  Time left_ = 0;               // of the turn
  bool switching_ = false;
  bool computing_ = false;
  Time counted_ = 0;  // until when `left_` and the kernel's are counted, while computing
  Time since_ = 0;    // when the span of computing, or of switching, began
};

}  // namespace tranche::sim::engine
