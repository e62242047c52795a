// CopyEngine does the copies of one unit in one direction, one after the other.
//
// Threading: one thread.
// Errors: none.
#pragma once

#include <deque>

#include "sim/engine/event_queue.h"
#include "sim/engine/stream.h"

namespace tranche::sim::engine {

class CopyEngine {
 public:
  explicit CopyEngine(EventQueue& events) : events_(events), timer_(this) {}

  // The first task of `stream` is a copy that may begin.
  void Add(Stream& stream, Time now);
  Stream& OnDue(Time now);  // the stream whose copy has ended
  void Remove(const Context& context, Time now);

 private:
  void Begin(Time now);

  EventQueue& events_;
  Timer timer_;
  std::deque<Stream*> queue_;  // the first one copies
};

}  // namespace tranche::sim::engine
