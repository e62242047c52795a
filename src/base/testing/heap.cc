#include "base/testing/heap.h"

#include <malloc.h>

#include <atomic>
#include <cstdlib>
#include <new>

namespace {

std::atomic<std::size_t> in_use{0};
std::atomic<std::size_t> most{0};

// What malloc spends on a block beside the block itself.
constexpr std::size_t kHeader = sizeof(std::size_t);

void* TryAllocate(std::size_t size) {
  void* block = std::malloc(size);
  if (block == nullptr) return nullptr;
  const std::size_t now = in_use += malloc_usable_size(block) + kHeader;
  std::size_t before = most;
  while (now > before && !most.compare_exchange_weak(before, now)) {
  }
  return block;
}

void* Allocate(std::size_t size) {
  void* block = TryAllocate(size);
  if (block == nullptr) throw std::bad_alloc();
  return block;
}

void Free(void* block) {
  if (block == nullptr) return;
  in_use -= malloc_usable_size(block) + kHeader;
  std::free(block);
}

}  // namespace

void* operator new(std::size_t size) { return Allocate(size); }
void* operator new[](std::size_t size) { return Allocate(size); }
void* operator new(std::size_t size, const std::nothrow_t& /*tag*/) noexcept {
  return TryAllocate(size);
}
void* operator new[](std::size_t size, const std::nothrow_t& /*tag*/) noexcept {
  return TryAllocate(size);
}
void operator delete(void* block) noexcept { Free(block); }
void operator delete[](void* block) noexcept { Free(block); }
void operator delete(void* block, std::size_t /*size*/) noexcept { Free(block); }
void operator delete[](void* block, std::size_t /*size*/) noexcept { Free(block); }
void operator delete(void* block, const std::nothrow_t& /*tag*/) noexcept { Free(block); }
void operator delete[](void* block, const std::nothrow_t& /*tag*/) noexcept { Free(block); }

namespace tranche::base::testing {

HeapWatch::HeapWatch() : start_(in_use) { most = start_; }

std::size_t HeapWatch::Most() const { return most - start_; }

}  // namespace tranche::base::testing
