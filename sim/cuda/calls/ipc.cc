// Memory of one process opened by another: cuIpcGetMemHandle and its relatives.
//
// What is shared becomes a file in memory at that moment: its contents so far are copied there, and
// both processes map it. Small allocations are shared with the whole chunk that they are a part of,
// as with the real driver.
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <utility>

#include "sim/cuda/contexts.h"
#include "sim/cuda/declarations.h"
#include "sim/cuda/forms/physical.h"
#include "sim/cuda/library.h"

namespace tranche::sim::cuda {
namespace {

constexpr std::uint64_t kMagic = 0x4350494D49535254;
constexpr std::size_t kPage = 4096;

// What a handle holds, in NVIDIA's 64 bytes.
struct Told {
  std::uint64_t magic;
  ShareKey key;
  std::uint64_t offset;  // in what is shared
  std::uint64_t bytes;
  std::uint64_t process;
};
static_assert(sizeof(Told) <= sizeof(IpcMemHandle));

struct Opened {
  unsigned users = 0;
  DevicePtr address = 0;
};
struct Tables {
  // The files of what this process has shared, by chunk, or by reservation where there is none.
  std::map<std::pair<std::uint64_t, std::uint64_t>, int> files;
  std::map<std::pair<std::uint64_t, std::uint64_t>, Opened> opened;
};
Tables& The() {
  static auto* const tables = new Tables();
  return *tables;
}

// Tells this process from all others, also from those of other pid namespaces.
std::uint64_t ThisProcess() {
  static const std::uint64_t number = [] {
    std::uint64_t random = 0;
    return getrandom(&random, sizeof random, 0) == sizeof random
               ? random
               : static_cast<std::uint64_t>(getpid());
  }();
  return number;
}

bool IsZero(const char* page) {
  static const char zero[kPage] = {};
  return std::memcmp(page, zero, kPage) == 0;
}

// Puts a span's contents into a file that it then maps. -1 where that cannot be.
int MoveIntoFile(const Span& span) {
  const int fd = MakeContents(span.bytes);
  if (fd < 0) return -1;
  bool moved = true;
  for (std::size_t at = 0; at < span.bytes && moved; at += kPage) {
    const char* page = span.host + at;
    moved = IsZero(page) || pwrite(fd, page, kPage, static_cast<off_t>(at)) == kPage;
  }
  const int rights = PROT_READ | PROT_WRITE;
  moved = moved && mmap(span.host, span.bytes, rights, MAP_SHARED | MAP_FIXED, fd, 0) != MAP_FAILED;
  if (!moved) {
    close(fd);
    return -1;
  }
  madvise(span.host, span.bytes, MADV_DONTFORK);
  return fd;
}

// Closes the files of memory that has been freed.
void CloseOldFiles() {
  Memory& memory = Process::Get().memory();
  std::erase_if(The().files, [&](const auto& entry) {
    const auto& [chunk, reservation] = entry.first;
    const std::uint64_t wanted = reservation;
    const auto is_it = [&](const auto& one) { return one.second.reservation == wanted; };
    const auto& all = memory.allocations();
    Span span;
    const bool there =
        chunk != 0 ? memory.SpanOfChunk(chunk, &span) : std::any_of(all.begin(), all.end(), is_it);
    if (!there) close(entry.second);
    return !there;
  });
}

Result FillHandle(const Allocation& allocation, IpcMemHandle* handle) {
  CloseOldFiles();
  Span span = allocation.span;
  if (allocation.chunk != 0 && !Process::Get().memory().SpanOfChunk(allocation.chunk, &span)) {
    return kInvalidValue;
  }
  const std::pair name(allocation.chunk, allocation.chunk != 0 ? 0 : allocation.reservation);
  if (The().files.find(name) == The().files.end()) {
    const int fd = MoveIntoFile(span);
    if (fd < 0) return kOutOfMemory;
    The().files[name] = fd;
  }
  Told told{.magic = kMagic,
            .key = {},
            .offset = allocation.base - AddressOf(span.base),
            .bytes = allocation.bytes,
            .process = ThisProcess()};
  const Result shared = ShareReservation(allocation.reservation, The().files[name], &told.key);
  std::memset(handle, 0, sizeof *handle);
  std::memcpy(handle, &told, sizeof told);
  return shared;
}

std::pair<std::uint64_t, std::uint64_t> NameOf(const Told& told) {
  return {told.key.words[0], told.key.words[1] ^ told.offset};
}

Result Open(ContextObject& context, const Told& told, DevicePtr* address) {
  const auto known = The().opened.find(NameOf(told));
  if (known != The().opened.end()) {
    ++known->second.users;
    *address = known->second.address;
    return kSuccess;
  }
  std::shared_ptr<Physical> memory;
  const Result opened = Physical::Open(told.key, &memory);
  if (opened != kSuccess) return opened;
  const std::size_t begin = told.offset / kPage * kPage;
  const std::size_t end = told.offset + told.bytes;
  Span span;
  if (end < begin || !MakeSpan(end - begin, kSpanAlignment, Contents::kWithout, &span))
    return kInvalidValue;
  if (!memory->MapAt(span.host, span.bytes, begin)) {
    FreeSpan(span);
    return kOutOfMemory;
  }
  Allocation allocation;
  allocation.kind = Allocation::Kind::kImported;
  allocation.base = AddressOf(span.base) + (told.offset - begin);
  allocation.bytes = told.bytes;
  allocation.host = span.host + (told.offset - begin);
  allocation.context = context.handle;
  allocation.device = context.device->ordinal;
  allocation.span = span;
  allocation.owner = memory;
  Process::Get().memory().Add(allocation);
  The().opened[NameOf(told)] = {1, allocation.base};
  *address = allocation.base;
  return kSuccess;
}

// What a context opened goes with it.
void ForgetOpened(ContextObject& context) {
  std::erase_if(The().opened, [&](const auto& entry) {
    const Allocation* found = Process::Get().memory().Find(entry.second.address);
    return found == nullptr || found->context == context.handle;
  });
}

Result OpenHandle(const char* name, DevicePtr* pdptr, const IpcMemHandle& handle, unsigned flags) {
  if (pdptr == nullptr || flags != kIpcLazyEnablePeerAccess) return kInvalidValue;
  return ContextCall(name, [&](ContextObject& context) -> Result {
    Told told{};
    std::memcpy(static_cast<void*>(&told), &handle, sizeof told);
    if (told.magic != kMagic) return kInvalidValue;
    if (told.process == ThisProcess()) return kInvalidContext;  // its own
    OnContextEnd(&ForgetOpened);
    return Open(context, told, pdptr);
  });
}

}  // namespace

// NOLINTBEGIN(readability-identifier-naming): the names are NVIDIA's.
extern "C" {

Result cuIpcGetMemHandle(IpcMemHandle* handle, DevicePtr dptr) {
  if (handle == nullptr) return kInvalidValue;
  return ContextCall("cuIpcGetMemHandle", [&](const ContextObject& /*context*/) -> Result {
    const Allocation* found = Process::Get().memory().Find(dptr);
    if (found == nullptr || found->kind != Allocation::Kind::kPlain) return kInvalidValue;
    return FillHandle(*found, handle);
  });
}

Result cuIpcOpenMemHandle(DevicePtr* pdptr, IpcMemHandle handle, unsigned flags) {
  return OpenHandle("cuIpcOpenMemHandle", pdptr, handle, flags);
}
Result cuIpcOpenMemHandle_v2(DevicePtr* pdptr, IpcMemHandle handle, unsigned flags) {
  return OpenHandle("cuIpcOpenMemHandle_v2", pdptr, handle, flags);
}

Result cuIpcCloseMemHandle(DevicePtr dptr) {
  return ContextCall("cuIpcCloseMemHandle", [&](const ContextObject& /*context*/) {
    Memory& memory = Process::Get().memory();
    const Allocation* found = memory.Find(dptr);
    if (found == nullptr || found->base != dptr || found->kind != Allocation::Kind::kImported) {
      return kInvalidValue;
    }
    auto& opened = The().opened;
    const auto entry = std::find_if(opened.begin(), opened.end(),
                                    [&](const auto& one) { return one.second.address == dptr; });
    if (entry != opened.end() && --entry->second.users > 0) return kSuccess;
    if (entry != opened.end()) opened.erase(entry);
    const Span span = found->span;
    memory.Remove(dptr);
    FreeSpan(span);
    return kSuccess;
  });
}

}  // extern "C"
// NOLINTEND(readability-identifier-naming)

}  // namespace tranche::sim::cuda
