// How work gets into a stream: one function for launches, copies, fills, host functions, waits on
// values and the launch of a graph.
//
// A task is two things. The driver is told of it, and decides when it is done in the time of the
// node (sim/link/protocol.h). What it does to memory, its effect, is done in this process at the
// moment when it is submitted: the order of submission is one in which the tasks may run, since a
// task waits only for what was submitted before it. Only behind a host function or a wait for a
// value, which end when the program says so, effects queue up: in that stream, in those that wait
// for it, and so on. They are then done before the driver hears that the host function has ended,
// so whoever sees that a task is done finds its effect done.
//
//     Operation fill{.work = link::Work::kFill, .amount = bytes};
//     fill.effect = [=] { … Translate the address now, since it may have been freed … };
//     return Enqueue(stream, fill);
//
// While a stream is being captured, Enqueue hands the operation to sim/cuda/capture.h, which
// makes it a node; an Operation is therefore a value that can be kept and enqueued again, any
// number of times. `node` is for what the graph's own calls want to know of it.
//
// Threading: under the process's lock. What waits lets go of it meanwhile, and whatever was found
// before may be gone afterwards.
// Errors: CUDA's result codes. An effect that fails leaves the context with a sticky error.
#pragma once

#include <cstdint>
#include <memory>

#include "sim/cuda/objects.h"
#include "sim/link/protocol.h"

namespace tranche::sim::cuda {

struct NodeParameters;  // sim/cuda/node.h

struct Operation {
  link::Work work = link::Work::kKernel;
  PendingItem::Kind kind = PendingItem::Kind::kEffect;
  std::uint64_t amount = 0;  // link::Submit::amount
  std::uint32_t name = 0;    // Process::NameId
  bool launch = false;       // counts against the context's queue of link::kQueueLength
  Effect effect;             // none: nothing happens in memory
  std::shared_ptr<const NodeParameters> node;
};

Result Enqueue(StreamObject& stream, const Operation& operation);
// Blocks the caller as a full queue of launches does; Enqueue does so itself.
Result WaitForRoom(StreamObject& stream);

// Events. A record or a wait in a captured stream goes to sim/cuda/capture.h.
Result RecordEvent(StreamObject& stream, EventObject& event);
Result WaitEvent(StreamObject& stream, EventObject& event);
[[nodiscard]] bool IsDone(const EventObject& event);

// Waits until all is done that has been submitted so far. The legacy stream includes the blocking
// streams of its context.
Result Synchronize(StreamObject& stream);
Result Synchronize(ContextObject& context);
Result Synchronize(EventObject& event);
[[nodiscard]] bool IsIdle(StreamObject& stream);

// Called whenever a program has waited for a stream, an event or a context.
using AfterWait = void (*)();
void OnSynchronized(AfterWait function);

// The context has ended: nothing of it is done any more.
void DropWorkOf(const ContextObject& context);
// The driver has given the index of a stream that is gone to a new one.
void TakeOverIndex(std::uint32_t index);

// ---- for sim/cuda/host_thread.cc

// Does what has become possible in all streams.
void Pump();
// Runs the effects of kind kTimed whose tasks are done.
void RunTimed();
// The stream's first pending item, if it is a host function or a poll that the driver has come to.
PendingItem* ReachedHostItem(StreamObject& stream);
// Takes item `number` off, does what waited for it, and then tells the driver.
void FinishHostItem(StreamObject& stream, std::uint64_t number);
// Streams with pending items.
const std::vector<std::shared_ptr<StreamObject>>& StalledStreams();

}  // namespace tranche::sim::cuda
