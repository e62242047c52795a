#include "sim/cuda/graph/memory.h"

#include <algorithm>
#include <cstring>
#include <unordered_map>
#include <utility>

#include "sim/cuda/contexts.h"
#include "sim/cuda/library.h"

namespace tranche::sim::cuda {
namespace {

constexpr std::size_t kPiece = 2U << 20U;

struct OfDevice {
  std::vector<GraphBlock> kept;  // of which no node has the use
  std::uint64_t reserved = 0;
  std::uint64_t reserved_high = 0;
  std::uint64_t used = 0;
  std::uint64_t used_high = 0;
};
OfDevice& MemoryOf(const DeviceObject& device) {
  static auto* const all = new std::unordered_map<const DeviceObject*, OfDevice>();
  return (*all)[&device];
}

std::unordered_map<DevicePtr, GraphAllocation*>& Allocations() {
  static auto* const all = new std::unordered_map<DevicePtr, GraphAllocation*>();
  return *all;
}

void ForgetMemory(ContextObject& context) {
  for (const auto& [base, allocation] : Allocations()) allocation->Forget(context.handle);
  OfDevice& memory = MemoryOf(*context.device);
  std::erase_if(memory.kept, [&](const GraphBlock& block) {
    if (block.context != context.handle) return false;
    memory.reserved -= block.bytes;
    return true;
  });
}

bool IsDone(const GraphBlock& block) {
  const auto stream = block.stream.lock();
  return stream == nullptr ||
         Process::Get().connection().Value(link::Counter::kStream, stream->index) >= block.number;
}

// The smallest one that is kept and may be used in a stream.
bool TakeKept(OfDevice& memory, const StreamObject& stream, std::size_t bytes, GraphBlock* block) {
  auto best = memory.kept.end();
  for (auto at = memory.kept.begin(); at != memory.kept.end(); ++at) {
    const auto used_in = at->stream.lock();
    const bool right = at->any_stream || used_in == nullptr || used_in.get() == &stream;
    if (!right || at->bytes < bytes || at->context != stream.context->handle) continue;
    if (best == memory.kept.end() || at->bytes < best->bytes) best = at;
  }
  if (best == memory.kept.end()) return false;
  *block = *best;
  memory.kept.erase(best);
  return true;
}

// What cuMemFree does with memory of a graph.
Result FreeOfGraph(Allocation& allocation) {
  GraphAllocation* const found = FindGraphAllocation(allocation.base);
  if (found == nullptr || !found->in_use()) return kInvalidValue;
  found->Free(nullptr);
  return kSuccess;
}

}  // namespace

GraphAllocation::GraphAllocation(const ContextObject& context, const Allocation& made)
    : device_(*context.device),
      context_(context.handle),
      base_(made.base),
      id_(made.id),
      bytes_((made.bytes + kPiece - 1) / kPiece * kPiece) {
  Allocations()[base_] = this;
}

GraphAllocation::~GraphAllocation() {
  Free(nullptr);
  Allocations().erase(base_);
  Memory& memory = Process::Get().memory();
  const Allocation* const found = memory.Find(base_);
  if (found == nullptr || found->base != base_ || found->id != id_) return;
  const Span span = found->span;
  memory.Remove(base_);
  FreeSpan(span);
}

Result GraphAllocation::Take(StreamObject& stream) {
  OfDevice& memory = MemoryOf(device_);
  if (context_ == nullptr) return kContextIsDestroyed;
  if (!TakeKept(memory, stream, bytes_, &block_)) {
    link::ReserveAnswer answer{};
    const Result reserved =
        ReserveBytes(device_, stream.context.get(), link::MemoryKind::kGraph, bytes_, &answer);
    if (reserved != kSuccess) return reserved;
    block_ = {
        .reservation = answer.id, .bytes = bytes_, .context = stream.context->handle, .stream = {}};
    memory.reserved += bytes_;
    memory.reserved_high = std::max(memory.reserved_high, memory.reserved);
  }
  block_.any_stream = false;
  block_.stream = stream.weak_from_this();
  block_.number = stream.submitted + 1;
  memory.used += block_.bytes;
  memory.used_high = std::max(memory.used_high, memory.used);
  return kSuccess;
}

void GraphAllocation::Free(StreamObject* stream) {
  if (!in_use()) return;
  OfDevice& memory = MemoryOf(device_);
  memory.used -= block_.bytes;
  block_.any_stream = stream == nullptr;
  if (stream != nullptr) {
    block_.stream = stream->weak_from_this();
    block_.number = stream->submitted;
  }
  memory.kept.push_back(std::exchange(block_, {}));
}

void GraphAllocation::Forget(Context context) {
  if (in_use() && block_.context == context) {
    OfDevice& memory = MemoryOf(device_);
    memory.used -= block_.bytes;
    memory.reserved -= block_.bytes;
    block_ = {};
  }
  if (context_ == context) context_ = nullptr;
}

Result MakeGraphAllocation(ContextObject& context, std::size_t bytes,
                           std::shared_ptr<GraphAllocation>* made) {
  OnContextEnd(&ForgetMemory);
  Span span;
  if (!MakeSpan(bytes, kSpanAlignment, Contents::kWith, &span)) return kOutOfMemory;
  Allocation allocation;
  allocation.kind = Allocation::Kind::kGraph;
  allocation.base = AddressOf(span.base);
  allocation.host = span.host;
  allocation.bytes = bytes;
  allocation.context = context.handle;
  allocation.device = context.device->ordinal;
  allocation.span = span;
  allocation.free = &FreeOfGraph;
  *made = std::make_shared<GraphAllocation>(context, *Process::Get().memory().Add(allocation));
  return kSuccess;
}

GraphAllocation* FindGraphAllocation(DevicePtr base) {
  const auto found = Allocations().find(base);
  return found == Allocations().end() ? nullptr : found->second;
}

Result TrimGraphMemory(DeviceObject& device) {
  OfDevice& memory = MemoryOf(device);
  std::erase_if(memory.kept, [&](const GraphBlock& block) {
    if (!IsDone(block)) return false;
    ReleaseBytes(block.reservation);
    memory.reserved -= block.bytes;
    return true;
  });
  return kSuccess;
}

Result GetGraphMemory(DeviceObject& device, GraphMemAttribute attribute, void* value) {
  const OfDevice& memory = MemoryOf(device);
  const auto put = [&](std::uint64_t number) {
    std::memcpy(value, &number, sizeof number);
    return kSuccess;
  };
  if (value == nullptr) return kInvalidValue;
  switch (attribute) {
    case kGraphMemUsedCurrent:
      return put(memory.used);
    case kGraphMemUsedHigh:
      return put(memory.used_high);
    case kGraphMemReservedCurrent:
      return put(memory.reserved);
    case kGraphMemReservedHigh:
      return put(memory.reserved_high);
  }
  return kInvalidValue;
}

// The marks of the highest can be begun anew, and nothing else.
Result SetGraphMemory(DeviceObject& device, GraphMemAttribute attribute, const void* value) {
  OfDevice& memory = MemoryOf(device);
  std::uint64_t number = 1;
  if (value != nullptr) std::memcpy(&number, value, sizeof number);
  if (number != 0) return kInvalidValue;
  if (attribute == kGraphMemUsedHigh) return memory.used_high = memory.used, kSuccess;
  if (attribute == kGraphMemReservedHigh) return memory.reserved_high = memory.reserved, kSuccess;
  return kInvalidValue;
}

}  // namespace tranche::sim::cuda
