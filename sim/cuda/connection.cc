#include "sim/cuda/connection.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>

namespace tranche::sim::cuda {
namespace {

constexpr long kSecondNs = 1'000'000'000;

// A path that is too long for a socket's address is reached through its folder.
int ConnectTo(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos) return -1;
  const int folder = open(path.substr(0, slash + 1).c_str(), O_PATH | O_CLOEXEC | O_DIRECTORY);
  if (folder < 0) return -1;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() < sizeof address.sun_path) {
    std::memcpy(address.sun_path, path.c_str(), path.size());
  } else {
    std::snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%s", folder,
                  path.c_str() + slash + 1);
  }
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd >= 0 && connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    close(fd);
    fd = -1;
  }
  close(folder);
  return fd;
}

// Sends all of it, the descriptor with the first byte.
bool SendAll(int fd, iovec* parts, std::size_t count, int send_fd) {
  msghdr message{};
  message.msg_iov = parts;
  message.msg_iovlen = count;
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  if (send_fd >= 0) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(header), &send_fd, sizeof(int));
  }
  while (message.msg_iovlen > 0) {
    const ssize_t sent = sendmsg(fd, &message, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return false;
    message.msg_control = nullptr;
    message.msg_controllen = 0;
    auto left = static_cast<std::size_t>(sent);
    while (message.msg_iovlen > 0 && left >= message.msg_iov->iov_len) {
      left -= message.msg_iov->iov_len;
      ++message.msg_iov;
      --message.msg_iovlen;
    }
    if (message.msg_iovlen > 0) {
      message.msg_iov->iov_base = static_cast<char*>(message.msg_iov->iov_base) + left;
      message.msg_iov->iov_len -= left;
    }
  }
  return true;
}

void TakeDescriptor(msghdr* message, int* fd) {
  for (cmsghdr* header = CMSG_FIRSTHDR(message); header != nullptr;
       header = CMSG_NXTHDR(message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    int received = -1;
    std::memcpy(&received, CMSG_DATA(header), sizeof(int));
    if (fd == nullptr || *fd >= 0) {
      close(received);
    } else {
      *fd = received;
    }
  }
}

bool ReceiveAll(int socket, void* bytes, std::size_t size, int* fd) {
  auto* at = static_cast<char*>(bytes);
  while (size > 0) {
    iovec part{at, size};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    const ssize_t got = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    TakeDescriptor(&message, fd);
    at += got;
    size -= static_cast<std::size_t>(got);
  }
  return true;
}

}  // namespace

Result Connection::Lost() {
  gone_.store(true, std::memory_order_release);
  return kDeviceUnavailable;
}

Result Connection::Open(const std::string& socket_path) {
  if (gone()) return kDeviceUnavailable;
  if (open()) return kSuccess;
  const int fd = ConnectTo(socket_path);
  if (fd < 0) return kSystemNotReady;
  socket_ = fd;
  int page_fd = -1;
  link::HelloAnswer answer{};
  Result result = Request(link::Kind::kHello, link::Hello{.version = link::kVersion}, &answer,
                          Extra{.received_fd = &page_fd});
  if (result == kSuccess) result = MapPage(page_fd);
  if (page_fd >= 0) close(page_fd);
  if (result == kSuccess) return kSuccess;
  // Whoever answered is no driver of ours: as good as none, and the next call may try again.
  close(fd);
  socket_ = -1;
  gone_ = false;
  return result == kDeviceUnavailable ? kSystemNotReady : result;
}

Result Connection::MapPage(int fd) {
  struct stat about {};
  if (fd < 0 || fstat(fd, &about) != 0 || about.st_size < static_cast<off_t>(sizeof(link::Page))) {
    return kSystemDriverMismatch;
  }
  void* mapped = mmap(nullptr, sizeof(link::Page), PROT_READ, MAP_SHARED, fd, 0);
  if (mapped == MAP_FAILED) return kOperatingSystem;
  const auto* page = static_cast<const link::Page*>(mapped);
  if (page->magic != link::kPageMagic || page->version != link::kVersion || page->time_scale == 0) {
    munmap(mapped, sizeof(link::Page));
    return kSystemDriverMismatch;
  }
  page_ = page;
  return kSuccess;
}

void Connection::CloseInChild() {
  const int fd = socket_.exchange(-1);
  if (fd >= 0) close(fd);
}

Result Connection::Transmit(link::Kind kind, const void* bytes, std::size_t size,
                            const Extra& extra) {
  if (gone()) return kDeviceUnavailable;
  link::Header header{kind, 0,
                      static_cast<std::uint32_t>(sizeof(link::Header) + size + extra.tail_bytes)};
  iovec parts[] = {{&header, sizeof header},
                   {const_cast<void*>(bytes), size},
                   {const_cast<void*>(extra.tail), extra.tail_bytes}};
  const std::size_t count = extra.tail_bytes == 0 ? 2 : 3;
  return SendAll(socket_, parts, count, extra.send_fd) ? kSuccess : Lost();
}

Result Connection::Receive(link::Kind kind, void* reply, std::size_t reply_bytes, int* fd) {
  if (fd != nullptr) *fd = -1;
  link::Header header{};
  if (!ReceiveAll(socket_, &header, sizeof header, fd)) return Lost();
  if (header.kind != kind || (header.flags & link::kAnswer) == 0 ||
      header.bytes != sizeof header + reply_bytes || !ReceiveAll(socket_, reply, reply_bytes, fd)) {
    return Lost();
  }
  return kSuccess;
}

Result Connection::Exchange(link::Kind kind, const void* question, std::size_t question_bytes,
                            void* reply, std::size_t reply_bytes, const Extra& extra) {
  const Result sent = Transmit(kind, question, question_bytes, extra);
  return sent == kSuccess ? Receive(kind, reply, reply_bytes, extra.received_fd) : sent;
}

std::int64_t Connection::Now() const {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  const std::int64_t machine = std::int64_t{now.tv_sec} * kSecondNs + now.tv_nsec;
  return (machine - static_cast<std::int64_t>(page_->epoch_ns)) /
         static_cast<std::int64_t>(page_->time_scale);
}

Result Connection::ContextError(std::uint32_t context) const {
  if (gone()) return kDeviceUnavailable;
  if (context >= link::kMaxContexts) return kUnknown;
  return static_cast<Result>(__atomic_load_n(&page_->contexts[context].error, __ATOMIC_ACQUIRE));
}

Result Connection::DeviceError(std::uint32_t slot) const {
  if (gone()) return kDeviceUnavailable;
  if (slot >= link::kMaxDevices) return kUnknown;
  return static_cast<Result>(__atomic_load_n(&page_->device_error[slot], __ATOMIC_ACQUIRE));
}

const std::uint64_t* Connection::Word(link::Counter counter, std::uint32_t index) const {
  switch (counter) {
    case link::Counter::kStream:
      return &page_->streams[index % link::kMaxStreams].finished;
    case link::Counter::kContext:
      return &page_->contexts[index % link::kMaxContexts].finished;
    case link::Counter::kMark:
      return &page_->marks[index % link::kMaxMarks].generation;
    case link::Counter::kHostCalls:
      break;
  }
  return &page_->contexts[index % link::kMaxContexts].host_calls;
}

void Connection::Sleep(link::Counter counter, std::uint32_t index, std::uint64_t seen,
                       std::uint64_t timeout_ns) {
  const timespec timeout{static_cast<time_t>(timeout_ns / kSecondNs),
                         static_cast<long>(timeout_ns % kSecondNs)};
  const long woken = syscall(SYS_futex, Word(counter, index), FUTEX_WAIT,
                             static_cast<std::uint32_t>(seen), &timeout, nullptr, 0);
  if (woken == 0 || errno != ETIMEDOUT) return;
  // Between requests the driver has nothing to say: what can be read is the end.
  char byte = 0;
  const ssize_t got = recv(socket_, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) Lost();
}

}  // namespace tranche::sim::cuda
