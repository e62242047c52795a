// Streams as programs see them, and the host functions that they run.
#include "sim/cuda/capture.h"
#include "sim/cuda/declarations.h"
#include "sim/cuda/library.h"
#include "sim/cuda/node.h"
#include "sim/cuda/streams.h"
#include "sim/cuda/work.h"

namespace tranche::sim::cuda {
namespace {

Result Create(const char* name, Stream* stream, unsigned flags, int priority) {
  if (stream == nullptr || (flags & ~unsigned{kStreamNonBlocking}) != 0) return kInvalidValue;
  return ContextCall(name, [&](ContextObject& context) {
    std::shared_ptr<StreamObject> made;
    // A priority beyond the range is the end of the range.
    const int held = std::max(kGreatestPriority, std::min(kLeastPriority, priority));
    const StreamKind kind =
        flags == kStreamNonBlocking ? StreamKind::kNonBlocking : StreamKind::kBlocking;
    const Result result = MakeStream(context, kind, held, &made);
    if (result == kSuccess) *stream = made->handle;
    return result;
  });
}

Result Destroy(const char* name, Stream stream) {
  if (stream == nullptr) return kInvalidHandle;
  if (reinterpret_cast<std::uintptr_t>(stream) <= kStreamPerThread) {
    return InitCall(name, [](Process& /*process*/) { return kInvalidHandle; });
  }
  return Call(name, [&](Process& process) -> Result {
    std::shared_ptr<StreamObject> found;
    const Result result = process.FindStream(stream, false, &found);
    if (result == kSuccess) EndStream(*found);
    return result;
  });
}

Result GetPriority(const Entry& entry, Stream stream, int* priority) {
  if (priority == nullptr) return kInvalidValue;
  return StreamCall(entry, stream, [&](const StreamObject& found) {
    *priority = found.priority;
    return kSuccess;
  });
}

Result GetFlags(const Entry& entry, Stream stream, unsigned* flags) {
  if (flags == nullptr) return kInvalidValue;
  return StreamCall(entry, stream, [&](const StreamObject& found) {
    *flags = found.kind == StreamKind::kNonBlocking ? kStreamNonBlocking : kStreamDefault;
    return kSuccess;
  });
}

Result GetId(const Entry& entry, Stream stream, unsigned long long* stream_id) {
  if (stream_id == nullptr) return kInvalidValue;
  return StreamCall(entry, stream, [&](const StreamObject& found) {
    *stream_id = found.id;
    return kSuccess;
  });
}

Result GetContext(const Entry& entry, Stream stream, Context* context) {
  if (context == nullptr) return kInvalidValue;
  return StreamCall(entry, stream, [&](const StreamObject& found) {
    *context = found.context->handle;
    return kSuccess;
  });
}

Result Query(const Entry& entry, Stream stream) {
  return StreamCall(entry, stream, [](StreamObject& found) {
    if (const Result allowed = AllowsWait(found); allowed != kSuccess) return allowed;
    return IsIdle(found) ? kSuccess : kNotReady;
  });
}

Result SynchronizeStream(const Entry& entry, Stream stream) {
  return StreamCall(entry, stream, [](StreamObject& found) {
    if (const Result allowed = AllowsWait(found); allowed != kSuccess) return allowed;
    return Synchronize(found);
  });
}

// These two look at their arguments also where cuInit has failed, and not where it was never
// called.
bool Attempted() {
  const Process& process = Process::Get();
  return process.phase() != Phase::kNever && !process.forked();
}

Result LaunchHost(const Entry& entry, Stream stream, HostFunction function, void* data) {
  if (function == nullptr && stream == nullptr && Attempted()) return kInvalidValue;
  return StreamCall(entry, stream, [&](StreamObject& found) {
    if (function == nullptr) return kInvalidValue;
    Operation call{.work = link::Work::kHost, .kind = PendingItem::Kind::kHost};
    call.effect = [function, data] {
      function(data);
      return kSuccess;
    };
    if (found.capture != nullptr) {
      auto node = std::make_shared<NodeParameters>();
      node->type = kNodeHost;
      node->host.function = function;
      node->host.data = data;
      call.node = std::move(node);
    }
    return Enqueue(found, call);
  });
}

Result AddCallback(const Entry& entry, Stream stream, StreamCallback callback, void* data,
                   unsigned flags) {
  if ((callback == nullptr || flags != 0) && Attempted()) return kInvalidValue;
  return StreamCall(entry, stream, [&](StreamObject& found) {
    if (found.capture != nullptr) return kStreamCaptureUnsupported;
    Operation call{.work = link::Work::kHost, .kind = PendingItem::Kind::kHost};
    call.effect = [callback, stream, data] {
      callback(stream, kSuccess, data);
      return kSuccess;
    };
    return Enqueue(found, call);
  });
}

Result Attach(const Entry& entry, Stream stream, DevicePtr dptr, unsigned flags) {
  return StreamCall(entry, stream, [&](const StreamObject& /*found*/) {
    const Allocation* allocation = Process::Get().memory().Find(dptr);
    if (allocation == nullptr || allocation->kind != Allocation::Kind::kManaged) {
      return kInvalidValue;
    }
    return flags == kAttachGlobal || flags == kAttachHost || flags == kAttachSingle ? kSuccess
                                                                                    : kInvalidValue;
  });
}

}  // namespace

// NOLINTBEGIN(readability-identifier-naming): the names are NVIDIA's.

extern "C" Result cuStreamCreate(Stream* stream, unsigned flags) {
  return Create("cuStreamCreate", stream, flags, kLeastPriority);
}
extern "C" Result cuStreamCreateWithPriority(Stream* stream, unsigned flags, int priority) {
  return Create("cuStreamCreateWithPriority", stream, flags, priority);
}
extern "C" Result cuStreamDestroy(Stream stream) { return Destroy("cuStreamDestroy", stream); }
extern "C" Result cuStreamDestroy_v2(Stream stream) {
  return Destroy("cuStreamDestroy_v2", stream);
}

TRANCHE_CUDA_EXPORT_TWICE(cuStreamGetPriority, cuStreamGetPriority_ptsz, GetPriority,
                          (Stream stream, int* priority), stream, priority)
TRANCHE_CUDA_EXPORT_TWICE(cuStreamGetFlags, cuStreamGetFlags_ptsz, GetFlags,
                          (Stream stream, unsigned* flags), stream, flags)
TRANCHE_CUDA_EXPORT_TWICE(cuStreamGetId, cuStreamGetId_ptsz, GetId,
                          (Stream stream, unsigned long long* stream_id), stream, stream_id)
TRANCHE_CUDA_EXPORT_TWICE(cuStreamGetCtx, cuStreamGetCtx_ptsz, GetContext,
                          (Stream stream, Context* context), stream, context)
TRANCHE_CUDA_EXPORT_TWICE(cuStreamQuery, cuStreamQuery_ptsz, Query, (Stream stream), stream)
TRANCHE_CUDA_EXPORT_TWICE(cuStreamSynchronize, cuStreamSynchronize_ptsz, SynchronizeStream,
                          (Stream stream), stream)
TRANCHE_CUDA_EXPORT_TWICE(cuLaunchHostFunc, cuLaunchHostFunc_ptsz, LaunchHost,
                          (Stream stream, HostFunction fn, void* user_data), stream, fn, user_data)
TRANCHE_CUDA_EXPORT_TWICE(cuStreamAddCallback, cuStreamAddCallback_ptsz, AddCallback,
                          (Stream stream, StreamCallback callback, void* user_data, unsigned flags),
                          stream, callback, user_data, flags)
TRANCHE_CUDA_EXPORT_TWICE(cuStreamAttachMemAsync, cuStreamAttachMemAsync_ptsz, Attach,
                          (Stream stream, DevicePtr dptr, std::size_t /*length*/, unsigned flags),
                          stream, dptr, flags)

// NOLINTEND(readability-identifier-naming)

}  // namespace tranche::sim::cuda
