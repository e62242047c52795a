#include "sim/driver/connection.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/log.h"

namespace tranche::sim::driver {
namespace {

constexpr std::size_t kMaxUnsentBytes = 1U << 20U;
constexpr int kReadsAtOnce = 4;  // then it is the others' turn
constexpr int kPeerPidfd = 77;   // SO_PEERPIDFD, Linux 6.5

base::UniqueFd ProcessOf(int socket, pid_t pid) {
  int fd = -1;
  socklen_t size = sizeof fd;
  if (getsockopt(socket, SOL_SOCKET, kPeerPidfd, &fd, &size) == 0) {
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    return base::UniqueFd(fd);
  }
  if (pid <= 0) return {};
  return base::UniqueFd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
}

}  // namespace

Connection::Connection(base::UniqueFd socket) : socket_(std::move(socket)) {
  ucred who{};
  socklen_t size = sizeof who;
  if (getsockopt(socket_.get(), SOL_SOCKET, SO_PEERCRED, &who, &size) == 0) pid_ = who.pid;
  process_ = ProcessOf(socket_.get(), pid_);
}

std::string Connection::ProgramName() const {
  const auto name = base::ReadFile("/proc/" + std::to_string(pid_) + "/comm", 256);
  if (!name.ok()) return "";
  std::string text = *name;
  while (text.ends_with('\n')) text.pop_back();
  return base::Printable(text, 64);
}

Connection::Got Connection::Receive() {
  static std::byte buffer[link::kMaxMessageBytes];
  alignas(cmsghdr) char control[CMSG_SPACE(kMaxDescriptors * sizeof(int))];
  iovec bytes{.iov_base = buffer, .iov_len = sizeof buffer};
  msghdr message{};
  message.msg_iov = &bytes;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const ssize_t got = recvmsg(socket_.get(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (got < 0) return errno == EAGAIN || errno == EINTR ? Got::kNothing : Got::kEnd;
  for (cmsghdr* at = CMSG_FIRSTHDR(&message); at != nullptr; at = CMSG_NXTHDR(&message, at)) {
    if (at->cmsg_level != SOL_SOCKET || at->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (at->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(at) + i * sizeof fd, sizeof fd);
      descriptors_.emplace_back(fd);
    }
  }
  const bool too_many =
      descriptors_.size() > kMaxDescriptors || (message.msg_flags & MSG_CTRUNC) != 0;
  if (got == 0 || too_many) return Got::kEnd;
  reader_.Feed(std::span(buffer, static_cast<std::size_t>(got)));
  return Got::kBytes;
}

bool Connection::HandleHeld(Client& client, engine::Time now) {
  Message message;
  while (!client.Congested()) {
    switch (reader_.Next(&message)) {
      case MessageReader::Step::kMore:
        return true;
      case MessageReader::Step::kBroken:
        return false;
      case MessageReader::Step::kMessage:
        if (!client.Handle(message, descriptors_, now) || broken_) return false;
    }
  }
  return true;
}

bool Connection::Read(Client& client, engine::Time now) {
  for (int i = 0; i < kReadsAtOnce; ++i) {
    if (!HandleHeld(client, now)) return false;
    if (client.Congested()) return true;
    const Got got = Receive();
    if (got == Got::kEnd) return false;
    if (got == Got::kNothing) return true;
  }
  return HandleHeld(client, now);
}

std::size_t Connection::SendNow(std::span<const std::byte> bytes, int descriptor) {
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  iovec part{.iov_base = const_cast<std::byte*>(bytes.data()), .iov_len = bytes.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (descriptor >= 0) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* rights = CMSG_FIRSTHDR(&message);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(rights), &descriptor, sizeof descriptor);
  }
  const ssize_t sent = sendmsg(socket_.get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent >= 0) return static_cast<std::size_t>(sent);
  if (errno != EAGAIN && errno != EINTR) broken_ = true;
  return 0;
}

void Connection::Send(std::span<const std::byte> message, int descriptor) {
  std::size_t sent = 0;
  if (unsent_.empty()) sent = SendNow(message, descriptor);
  if (sent == message.size() || broken_) return;
  Unsent rest{.bytes = {message.begin() + static_cast<std::ptrdiff_t>(sent), message.end()}};
  if (sent == 0 && descriptor >= 0) {
    const auto waiting = std::count_if(unsent_.begin(), unsent_.end(), [](const Unsent& unsent) {
      return unsent.descriptor.valid();
    });
    broken_ = static_cast<std::size_t>(waiting) >= kMaxDescriptors;
    if (broken_) return;
    rest.descriptor = base::UniqueFd(fcntl(descriptor, F_DUPFD_CLOEXEC, 0));
  }
  unsent_bytes_ += rest.bytes.size();
  unsent_.push_back(std::move(rest));
  broken_ = broken_ || unsent_bytes_ > kMaxUnsentBytes;
}

bool Connection::Write() {
  while (!unsent_.empty() && !broken_) {
    Unsent& first = unsent_.front();
    const std::size_t sent = SendNow(first.bytes, first.descriptor.get());
    if (sent == 0) break;
    unsent_bytes_ -= sent;
    first.descriptor = {};
    first.bytes.erase(first.bytes.begin(), first.bytes.begin() + static_cast<std::ptrdiff_t>(sent));
    if (first.bytes.empty()) unsent_.pop_front();
  }
  return !broken_;
}

}  // namespace tranche::sim::driver
