// Events.
#include "sim/cuda/capture.h"
#include "sim/cuda/declarations.h"
#include "sim/cuda/library.h"
#include "sim/cuda/work.h"

namespace tranche::sim::cuda {
namespace {

// What the real library answers about an event that is none: before cuInit it looks into it.
Result NoEvent(const Process& process) {
  return process.phase() == Phase::kReady ? kInvalidHandle : kInvalidContext;
}

// body(event) for an event that there is, whose context has no error.
template <typename Body>
Result EventCall(const char* name, Event handle, Body body) {
  if (handle == nullptr) return kInvalidHandle;
  return Call(name, [&](Process& process) -> Result {
    const auto event = process.events().Share(handle);
    if (event == nullptr) return NoEvent(process);
    const Result error = process.ErrorOf(*event->context);
    return error == kSuccess ? body(*event) : error;
  });
}

Result Destroy(const char* name, Event handle) {
  if (handle == nullptr) return kInvalidHandle;
  return Call(name, [&](Process& process) {
    const auto event = process.events().Remove(handle);
    if (event == nullptr) return NoEvent(process);
    process.GiveMarkBack(*event);
    return kSuccess;
  });
}

Result Record(const Entry& entry, Event handle, Stream stream, unsigned flags) {
  return StreamCall(entry, stream, [&](StreamObject& found) {
    EventObject* event = Process::Get().events().Find(handle);
    if (event == nullptr) return kInvalidHandle;
    if ((flags & ~kEventRecordExternal) != 0) return kInvalidValue;
    if (event->context != found.context) return kInvalidHandle;
    return RecordEvent(found, *event);
  });
}

Result Wait(const Entry& entry, Stream stream, Event handle, unsigned flags) {
  return StreamCall(entry, stream, [&](StreamObject& found) {
    EventObject* event = Process::Get().events().Find(handle);
    if (event == nullptr) return kInvalidHandle;
    if ((flags & ~kEventWaitExternal) != 0) return kInvalidValue;
    return WaitEvent(found, *event);
  });
}

Result ElapsedTime(const char* name, float* milliseconds, Event start, Event end) {
  if (start == nullptr || end == nullptr) return kInvalidHandle;
  return EventCall(name, start, [&](EventObject& first) {
    Process& process = Process::Get();
    EventObject* second = process.events().Find(end);
    if (second == nullptr) return kInvalidHandle;
    if (milliseconds == nullptr) return kInvalidValue;
    if (!first.recorded || !second->recorded || first.context != second->context ||
        ((first.flags | second->flags) & kEventDisableTiming) != 0) {
      return kInvalidHandle;
    }
    for (EventObject* event : {&first, second}) {
      if (const Result allowed = AllowsWait(*event); allowed != kSuccess) return allowed;
      if (!IsDone(*event)) return kNotReady;
    }
    const link::Page& page = process.connection().page();
    const std::int64_t took = page.marks[second->mark].time_ns - page.marks[first.mark].time_ns;
    *milliseconds = static_cast<float>(static_cast<double>(took) / 1e6);
    return kSuccess;
  });
}

Result RecordPlain(const Entry& entry, Event event, Stream stream) {
  return Record(entry, event, stream, 0);
}

}  // namespace

// NOLINTBEGIN(readability-identifier-naming): the names are NVIDIA's.

extern "C" Result cuEventCreate(Event* event, unsigned flags) {
  return ContextCall("cuEventCreate", [&](const ContextObject& context) {
    constexpr unsigned kAll = kEventBlockingSync | kEventDisableTiming | kEventInterprocess;
    if (event == nullptr || (flags & ~kAll) != 0) return kInvalidValue;
    // Between processes there is no time.
    if ((flags & kEventInterprocess) != 0 && (flags & kEventDisableTiming) == 0) {
      return kInvalidValue;
    }
    Process& process = Process::Get();
    auto made = std::make_shared<EventObject>();
    made->context = process.contexts().Share(context.handle);
    made->flags = flags;
    made->handle = process.events().Add(made);
    *event = made->handle;
    return kSuccess;
  });
}
extern "C" Result cuEventDestroy(Event event) { return Destroy("cuEventDestroy", event); }
extern "C" Result cuEventDestroy_v2(Event event) { return Destroy("cuEventDestroy_v2", event); }

extern "C" Result cuEventQuery(Event event) {
  return EventCall("cuEventQuery", event, [](EventObject& found) {
    Result allowed = AllowsWait(found);
    // PyTorch asks of events in the relaxed mode alone, for that reason.
    if (allowed == kSuccess) allowed = AllowsUnsafeCall(Process::Get());
    if (allowed != kSuccess) return allowed;
    const bool done = IsDone(found);
    RunTimed();
    return done ? kSuccess : kNotReady;
  });
}
extern "C" Result cuEventSynchronize(Event event) {
  return EventCall("cuEventSynchronize", event, [](EventObject& found) {
    if (const Result allowed = AllowsWait(found); allowed != kSuccess) return allowed;
    return Synchronize(found);
  });
}

extern "C" Result cuEventElapsedTime(float* milliseconds, Event start, Event end) {
  return ElapsedTime("cuEventElapsedTime", milliseconds, start, end);
}
extern "C" Result cuEventElapsedTime_v2(float* milliseconds, Event start, Event end) {
  return ElapsedTime("cuEventElapsedTime_v2", milliseconds, start, end);
}

TRANCHE_CUDA_EXPORT_TWICE(cuEventRecord, cuEventRecord_ptsz, RecordPlain,
                          (Event event, Stream stream), event, stream)
TRANCHE_CUDA_EXPORT_TWICE(cuEventRecordWithFlags, cuEventRecordWithFlags_ptsz, Record,
                          (Event event, Stream stream, unsigned flags), event, stream, flags)
TRANCHE_CUDA_EXPORT_TWICE(cuStreamWaitEvent, cuStreamWaitEvent_ptsz, Wait,
                          (Stream stream, Event event, unsigned flags), stream, event, flags)

// NOLINTEND(readability-identifier-naming)

}  // namespace tranche::sim::cuda
