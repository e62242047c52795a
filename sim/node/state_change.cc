#include "sim/node/state_change.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <climits>

#include "sim/node/state_reader.h"

namespace tranche::sim {

void PublishChange(NodeState* state, const std::function<void(std::uint32_t sequence)>& write) {
  std::uint32_t* sequence = &state->header.sequence;
  // Odd already: a writer died at work.
  const std::uint32_t busy = __atomic_load_n(sequence, __ATOMIC_RELAXED) | 1;
  __atomic_store_n(sequence, busy, __ATOMIC_RELAXED);
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
  write(busy);
  __atomic_store_n(sequence, busy + 1, __ATOMIC_RELEASE);
  syscall(SYS_futex, sequence, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
}

int ChangeState(const std::string& path, const std::function<void(NodeState&)>& change) {
  const int fd = open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (fd < 0) return errno;
  int error = 0;
  void* mapped = MAP_FAILED;
  if (StateReader::Open(path) == nullptr) {
    error = EINVAL;
  } else {
    mapped = mmap(nullptr, sizeof(NodeState), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (mapped == MAP_FAILED) error = errno;
  }
  while (error == 0 && flock(fd, LOCK_EX) != 0) {
    if (errno != EINTR) error = errno;
  }
  if (error == 0) {
    auto* state = static_cast<NodeState*>(mapped);
    PublishChange(state, [&](std::uint32_t) { change(*state); });
  }
  if (mapped != MAP_FAILED) munmap(mapped, sizeof(NodeState));
  close(fd);  // and with it the lock
  return error;
}

}  // namespace tranche::sim
