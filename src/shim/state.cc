#include "shim/state.h"

#include <sys/mman.h>
#include <unistd.h>

namespace tranche::shim {
namespace {

constexpr int kWipeOnFork = 18;  // MADV_WIPEONFORK, of Linux 4.14
constinit std::atomic<Program*> program = nullptr;

Program* Make() {
  void* made =
      mmap(nullptr, sizeof(Program), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (made == MAP_FAILED) return nullptr;
  auto* fresh = static_cast<Program*>(made);  // zeros are what each member begins with
  if (madvise(made, sizeof(Program), kWipeOnFork) != 0) fresh->pid.store(getpid());
  Program* there = program.load();
  do {
    // Another thread of this program was faster, unless what is there is a parent's.
    if (there != nullptr && (there->pid.load() == 0 || there->pid.load() == getpid())) {
      munmap(made, sizeof(Program));
      return there;
    }
  } while (!program.compare_exchange_weak(there, fresh));
  return fresh;
}

}  // namespace

Program* ThisProgram() {
  Program* there = program.load(std::memory_order_acquire);
  if (there == nullptr) return Make();
  const std::int32_t pid = there->pid.load(std::memory_order_relaxed);
  if (pid != 0 && pid != getpid()) [[unlikely]] {
    return Make();
  }
  return there;
}

}  // namespace tranche::shim
