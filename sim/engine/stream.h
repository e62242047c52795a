// A stream and a context as the engine keeps them: what is queued, and what the first of it waits
// for.
//
// Threading: plain data.
// Errors: none.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>

#include "sim/engine/engine.h"
#include "sim/engine/event_queue.h"
#include "sim/engine/legacy_order.h"

namespace tranche::sim::engine {

struct Context;
struct Unit;

struct Queued {
  Task task;
  // Of a blocking stream: the last task that the legacy stream had when this was submitted.
  std::uint64_t legacy_before = 0;
  LegacyOrder::Age age = 0;       // of a blocking or legacy stream
  std::optional<Time> host_done;  // of a host task: when its program was done with it
};

struct Stream {
  using Waiting = std::multimap<std::uint64_t, Stream*>;  // by the number that they wait for

  Stream(StreamId stream_id, StreamKind stream_kind, Context& of)
      : id(stream_id), kind(stream_kind), context(of), timer(this) {}

  const StreamId id;
  const StreamKind kind;
  Context& context;
  std::deque<Queued> tasks;
  std::uint64_t last_number = 0;  // submitted
  std::uint64_t finished = 0;
  bool removed = false;  // takes nothing more, and goes when `tasks` is empty

  // Of the first task.
  bool with_unit = false;     // it computes or copies, or may and has its place in the order
  std::optional<Time> begun;  // of a host task: when it was reached
  Time left = 0;              // of computing
  Timer timer;                // for the moment of its submission, or of HostDone
  bool looked = false;        // is in the list of streams to look at

  Waiting waiting;                  // for tasks of this stream
  Stream* waits_on = nullptr;       // this stream for a task of another one …
  Waiting::iterator waiting_there;  // … in its list
};

struct Context {
  Context(ContextId context_id, Unit& of) : id(context_id), unit(of) {}

  const ContextId id;
  Unit& unit;
  std::map<StreamId, std::unique_ptr<Stream>> streams;
  Stream* legacy = nullptr;
  LegacyOrder order;

  std::deque<Stream*> kernels;  // streams whose first task is a kernel that may compute
  bool ready = false;           // has a place among those that take turns
};

}  // namespace tranche::sim::engine
