#include "sim/cuda/forms/physical.h"

#include <sys/mman.h>
#include <unistd.h>

#include "sim/cuda/library.h"

namespace tranche::sim::cuda {

int MakeContents(std::size_t bytes) {
  const int fd = memfd_create("cuda-memory", MFD_CLOEXEC);
  if (fd >= 0 && ftruncate(fd, static_cast<off_t>(bytes)) != 0) {
    close(fd);
    return -1;
  }
  return fd;
}

Result ShareReservation(std::uint64_t reservation, int fd, ShareKey* key) {
  link::ShareAnswer answer{};
  const Result shared = Process::Get().connection().Request(
      link::Kind::kShare, link::Share{.id = reservation}, &answer, Extra{.send_fd = fd});
  *key = {{answer.key[0], answer.key[1]}};
  return shared;
}

void UnmapAt(char* host, std::size_t bytes) {
  // It takes the place of a mapping of ours and needs nothing that could be missing.
  [[maybe_unused]] const void* mapped =
      mmap(host, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
}

Result Physical::Make(const DeviceObject* device, link::MemoryKind kind, std::size_t bytes,
                      std::shared_ptr<Physical>* made) {
  link::ReserveAnswer answer{};
  if (device != nullptr) {
    const Result reserved = ReserveBytes(*device, nullptr, kind, bytes, &answer);
    if (reserved != kSuccess) return reserved;
  }
  const int fd = MakeContents(bytes);
  if (fd < 0) {
    ReleaseBytes(answer.id);
    return kOutOfMemory;
  }
  made->reset(new Physical(fd, bytes, answer.id));
  return kSuccess;
}

Result Physical::Open(const ShareKey& key, std::shared_ptr<Physical>* opened) {
  Process& process = Process::Get();
  if (const Result connected = process.Connect(); connected != kSuccess) return connected;
  link::OpenSharedAnswer answer{};
  int fd = -1;
  const Result result = process.connection().Request(
      link::Kind::kOpenShared, link::OpenShared{.key = {key.words[0], key.words[1]}}, &answer,
      Extra{.received_fd = &fd});
  if (result != kSuccess || fd < 0) {
    if (fd >= 0) close(fd);
    return result != kSuccess ? result : kInvalidHandle;
  }
  opened->reset(new Physical(fd, answer.bytes, answer.id));
  return kSuccess;
}

Physical::~Physical() {
  close(fd_);
  ReleaseBytes(reservation_);
}

bool Physical::MapAt(char* host, std::size_t bytes, std::size_t offset) const {
  const void* mapped = mmap(host, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd_,
                            static_cast<off_t>(offset));
  if (mapped == MAP_FAILED) return false;
  madvise(host, bytes, MADV_DONTFORK);
  return true;
}

Result Physical::Share(ShareKey* key) const {
  return reservation_ != 0 ? ShareReservation(reservation_, fd_, key) : kNotSupported;
}

}  // namespace tranche::sim::cuda
