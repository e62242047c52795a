// Memory is the memory of a process as CUDA sees it: which addresses mean what, and where their
// contents lie.
//
// A device address is an address of this process that nobody may touch: a span reserves it without
// any right, so that a program that reads device memory by itself ends as on real hardware. The
// contents lie beside it in the span's `host`, which only this library uses and which costs real
// memory only where it has been written. Host memory and managed memory are their own contents.
//
// Threading: under the process's lock (sim/cuda/library.h).
// Errors: nullptr or false: not there, or no room.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <unordered_map>

#include "sim/cuda/abi.h"
#include "sim/link/protocol.h"

namespace tranche::sim::cuda {

struct ContextObject;
struct DeviceObject;

// An address as CUDA's interface has it, and as a pointer of this process.
inline DevicePtr AddressOf(const void* pointer) {
  return reinterpret_cast<std::uintptr_t>(pointer);
}
inline void* PointerTo(DevicePtr address) {
  return reinterpret_cast<void*>(address);  // NOLINT(performance-no-int-to-ptr): it is one
}

// Addresses of a device and where their contents lie.
struct Span {
  char* base = nullptr;  // without any right
  char* host = nullptr;
  std::size_t bytes = 0;
};
// `alignment`: a power of two, of the base. Without contents the host side is reserved only, for
// mappings that are put there with MAP_FIXED.
enum class Contents { kWith, kWithout };
bool MakeSpan(std::size_t bytes, std::size_t alignment, Contents contents, Span* span);
void FreeSpan(const Span& span);
// Makes contents of a span zero again and gives the memory back.
void ForgetContents(char* host, std::size_t bytes);

inline constexpr std::size_t kSpanAlignment = 2U << 20U;

struct Allocation {
  enum class Kind : std::uint8_t {
    kPlain,       // cuMemAlloc, cuMemAllocPitch, a module's global
    kPool,        // stream-ordered
    kVirtual,     // a mapping of cuMemMap
    kManaged,     // host memory that kernels use too
    kHost,        // cuMemHostAlloc, cuMemAllocHost
    kRegistered,  // cuMemHostRegister
    kImported,    // another process's, by IPC
    kGraph,       // of an allocation node
  };
  Kind kind = Kind::kPlain;
  DevicePtr base = 0;
  std::size_t bytes = 0;
  char* host = nullptr;  // the contents of `base`
  Context context = nullptr;
  Device device = 0;
  std::uint64_t id = 0;           // CU_POINTER_ATTRIBUTE_BUFFER_ID
  std::uint64_t reservation = 0;  // the driver's; 0: none
  std::uint64_t chunk = 0;        // of small ones: they share a span
  Span span;                      // to be freed with it; none of a chunk's
  unsigned flags = 0;             // of cuMemHostAlloc and cuMemHostRegister
  bool sync_memops = false;
  bool accessible = true;  // a mapping is only after cuMemSetAccess
  MemoryPool pool = nullptr;
  int handle_types = 0;                      // that it can be exported as
  Result (*free)(Allocation& it) = nullptr;  // what cuMemFree does, for forms other than kPlain
  std::shared_ptr<void> owner;               // whatever a form of memory keeps with it
  [[nodiscard]] bool on_host() const { return kind == Kind::kHost || kind == Kind::kRegistered; }
};

class Memory {
 public:
  // Keeps an allocation whose base, bytes, host, kind, context and device are set; the answer is
  // valid until Remove.
  Allocation* Add(const Allocation& allocation);
  void Remove(DevicePtr base);
  // The one that holds `address`; one of no bytes holds its base.
  [[nodiscard]] Allocation* Find(DevicePtr address);
  // Where the contents of `bytes` from `address` on lie. Neighbours whose contents are neighbours
  // too are taken as one. nullptr: not all of it is there.
  [[nodiscard]] char* Translate(DevicePtr address, std::size_t bytes);
  // The same, and what is no memory of CUDA's is the program's own.
  [[nodiscard]] char* TranslateAny(DevicePtr address, std::size_t bytes);

  // The span of a chunk of small allocations, made where there is none yet. Each call counts, and
  // the span goes with the last ReleaseChunk.
  bool UseChunk(std::uint64_t chunk, std::size_t bytes, Span* span);
  void ReleaseChunk(std::uint64_t chunk);
  bool SpanOfChunk(std::uint64_t chunk, Span* span) const;

  [[nodiscard]] const std::map<DevicePtr, Allocation>& allocations() const { return allocations_; }

 private:
  struct Chunk {
    Span span;
    unsigned users = 0;
  };
  std::map<DevicePtr, Allocation> allocations_;  // by base
  std::unordered_map<std::uint64_t, Chunk> chunks_;
  std::uint64_t last_id_ = 0;
};

// Reserves device memory in the driver's books and makes addresses for it: what cuMemAlloc does,
// for modules' globals too. kOutOfMemory where the device is full.
Result AllocateDevice(ContextObject& context, std::size_t bytes, Allocation** allocation);
// The driver's books alone. `context` nullptr: what belongs to no context and outlives all.
Result ReserveBytes(const DeviceObject& device, const ContextObject* context, link::MemoryKind kind,
                    std::size_t bytes, link::ReserveAnswer* answer);
void ReleaseBytes(std::uint64_t reservation);
// Gives an allocation of kind kPlain back; nobody waits for what uses it.
Result FreeDevice(const Allocation& allocation);

}  // namespace tranche::sim::cuda
