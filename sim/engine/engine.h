// Engine is what the hardware of a simulated node does with the work it is given, in virtual time:
// which context computes when, what is copied meanwhile, and when each piece of work is done.
//
// A unit is a GPU, or a GPU instance of one that MIG has cut. A unit computes for one context at a
// time. Contexts that have work ready take turns of Hardware::slice, round robin, and a kernel is
// interrupted at the end of a turn; whenever another context than the last one begins to compute,
// the unit first loses Hardware::switch_cost. A context alone has no turns. Copies from and to the
// host go over copy engines of their own, one for each direction, in the order in which they
// became ready, and do not wait for turns.
//
// A stream does its tasks in order, one at a time; kernels of different streams of one context
// compute one after the other, in the order in which they became ready. A task may wait for a task
// of any other stream, on another unit too. The legacy stream of a context waits for all that was
// submitted to its blocking streams before, and they for it, as CUDA's default stream does.
//
// Nothing here knows of clocks, processes or memory. The same calls give the same times.
//
// Threading: one thread.
// Errors: none. Ids that are unknown or gone are ignored: a client may always be late.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

namespace tranche::sim::engine {

using Time = std::int64_t;  // nanoseconds of the driver's virtual time
using UnitId = std::uint32_t;
using ContextId = std::uint32_t;
using StreamId = std::uint32_t;

struct Hardware {
  Time slice = 1'024'000;
  Time switch_cost = 50'000;
};

enum class Work : std::uint8_t {
  kKernel,   // computes for `length`
  kCopyIn,   // to the device: occupies that copy engine for `length`
  kCopyOut,  // from the device
  kNothing,  // takes no time: a marker, or a wait for another stream
  kHost,     // waits until HostDone is called for it
};

enum class StreamKind : std::uint8_t { kBlocking, kNonBlocking, kLegacy };

struct Point {  // a task of a stream
  StreamId stream = 0;
  std::uint64_t number = 0;
};

struct Task {
  Work work = Work::kNothing;
  std::uint64_t number = 0;    // from 1, rises within a stream; another is ignored
  Time submitted = 0;          // not begun before; a time that has passed means now
  Time length = 0;             // of computing or copying, alone on the unit
  std::optional<Point> after;  // not begun before this one is done, or its stream gone
  std::uint64_t tag = 0;       // the caller's own
};

// Is told what happens, in order of time, while the engine advances, and what the context computed
// until now while it is removed. Must not call the engine.
class Observer {
 public:
  virtual ~Observer() = default;
  // `begun` is when it first computed or copied, or when a host task was reached; equal to `ended`
  // for what takes no time.
  virtual void OnDone(StreamId stream, const Task& task, Time begun, Time ended) = 0;
  // A host task is at the head of its stream, and nothing that it waits for is left. Of one that
  // HostDone was called for already nothing is told but that it is done.
  virtual void OnHost(StreamId stream, const Task& task, Time at) = 0;
  // `context` computed without a break from `begun` to `ended`. Told at the latest when another
  // context begins, when it runs out of work, at the end of its turn, or when ReportComputed is
  // called.
  virtual void OnComputed(UnitId unit, ContextId context, Time begun, Time ended) = 0;
  // The unit was occupied by changing from one context to another; `to` may be gone by then.
  virtual void OnSwitched(UnitId unit, ContextId to, Time begun, Time ended) = 0;
};

class Engine {
 public:
  explicit Engine(Observer& observer);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // No id is used twice.
  UnitId AddUnit(const Hardware& hardware);
  void RemoveUnit(UnitId unit);  // and all its contexts
  ContextId AddContext(UnitId unit);
  StreamId AddStream(ContextId context, StreamKind kind);  // a context has one legacy stream
  // All that is queued is dropped at once, what computes is ended, and nobody waits for it longer.
  void RemoveContext(ContextId context);
  // What was submitted to it is still done. The legacy stream goes with its context only.
  void RemoveStream(StreamId stream);

  void Submit(StreamId stream, const Task& task);
  // The program has done what a host task stands for. `at` that has passed means now. May come
  // before the task is reached.
  void HostDone(StreamId stream, std::uint64_t number, Time at);

  [[nodiscard]] Time now() const;
  // When something will happen next if nothing is submitted; none while all is quiet.
  [[nodiscard]] std::optional<Time> NextEvent() const;
  void AdvanceTo(Time time);  // does all that is due until then, `time` included
  // Calls OnComputed for all that computes, up to now: a context alone has no turns that end.
  void ReportComputed();

  // Tasks submitted and not done.
  [[nodiscard]] std::size_t Pending(StreamId stream) const;

 private:
  class Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace tranche::sim::engine
