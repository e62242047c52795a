// A program that is loaded with this one before all others (LD_PRELOAD) gets no memory from the
// kernel while it says so: what asks for anonymous memory by mmap, as the shim does, is refused.
#include <errno.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>

namespace {

std::atomic<bool> there_is_none = false;

}  // namespace

extern "C" {

void tranche_test_memory(int is_there) { there_is_none.store(is_there == 0); }

void* mmap(void* address, size_t bytes, int rights, int flags, int fd, off_t offset) noexcept {
  if (there_is_none.load() && flags == (MAP_PRIVATE | MAP_ANONYMOUS) && address == nullptr) {
    errno = ENOMEM;
    return MAP_FAILED;
  }
  return reinterpret_cast<void*>(syscall(SYS_mmap, address, bytes, rights, flags, fd, offset));
}

}  // extern "C"
