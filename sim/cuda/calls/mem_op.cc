// Words of memory that streams wait for and write: cuStreamWaitValue, cuStreamWriteValue and
// batches of both.
//
// A word is written when the stream has come there, and the stream does not wait for that: another
// process that shares the page sees it within the time that it takes to wake this one. A wait ends
// at the next look at the word, of which there is one about every 50 us.
#include <cstring>

#include "sim/cuda/declarations.h"
#include "sim/cuda/library.h"
#include "sim/cuda/work.h"

namespace tranche::sim::cuda {
namespace {

enum class Width { k32Bits, k64Bits };

std::size_t BytesOf(Width width) { return width == Width::k64Bits ? 8 : 4; }

// The word as this process reaches it: device memory, or host memory that the device can use.
char* Word(DevicePtr address, std::size_t bytes) {
  return Process::Get().memory().Translate(address, bytes);
}

bool Reached(std::uint64_t word, std::uint64_t value, unsigned condition, Width width) {
  const std::uint64_t mask = width == Width::k64Bits ? ~std::uint64_t{0} : 0xFFFFFFFF;
  switch (condition) {
    case kWaitValueGeq:  // cyclic: the difference as a signed number
      return width == Width::k64Bits
                 ? static_cast<std::int64_t>(word - value) >= 0
                 : static_cast<std::int32_t>(static_cast<std::uint32_t>(word - value)) >= 0;
    case kWaitValueEq:
      return ((word ^ value) & mask) == 0;
    case kWaitValueAnd:
      return (word & value & mask) != 0;
    default:
      return (~(word | value) & mask) != 0;
  }
}

std::uint64_t Load(const char* at, Width width) {
  return width == Width::k64Bits
             ? __atomic_load_n(reinterpret_cast<const std::uint64_t*>(at), __ATOMIC_ACQUIRE)
             : __atomic_load_n(reinterpret_cast<const std::uint32_t*>(at), __ATOMIC_ACQUIRE);
}

void Store(char* at, std::uint64_t value, Width width) {
  if (width == Width::k64Bits) {
    __atomic_store_n(reinterpret_cast<std::uint64_t*>(at), value, __ATOMIC_RELEASE);
  } else {
    __atomic_store_n(reinterpret_cast<std::uint32_t*>(at), static_cast<std::uint32_t>(value),
                     __ATOMIC_RELEASE);
  }
}

Result Check(DevicePtr address, Width width) {
  const std::size_t bytes = BytesOf(width);
  return address % bytes == 0 && Word(address, bytes) != nullptr ? kSuccess : kInvalidValue;
}

Result EnqueueWait(StreamObject& stream, DevicePtr address, std::uint64_t value, unsigned flags,
                   Width width) {
  const unsigned condition = flags & ~unsigned{kWaitValueFlush};
  if (condition > kWaitValueNor) return kInvalidValue;
  if (const Result checked = Check(address, width); checked != kSuccess) return checked;
  Operation wait{.work = link::Work::kHost, .kind = PendingItem::Kind::kPoll};
  wait.effect = [=] {
    const char* word = Word(address, BytesOf(width));
    if (word == nullptr) return kIllegalAddress;
    return Reached(Load(word, width), value, condition, width) ? kSuccess : kNotReady;
  };
  return Enqueue(stream, wait);
}

Result EnqueueWrite(StreamObject& stream, DevicePtr address, std::uint64_t value, unsigned flags,
                    Width width) {
  if (flags > 1) return kInvalidValue;  // 1: without a memory barrier
  if (const Result checked = Check(address, width); checked != kSuccess) return checked;
  Operation write{.work = link::Work::kNotify, .kind = PendingItem::Kind::kTimed};
  write.effect = [=] {
    char* word = Word(address, BytesOf(width));
    if (word == nullptr) return kIllegalAddress;
    Store(word, value, width);
    return kSuccess;
  };
  return Enqueue(stream, write);
}

Result Wait32(const Entry& entry, Stream stream, DevicePtr addr, std::uint32_t value,
              unsigned flags) {
  return StreamCall(entry, stream, [&](StreamObject& found) {
    return EnqueueWait(found, addr, value, flags, Width::k32Bits);
  });
}
Result Wait64(const Entry& entry, Stream stream, DevicePtr addr, std::uint64_t value,
              unsigned flags) {
  return StreamCall(entry, stream, [&](StreamObject& found) {
    return EnqueueWait(found, addr, value, flags, Width::k64Bits);
  });
}
Result Write32(const Entry& entry, Stream stream, DevicePtr addr, std::uint32_t value,
               unsigned flags) {
  return StreamCall(entry, stream, [&](StreamObject& found) {
    return EnqueueWrite(found, addr, value, flags, Width::k32Bits);
  });
}
Result Write64(const Entry& entry, Stream stream, DevicePtr addr, std::uint64_t value,
               unsigned flags) {
  return StreamCall(entry, stream, [&](StreamObject& found) {
    return EnqueueWrite(found, addr, value, flags, Width::k64Bits);
  });
}

Result EnqueueOne(StreamObject& stream, const MemOpParams& params) {
  const auto& given = params.value;
  switch (params.operation) {
    case kMemOpWaitValue32:
    case kMemOpWaitValue64:
      return EnqueueWait(stream, given.address, given.value, given.flags,
                         params.operation == kMemOpWaitValue64 ? Width::k64Bits : Width::k32Bits);
    case kMemOpWriteValue32:
    case kMemOpWriteValue64:
      return EnqueueWrite(stream, given.address, given.value, given.flags,
                          params.operation == kMemOpWriteValue64 ? Width::k64Bits : Width::k32Bits);
    case kMemOpFlushRemoteWrites:
    case kMemOpBarrier:
      return kSuccess;
  }
  return kInvalidValue;
}

Result Batch(const Entry& entry, Stream stream, unsigned count, MemOpParams* operations,
             unsigned flags) {
  return StreamCall(entry, stream, [&](StreamObject& found) {
    if (operations == nullptr || count == 0 || count > 256 || flags != 0) return kInvalidValue;
    for (unsigned i = 0; i < count; ++i) {
      const Result result = EnqueueOne(found, operations[i]);
      if (result != kSuccess) return result;
    }
    return kSuccess;
  });
}

}  // namespace

// NOLINTBEGIN(readability-identifier-naming): the names are NVIDIA's.

#define TRANCHE_CUDA_VALUE(name, function, type)                                                 \
  TRANCHE_CUDA_EXPORT_TWICE(name, name##_ptsz, function,                                         \
                            (Stream stream, DevicePtr addr, type value, unsigned flags), stream, \
                            addr, value, flags)
TRANCHE_CUDA_VALUE(cuStreamWaitValue32, Wait32, std::uint32_t)
TRANCHE_CUDA_VALUE(cuStreamWaitValue32_v2, Wait32, std::uint32_t)
TRANCHE_CUDA_VALUE(cuStreamWaitValue64, Wait64, std::uint64_t)
TRANCHE_CUDA_VALUE(cuStreamWaitValue64_v2, Wait64, std::uint64_t)
TRANCHE_CUDA_VALUE(cuStreamWriteValue32, Write32, std::uint32_t)
TRANCHE_CUDA_VALUE(cuStreamWriteValue32_v2, Write32, std::uint32_t)
TRANCHE_CUDA_VALUE(cuStreamWriteValue64, Write64, std::uint64_t)
TRANCHE_CUDA_VALUE(cuStreamWriteValue64_v2, Write64, std::uint64_t)
#undef TRANCHE_CUDA_VALUE

TRANCHE_CUDA_EXPORT_TWICE(cuStreamBatchMemOp, cuStreamBatchMemOp_ptsz, Batch,
                          (Stream stream, unsigned count, MemOpParams* param_array, unsigned flags),
                          stream, count, param_array, flags)
TRANCHE_CUDA_EXPORT_TWICE(cuStreamBatchMemOp_v2, cuStreamBatchMemOp_v2_ptsz, Batch,
                          (Stream stream, unsigned count, MemOpParams* param_array, unsigned flags),
                          stream, count, param_array, flags)

// NOLINTEND(readability-identifier-naming)

}  // namespace tranche::sim::cuda
