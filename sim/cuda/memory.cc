#include "sim/cuda/memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstring>

#include "sim/cuda/library.h"

namespace tranche::sim::cuda {
namespace {

constexpr int kReserve = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;

std::size_t PageUp(std::size_t bytes) {
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  return (bytes + page - 1) / page * page;
}

// `bytes` without any right at a multiple of `alignment`.
char* ReserveAligned(std::size_t bytes, std::size_t alignment) {
  const std::size_t more = bytes + alignment;
  if (more < bytes) return nullptr;
  void* mapped = mmap(nullptr, more, PROT_NONE, kReserve, -1, 0);
  if (mapped == MAP_FAILED) return nullptr;
  auto* begin = static_cast<char*>(mapped);
  const std::size_t before =
      (alignment - reinterpret_cast<std::uintptr_t>(begin) % alignment) % alignment;
  if (before > 0) munmap(begin, before);
  munmap(begin + before + bytes, alignment - before);
  return begin + before;
}

}  // namespace

bool MakeSpan(std::size_t bytes, std::size_t alignment, Contents contents, Span* span) {
  const std::size_t size = PageUp(bytes);
  if (size < bytes || size == 0) return false;
  char* base = ReserveAligned(size, alignment);
  if (base == nullptr) return false;
  const int rights = contents == Contents::kWith ? PROT_READ | PROT_WRITE : PROT_NONE;
  void* host = mmap(nullptr, size, rights, kReserve, -1, 0);
  if (host == MAP_FAILED) {
    munmap(base, size);
    return false;
  }
  madvise(host, size, MADV_DONTFORK);  // the child of a fork cannot use CUDA
  *span = {base, static_cast<char*>(host), size};
  return true;
}

void FreeSpan(const Span& span) {
  if (span.bytes == 0) return;
  munmap(span.base, span.bytes);
  if (span.host != span.base) munmap(span.host, span.bytes);
}

void ForgetContents(char* host, std::size_t bytes) {
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  char* const end = host + bytes;
  const std::size_t head = (page - reinterpret_cast<std::uintptr_t>(host) % page) % page;
  if (bytes <= head + page) {
    std::memset(host, 0, bytes);
    return;
  }
  char* const first = host + head;
  char* const last = end - reinterpret_cast<std::uintptr_t>(end) % page;
  std::memset(host, 0, head);
  // Shared memory keeps its contents there, and then they are made zero by hand.
  if (madvise(first, static_cast<std::size_t>(last - first), MADV_DONTNEED) != 0 || *first != 0) {
    std::memset(first, 0, static_cast<std::size_t>(last - first));
  }
  std::memset(last, 0, static_cast<std::size_t>(end - last));
}

Allocation* Memory::Add(const Allocation& allocation) {
  Allocation& kept = allocations_[allocation.base];
  kept = allocation;
  kept.id = ++last_id_;
  return &kept;
}

void Memory::Remove(DevicePtr base) { allocations_.erase(base); }

Allocation* Memory::Find(DevicePtr address) {
  auto after = allocations_.upper_bound(address);
  if (after == allocations_.begin()) return nullptr;
  Allocation& found = std::prev(after)->second;
  const DevicePtr offset = address - found.base;
  return offset < found.bytes || offset == 0 ? &found : nullptr;
}

char* Memory::Translate(DevicePtr address, std::size_t bytes) {
  const Allocation* first = Find(address);
  if (first == nullptr || !first->accessible) return nullptr;
  char* const begin = first->host + (address - first->base);
  std::size_t covered = first->bytes - (address - first->base);
  const Allocation* last = first;
  while (covered < bytes) {
    const auto next = allocations_.find(last->base + last->bytes);
    if (next == allocations_.end() || next->second.host != last->host + last->bytes ||
        next->second.bytes == 0 || !next->second.accessible) {
      return nullptr;
    }
    last = &next->second;
    covered += last->bytes;
  }
  return begin;
}

char* Memory::TranslateAny(DevicePtr address, std::size_t bytes) {
  const Allocation* found = Find(address);
  if (found == nullptr || found->on_host() || found->kind == Allocation::Kind::kManaged) {
    return static_cast<char*>(PointerTo(address));
  }
  return Translate(address, bytes);
}

bool Memory::UseChunk(std::uint64_t chunk, std::size_t bytes, Span* span) {
  Chunk& used = chunks_[chunk];
  if (used.users == 0 && !MakeSpan(bytes, kSpanAlignment, Contents::kWith, &used.span)) {
    chunks_.erase(chunk);
    return false;
  }
  ++used.users;
  *span = used.span;
  return true;
}

bool Memory::SpanOfChunk(std::uint64_t chunk, Span* span) const {
  const auto found = chunks_.find(chunk);
  if (found == chunks_.end()) return false;
  *span = found->second.span;
  return true;
}

void Memory::ReleaseChunk(std::uint64_t chunk) {
  const auto found = chunks_.find(chunk);
  if (found == chunks_.end() || --found->second.users > 0) return;
  FreeSpan(found->second.span);
  chunks_.erase(found);
}

Result ReserveBytes(const DeviceObject& device, const ContextObject* context, link::MemoryKind kind,
                    std::size_t bytes, link::ReserveAnswer* answer) {
  Process& process = Process::Get();
  if (const Result connected = process.Connect(); connected != kSuccess) return connected;
  return process.connection().Request(
      link::Kind::kReserve,
      link::Reserve{.context = context != nullptr ? context->index : link::kWholeGpu,
                    .memory = kind,
                    .slot = device.slot,
                    .gpu_instance = device.gpu_instance,
                    .bytes = bytes},
      answer);
}

void ReleaseBytes(std::uint64_t reservation) {
  if (reservation == 0) return;
  link::Answer answer{};
  Process::Get().connection().Request(link::Kind::kRelease, link::Release{reservation}, &answer);
}

Result AllocateDevice(ContextObject& context, std::size_t bytes, Allocation** allocation) {
  Process& process = Process::Get();
  const DeviceObject& device = *context.device;
  link::ReserveAnswer answer{};
  const Result reserved = ReserveBytes(device, &context, link::MemoryKind::kPlain, bytes, &answer);
  if (reserved != kSuccess) return reserved;
  Allocation made;
  made.bytes = bytes;
  made.context = context.handle;
  made.device = device.ordinal;
  made.reservation = answer.id;
  made.chunk = answer.chunk;
  Span span;
  const bool addresses = answer.chunk != 0
                             ? process.memory().UseChunk(answer.chunk, kSpanAlignment, &span)
                             : MakeSpan(bytes, kSpanAlignment, Contents::kWith, &span);
  const std::size_t offset = answer.chunk != 0 ? answer.offset : 0;
  if (!addresses || offset + bytes > span.bytes) {
    ReleaseBytes(answer.id);
    return kOutOfMemory;
  }
  made.base = AddressOf(span.base) + offset;
  made.host = span.host + offset;
  if (answer.chunk == 0) made.span = span;
  *allocation = process.memory().Add(made);
  return kSuccess;
}

Result FreeDevice(const Allocation& allocation) {
  Process& process = Process::Get();
  const Allocation gone = allocation;
  process.memory().Remove(gone.base);
  if (gone.chunk != 0) {
    process.memory().ReleaseChunk(gone.chunk);
  } else {
    FreeSpan(gone.span);
  }
  link::Answer answer{};
  return process.connection().Request(link::Kind::kRelease, link::Release{gone.reservation},
                                      &answer);
}

}  // namespace tranche::sim::cuda
