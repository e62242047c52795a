#include "sim/node/state_writer.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>

#include "sim/node/state_change.h"
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
    PublishChange(state_, [&](std::uint32_t sequence) {
      draft->header.sequence = sequence;
      std::memcpy(state_, draft.get(), sizeof *draft);
    });
  }
  flock(fd_.get(), LOCK_UN);
  return status;
}

bool StateWriter::TryChange(const std::function<void(NodeState&)>& change) {
  if (flock(fd_.get(), LOCK_EX | LOCK_NB) != 0) return false;
  PublishChange(state_, [&](std::uint32_t) { change(*state_); });
  flock(fd_.get(), LOCK_UN);
  return true;
}

}  // namespace tranche::sim
