#include "sim/node/state_writer.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdint>
#include <cstring>

#include "sim/node/state_reader.h"

namespace tranche::sim {

using base::Status;

base::Result<std::unique_ptr<StateWriter>> StateWriter::Open(const std::string& path) {
  base::UniqueFd fd(open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (!fd.valid()) return base::ErrnoStatus(errno, path);
  if (StateReader::Open(path) == nullptr) {
    return Status(base::Code::kFailedPrecondition,
                  path + " is of another version of this program: make the node again");
  }
  void* mapped = mmap(nullptr, sizeof(NodeState), PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  if (mapped == MAP_FAILED) return base::ErrnoStatus(errno, path);
  return std::unique_ptr<StateWriter>(
      new StateWriter(std::move(fd), static_cast<NodeState*>(mapped)));
}

StateWriter::~StateWriter() { munmap(state_, sizeof(NodeState)); }

Status StateWriter::Edit(const std::function<Status(NodeState&)>& change) {
  while (flock(fd_.get(), LOCK_EX) != 0) {
    if (errno != EINTR) return base::ErrnoStatus(errno, "locking the node");
  }
  // Worked out on a copy, so that a change that fails changes nothing and readers wait for a copy
  // only.
  const auto draft = std::make_unique<NodeState>(*state_);
  Status status = change(*draft);
  if (status.ok()) {
    Publish([&](std::uint32_t sequence) {
      draft->header.sequence = sequence;
      std::memcpy(state_, draft.get(), sizeof *draft);
    });
  }
  flock(fd_.get(), LOCK_UN);
  return status;
}

bool StateWriter::TryChange(const std::function<void(NodeState&)>& change) {
  if (flock(fd_.get(), LOCK_EX | LOCK_NB) != 0) return false;
  Publish([&](std::uint32_t) { change(*state_); });
  flock(fd_.get(), LOCK_UN);
  return true;
}

void StateWriter::Publish(const std::function<void(std::uint32_t)>& write) {
  std::uint32_t* sequence = &state_->header.sequence;
  // Odd already: a writer died at work.
  const std::uint32_t busy = __atomic_load_n(sequence, __ATOMIC_RELAXED) | 1;
  __atomic_store_n(sequence, busy, __ATOMIC_RELAXED);
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
  write(busy);
  __atomic_store_n(sequence, busy + 1, __ATOMIC_RELEASE);
  syscall(SYS_futex, sequence, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
}

}  // namespace tranche::sim
