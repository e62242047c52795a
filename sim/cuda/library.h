// Process is what the simulated libcuda.so.1 knows in one process: whether it is initialised, its
// devices, the objects behind its handles, its memory and its line to the driver. There is one for
// life; it is never destroyed, since clients call in late, from their own exit handlers.
//
// Every exported function is one call of a frame below, which checks in the real library's order
// and then runs the body with the lock held:
//   Call         whatever the state: only a fault that the node's state asks for is answered
//   InitCall     kNotInitialized before cuInit, after a failed one, and in the child of a fork
//   ContextCall  the same, and the calling thread has a context that is alive and has no error
//   StreamCall   a stream, which may be the calling thread's default one
//
//     extern "C" Result cuCtxGetDevice(Device* device) {
//       return ContextCall("cuCtxGetDevice", [&](ContextObject& context) {
//         if (device == nullptr) return kInvalidValue;
//         *device = context.device->ordinal;
//         return kSuccess;
//       });
//     }
//
// What the real library checks before it looks whether it is initialised (a null pointer, mostly)
// is checked before the frame. A body that waits does so through sim/cuda/work.h, which lets go of
// the lock meanwhile.
//
// Threading: safe on any thread; one lock for all. In the child of a fork every call answers at
// once, without the lock, which a thread of the parent may have held.
// Errors: CUDA's result codes.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "sim/cuda/abi.h"
#include "sim/cuda/connection.h"
#include "sim/cuda/memory.h"
#include "sim/cuda/objects.h"
#include "sim/node/state_reader.h"
#include "sim/node/trouble.h"

namespace tranche::sim::cuda {

enum class Phase : std::uint8_t { kNever, kFailed, kReady };  // of cuInit

class Process {
 public:
  static Process& Get();

  Result Init();
  [[nodiscard]] Phase phase() const { return phase_.load(std::memory_order_acquire); }
  // In the child of a process that had called cuInit: CUDA cannot be used there.
  [[nodiscard]] bool forked() const { return forked_.load(std::memory_order_acquire); }

  std::mutex& mutex() { return mutex_; }
  // Waits out or answers what the node's state says goes wrong with `call`; kSuccess: nothing does.
  // Called without the lock.
  Result TroubleOf(const char* call);
  // The GPU that faults of this thread's calls are about: that of its current context.
  static unsigned& SlotOfThread();
  [[nodiscard]] const StateReader* reader();  // the node's state; nullptr where there is none
  [[nodiscard]] int DriverVersion();          // of the node: 12040; 0 where there is none

  // ---- all that follows: with the lock held

  // Connects where that has not been done. Everything that needs the driver asks for this first.
  Result Connect();
  Connection& connection() { return connection_; }
  Memory& memory() { return memory_; }

  std::vector<std::unique_ptr<DeviceObject>>& devices() { return devices_; }
  Result FindDevice(Device ordinal, DeviceObject** device);  // kInvalidDevice

  Table<Context, ContextObject>& contexts() { return contexts_; }
  Table<Stream, StreamObject>& streams() { return streams_; }
  Table<Event, EventObject>& events() { return events_; }

  // The calling thread's stack of contexts, the current one last. They may be gone.
  static std::vector<Context>& CurrentStack();
  // The current context: kInvalidContext where there is none, kContextIsDestroyed where it is gone.
  Result CurrentContext(std::shared_ptr<ContextObject>* context);
  // Its sticky error, or its device's.
  Result ErrorOf(ContextObject& context);
  // From now on that is its sticky error, where it has none; the driver drops its work.
  void Break(ContextObject& context, Result error);
  // The stream that a handle means for the calling thread. `per_thread`: which default stream a
  // null handle is.
  Result FindStream(Stream handle, bool per_thread, std::shared_ptr<StreamObject>* stream);

  // A mark of the page that no event has, with the generation that was written there last.
  Result TakeMark(EventObject* event);
  void GiveMarkBack(const EventObject& event);
  // The number by which the driver's log knows a kernel's name; it is told once.
  std::uint32_t NameId(const std::string& name);
  // Says in the driver's log that something was asked for that the simulation does not have.
  void TellMissing(const char* what);

 private:
  Process();
  void AfterForkInChild();

  std::mutex mutex_;
  std::atomic<Phase> phase_ = Phase::kNever;
  std::atomic<bool> forked_ = false;
  std::mutex reader_mutex_;
  std::atomic<StateReader*> reader_ = nullptr;  // never closed
  std::string state_file_;
  std::unique_ptr<Trouble> trouble_;  // with the reader
  Connection connection_;
  Memory memory_;
  std::vector<std::unique_ptr<DeviceObject>> devices_;
  Table<Context, ContextObject> contexts_;
  Table<Stream, StreamObject> streams_;
  Table<Event, EventObject> events_;
  std::vector<std::pair<std::uint32_t, std::uint64_t>> free_marks_;
  std::uint32_t marks_made_ = 0;
  std::unordered_map<std::string, std::uint32_t> names_;
};

// What a function was called as: for its faults, and for which stream a null handle means.
struct Entry {
  const char* name;
  bool per_thread = false;
};

// True on a thread that runs a host function of a stream: CUDA answers kNotPermitted there.
bool& InHostFunction();

template <typename Body>
Result Call(const char* name, Body body) {
  Process& process = Process::Get();
  if (process.forked()) return kNotInitialized;
  if (InHostFunction()) return kNotPermitted;
  if (const Result trouble = process.TroubleOf(name); trouble != kSuccess) return trouble;
  const std::scoped_lock lock(process.mutex());
  return body(process);
}

template <typename Body>
Result InitCall(const char* name, Body body) {
  return Call(name, [&](Process& process) {
    return process.phase() == Phase::kReady ? static_cast<Result>(body(process)) : kNotInitialized;
  });
}

// While it lives, faults of this thread's calls are about the GPU of `ordinal`, if there is one.
class AboutDevice {
 public:
  explicit AboutDevice(Device ordinal) : before_(Process::SlotOfThread()) {
    Process& process = Process::Get();
    DeviceObject* device = nullptr;  // the list does not change once cuInit has made it
    if (process.phase() == Phase::kReady && process.FindDevice(ordinal, &device) == kSuccess) {
      Process::SlotOfThread() = device->slot;
    }
  }
  ~AboutDevice() { Process::SlotOfThread() = before_; }
  AboutDevice(const AboutDevice&) = delete;
  AboutDevice& operator=(const AboutDevice&) = delete;

 private:
  unsigned before_;
};

// body(device) for a device that there is.
template <typename Body>
Result DeviceCall(const char* name, Device ordinal, Body body) {
  const AboutDevice about(ordinal);
  return InitCall(name, [&](Process& process) -> Result {
    DeviceObject* device = nullptr;
    const Result found = process.FindDevice(ordinal, &device);
    return found == kSuccess ? body(*device) : found;
  });
}

template <typename Body>
Result ContextCall(const char* name, Body body) {
  return InitCall(name, [&](Process& process) -> Result {
    std::shared_ptr<ContextObject> context;
    Result result = process.CurrentContext(&context);
    if (result == kSuccess) result = process.ErrorOf(*context);
    return result == kSuccess ? body(*context) : result;
  });
}

// body(stream) for a stream that there is, whose context has no error.
template <typename Body>
Result StreamCall(const Entry& entry, Stream handle, Body body) {
  return Call(entry.name, [&](Process& process) -> Result {
    std::shared_ptr<StreamObject> stream;
    Result result = process.FindStream(handle, entry.per_thread, &stream);
    if (result == kSuccess) result = process.ErrorOf(*stream->context);
    return result == kSuccess ? body(*stream) : result;
  });
}

// Exports an implementation `Result Function(const Entry&, …)` under both of its names.
#define TRANCHE_CUDA_EXPORT_TWICE(name, per_thread_name, function, parameters, ...) \
  extern "C" Result name parameters {                                               \
    return function(Entry{#name, false} __VA_OPT__(, ) __VA_ARGS__);                \
  }                                                                                 \
  extern "C" Result per_thread_name parameters {                                    \
    return function(Entry{#per_thread_name, true} __VA_OPT__(, ) __VA_ARGS__);      \
  }

}  // namespace tranche::sim::cuda
