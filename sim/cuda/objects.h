// The objects behind the handles of a process: devices, contexts, streams and events; and Table,
// which finds an object by its handle.
//
// A handle is a number that looks like a pointer and is never one, and none is given out twice in a
// process: a wrong handle, or one of something that is gone, is not found, whatever it is. The
// primary context of a device keeps its handle for life, as the real one's does.
//
// Threading: under the process's lock (sim/cuda/library.h). A function that lets go of the lock
// while it waits keeps what it needs by shared_ptr, and looks at `alive` afterwards.
// Errors: Find gives nullptr.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "sim/cuda/abi.h"
#include "sim/link/protocol.h"
#include "sim/node/state.h"

namespace tranche::sim::cuda {

struct CaptureSession;  // sim/cuda/graph/capture.h
class HostThread;       // sim/cuda/host_thread.h
struct ContextObject;
struct StreamObject;

std::uintptr_t NewHandle();  // never the same twice; under the process's lock

template <typename Handle, typename Object>
class Table {
 public:
  // Gives the object a handle of its own.
  Handle Add(std::shared_ptr<Object> object) {
    // NOLINTNEXTLINE(performance-no-int-to-ptr): it is a number, which nobody follows
    const auto handle = reinterpret_cast<Handle>(NewHandle());
    objects_.emplace(handle, std::move(object));
    return handle;
  }
  [[nodiscard]] Object* Find(Handle handle) const {
    const auto found = objects_.find(handle);
    return found == objects_.end() ? nullptr : found->second.get();
  }
  [[nodiscard]] std::shared_ptr<Object> Share(Handle handle) const {
    const auto found = objects_.find(handle);
    return found == objects_.end() ? nullptr : found->second;
  }
  std::shared_ptr<Object> Remove(Handle handle) {
    const auto found = objects_.find(handle);
    if (found == objects_.end()) return nullptr;
    auto object = std::move(found->second);
    objects_.erase(found);
    return object;
  }
  [[nodiscard]] auto begin() const { return objects_.begin(); }
  [[nodiscard]] auto end() const { return objects_.end(); }
  [[nodiscard]] std::size_t size() const { return objects_.size(); }

 private:
  std::unordered_map<Handle, std::shared_ptr<Object>> objects_;
};

// What cuInit found; a MIG device is a compute instance and its GPU instance.
struct DeviceObject {
  Device ordinal = 0;
  unsigned slot = 0;
  std::uint32_t gpu_instance = kWholeGpu;
  std::uint32_t compute_instance = kWholeGpu;
  GpuState gpu;  // as cuInit found it
  char uuid[48] = "";
  unsigned multiprocessors = 0;
  std::uint64_t total_memory = 0;
  // The primary context: its object is made with the device and is alive between the first retain
  // and the last release.
  std::shared_ptr<ContextObject> primary;
  unsigned retained = 0;
  unsigned primary_flags = 0;
};

struct ContextObject {
  Context handle = nullptr;
  DeviceObject* device = nullptr;
  bool alive = false;
  bool primary = false;
  unsigned flags = 0;
  unsigned api_version = 3020;
  std::uint64_t id = 0;
  std::uint32_t index = 0;               // the driver's, into link::Page::contexts
  Result error = kSuccess;               // sticky, found by this library; the page has the driver's
  std::uint64_t launched = 0;            // launches submitted, to compare with the page's counter
  unsigned uses = 1;                     // cuCtxAttach and cuCtxDetach
  std::shared_ptr<StreamObject> legacy;  // its default stream, which has no handle
  std::unordered_map<int, Stream> per_thread;  // by thread id
  std::vector<StreamObject*> streams;          // all that are alive, the legacy one included
  // Streams that were destroyed while work was in them: index and number of their last task.
  std::vector<std::pair<std::uint32_t, std::uint64_t>> leaving;
  std::map<Limit, std::size_t> limits;
  CacheConfig cache_config = kCachePreferNone;
  SharedConfig shared_config = kSharedDefaultBankSize;
  std::vector<ContextObject*> peers;                        // whose memory this context may use
  std::array<std::shared_ptr<HostThread>, 2> host_threads;  // by HostThread::Role
};

// What a task does to memory, at its place in the order of its stream. An error becomes the
// context's sticky error.
using Effect = std::function<Result()>;

// A thing that a stream has still to do in this process (sim/cuda/work.h).
struct PendingItem {
  enum class Kind : std::uint8_t {
    kEffect,
    kGate,  // until `other` has nothing pending up to `other_number`
    kHost,  // `effect` is run by the context's host thread once the driver has come to it
    kPoll,  // the same, again and again until it is no longer kNotReady
    kTimed  // `effect` is run once the driver has done the task; the stream goes on meanwhile
  };
  Kind kind = Kind::kEffect;
  std::uint64_t number = 0;
  Effect effect;
  std::shared_ptr<StreamObject> other;
  std::uint64_t other_number = 0;
};

enum class StreamKind : std::uint8_t { kBlocking, kNonBlocking, kLegacy };

struct StreamObject : std::enable_shared_from_this<StreamObject> {
  Stream handle = nullptr;
  std::shared_ptr<ContextObject> context;
  bool alive = true;
  StreamKind kind = StreamKind::kBlocking;
  int priority = 0;
  std::uint64_t id = 0;
  std::uint32_t index = 0;                  // the driver's, into link::Page::streams
  std::uint64_t submitted = 0;              // number of the last task
  std::deque<PendingItem> pending;          // mostly empty: effects are mostly applied at once
  std::shared_ptr<CaptureSession> capture;  // while the stream is being captured
};

struct EventObject {
  Event handle = nullptr;
  std::shared_ptr<ContextObject> context;
  unsigned flags = 0;
  bool recorded = false;
  bool has_mark = false;
  std::uint32_t mark = 0;
  std::uint64_t generation = 0;  // of the last record
  // Where it was recorded last.
  std::weak_ptr<StreamObject> stream;
  std::uint32_t stream_index = 0;
  std::uint64_t number = 0;
  std::weak_ptr<CaptureSession> capture;  // recorded in a captured stream
};

}  // namespace tranche::sim::cuda
