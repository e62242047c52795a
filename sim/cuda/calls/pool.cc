// Stream-ordered memory: allocations and frees at their place in a stream, and pools.
#include "sim/cuda/forms/pool.h"

#include <utility>

#include "sim/cuda/capture.h"
#include "sim/cuda/declarations.h"
#include "sim/cuda/graph/memory.h"
#include "sim/cuda/library.h"
#include "sim/cuda/node.h"
#include "sim/cuda/work.h"

namespace tranche::sim::cuda {
namespace {

// A task that takes no time and marks where in the stream something happened to memory.
Operation Marker() { return {.work = link::Work::kAfter}; }

Result AllocateCaptured(StreamObject& stream, DevicePtr* dptr, std::size_t bytes) {
  auto node = std::make_shared<NodeParameters>();
  const Result made = MakeGraphAllocation(*stream.context, bytes, &node->memory);
  if (made != kSuccess) return made;
  node->type = kNodeMemAlloc;
  node->alloc.pool.allocation_type = kAllocationPinned;
  node->alloc.pool.location = {kLocationDevice, stream.context->device->ordinal};
  node->alloc.bytes = bytes;
  node->alloc.pointer = node->memory->base();
  *dptr = node->memory->base();
  Operation operation = Marker();
  operation.node = std::move(node);
  return Enqueue(stream, operation);
}

Result AllocateFrom(StreamObject& stream, PoolObject& pool, DevicePtr* dptr, std::size_t bytes) {
  if (stream.capture != nullptr) return AllocateCaptured(stream, dptr, bytes);
  if (const Result allowed = AllowsWork(stream); allowed != kSuccess) return allowed;
  DevicePtr made = 0;
  Result result = pool.Allocate(bytes, &made);
  if (result != kSuccess) return result;
  result = Enqueue(stream, Marker());
  if (result == kSuccess) {
    *dptr = made;
  } else {
    pool.Free(made);
  }
  return result;
}

Result AllocateAsync(const Entry& entry, DevicePtr* dptr, std::size_t bytes, Stream stream) {
  return StreamCall(entry, stream, [&](StreamObject& found) -> Result {
    if (dptr == nullptr || bytes == 0) return kInvalidValue;
    return AllocateFrom(found, *CurrentPool(*found.context->device), dptr, bytes);
  });
}

Result AllocateFromPool(const Entry& entry, DevicePtr* dptr, std::size_t bytes, MemoryPool pool,
                        Stream stream) {
  return StreamCall(entry, stream, [&](StreamObject& found) -> Result {
    PoolObject* from = Pools().Find(pool);
    if (dptr == nullptr || bytes == 0 || from == nullptr || from->ended) return kInvalidValue;
    return AllocateFrom(found, *from, dptr, bytes);
  });
}

Result FreeAsync(const Entry& entry, DevicePtr dptr, Stream stream) {
  return StreamCall(entry, stream, [&](StreamObject& found) {
    const Allocation* given = Process::Get().memory().Find(dptr);
    if (given == nullptr || given->base != dptr) return kInvalidValue;
    Operation operation = Marker();
    if (found.capture != nullptr) {
      auto node = std::make_shared<NodeParameters>();
      node->type = kNodeMemFree;
      node->freed = dptr;
      operation.node = std::move(node);
      return Enqueue(found, operation);
    }
    if (given->kind == Allocation::Kind::kGraph) {
      GraphAllocation* of_graph = FindGraphAllocation(dptr);
      if (of_graph == nullptr || !of_graph->in_use()) return kInvalidValue;
      operation.effect = [dptr, stream = found.weak_from_this()] {
        GraphAllocation* still = FindGraphAllocation(dptr);
        if (still != nullptr) still->Free(stream.lock().get());
        return kSuccess;
      };
    } else if (given->kind == Allocation::Kind::kPlain) {
      operation.effect = [dptr, id = given->id] {
        const Allocation* still = Process::Get().memory().Find(dptr);
        const bool same = still != nullptr && still->base == dptr && still->id == id;
        return same ? FreeDevice(*still) : kSuccess;
      };
    } else if (given->kind == Allocation::Kind::kPool) {
      operation.effect = [dptr, pool = given->pool] {
        FreePooled(pool, dptr);
        return kSuccess;
      };
    } else {
      return kInvalidValue;
    }
    return Enqueue(found, operation);
  });
}

template <typename Body>
Result PoolCall(const char* name, MemoryPool handle, Body body) {
  return InitCall(name, [&](Process& /*process*/) -> Result {
    const auto pool = Pools().Share(handle);
    if (pool == nullptr || pool->ended) return kInvalidValue;
    return static_cast<Result>(body(*pool));
  });
}

}  // namespace

// NOLINTBEGIN(readability-identifier-naming): the names are NVIDIA's.

TRANCHE_CUDA_EXPORT_TWICE(cuMemAllocAsync, cuMemAllocAsync_ptsz, AllocateAsync,
                          (DevicePtr * dptr, std::size_t bytesize, Stream stream), dptr, bytesize,
                          stream)
TRANCHE_CUDA_EXPORT_TWICE(cuMemAllocFromPoolAsync, cuMemAllocFromPoolAsync_ptsz, AllocateFromPool,
                          (DevicePtr * dptr, std::size_t bytesize, MemoryPool pool, Stream stream),
                          dptr, bytesize, pool, stream)
TRANCHE_CUDA_EXPORT_TWICE(cuMemFreeAsync, cuMemFreeAsync_ptsz, FreeAsync,
                          (DevicePtr dptr, Stream stream), dptr, stream)

extern "C" {

Result cuDeviceGetDefaultMemPool(MemoryPool* pool_out, Device device) {
  return DeviceCall("cuDeviceGetDefaultMemPool", device, [&](DeviceObject& found) {
    if (pool_out == nullptr) return kInvalidValue;
    *pool_out = DefaultPool(found)->handle;
    return kSuccess;
  });
}
Result cuDeviceGetMemPool(MemoryPool* pool, Device device) {
  return DeviceCall("cuDeviceGetMemPool", device, [&](DeviceObject& found) {
    if (pool == nullptr) return kInvalidValue;
    *pool = CurrentPool(found)->handle;
    return kSuccess;
  });
}
Result cuDeviceSetMemPool(Device device, MemoryPool pool) {
  return DeviceCall("cuDeviceSetMemPool", device, [&](DeviceObject& found) {
    auto chosen = Pools().Share(pool);
    if (chosen == nullptr || chosen->ended || chosen->imported()) return kInvalidValue;
    if (&chosen->device() != &found) return kInvalidValue;
    CurrentPool(found) = std::move(chosen);
    return kSuccess;
  });
}

Result cuMemPoolCreate(MemoryPool* pool, const PoolProperties* pool_props) {
  return InitCall("cuMemPoolCreate", [&](Process& process) {
    if (pool == nullptr || pool_props == nullptr ||
        pool_props->allocation_type != kAllocationPinned ||
        pool_props->location.type != kLocationDevice) {
      return kInvalidValue;
    }
    if ((pool_props->handle_types & ~kHandlePosixFileDescriptor) != 0) return kNotSupported;
    DeviceObject* device = nullptr;
    const Result found = process.FindDevice(pool_props->location.id, &device);
    if (found != kSuccess) return found;
    auto made = std::make_shared<PoolObject>(*device, *pool_props);
    made->handle = Pools().Add(made);
    *pool = made->handle;
    return kSuccess;
  });
}
Result cuMemPoolDestroy(MemoryPool pool) {
  return PoolCall("cuMemPoolDestroy", pool, [&](PoolObject& found) {
    if (DefaultPool(*Process::Get().devices()[static_cast<std::size_t>(found.device().ordinal)])
            .get() == &found) {
      return kInvalidValue;
    }
    // What is still in use stays so until it is freed; nothing else can be done with the pool.
    found.ended = true;
    found.TrimTo(0);
    if (!found.in_use()) Pools().Remove(pool);
    return kSuccess;
  });
}
Result cuMemPoolTrimTo(MemoryPool pool, std::size_t min_bytes_to_keep) {
  return PoolCall("cuMemPoolTrimTo", pool, [&](PoolObject& found) {
    found.TrimTo(min_bytes_to_keep);
    return kSuccess;
  });
}
Result cuMemPoolGetAttribute(MemoryPool pool, PoolAttribute attr, void* value) {
  return PoolCall("cuMemPoolGetAttribute", pool, [&](const PoolObject& found) {
    return value == nullptr ? kInvalidValue : found.Get(attr, value);
  });
}
Result cuMemPoolSetAttribute(MemoryPool pool, PoolAttribute attr, void* value) {
  return PoolCall("cuMemPoolSetAttribute", pool, [&](PoolObject& found) {
    return value == nullptr ? kInvalidValue : found.Set(attr, value);
  });
}

// Which devices may use a pool's memory is answered, and not enforced.
Result cuMemPoolSetAccess(MemoryPool pool, const AccessDescriptor* map, std::size_t count) {
  return PoolCall("cuMemPoolSetAccess", pool, [&](const PoolObject& found) {
    for (std::size_t i = 0; i < count; ++i) {
      DeviceObject* device = nullptr;
      if (map == nullptr || map[i].location.type != kLocationDevice) return kInvalidValue;
      const Result there = Process::Get().FindDevice(map[i].location.id, &device);
      if (there != kSuccess) return there;
      // The pool's own device cannot be shut out.
      if (device == &found.device() && map[i].flags == kAccessNone) return kInvalidValue;
    }
    return kSuccess;
  });
}
Result cuMemPoolGetAccess(AccessFlag* flags, MemoryPool mem_pool, Location* location) {
  return PoolCall("cuMemPoolGetAccess", mem_pool, [&](const PoolObject& found) {
    if (flags == nullptr || location == nullptr || location->type != kLocationDevice) {
      return kInvalidValue;
    }
    *flags = location->id == found.device().ordinal ? kAccessReadWrite : kAccessNone;
    return kSuccess;
  });
}

}  // extern "C"
// NOLINTEND(readability-identifier-naming)

}  // namespace tranche::sim::cuda
