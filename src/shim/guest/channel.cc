#include "shim/guest/channel.h"

#include <errno.h>  // NOLINT(modernize-deprecated-headers): without the C++ library
#include <fcntl.h>
#include <poll.h>
#include <string.h>  // NOLINT(modernize-deprecated-headers)
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>  // NOLINT(modernize-deprecated-headers)
#include <unistd.h>

#include "wire/message.h"

namespace tranche::shim::guest {
namespace {

constexpr unsigned kDescriptors = 2;
constexpr std::int64_t kAwakeNanoseconds = 250'000;

template <std::size_t kFirst, std::size_t kSecond>
void Join(char* path, const char (&folder)[kFirst], const char (&file)[kSecond]) {
  memcpy(path, folder, kFirst - 1);
  path[kFirst - 1] = '/';
  memcpy(path + kFirst, file, kSecond);
}

std::int64_t NowNanoseconds() {
  timespec now = {};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

// Whether the answer comes at once, as it does where the node program gets to run: it takes less
// time than this. Who sleeps meanwhile gives up its turn, and gets it back only when all other
// programs have had theirs that start at the same time.
bool ComesAtOnce(int socket) {
  const std::int64_t until = NowNanoseconds() + kAwakeNanoseconds;
  do {
    pollfd waiting = {.fd = socket, .events = POLLIN, .revents = 0};
    if (poll(&waiting, 1, 0) > 0) return true;
  } while (NowNanoseconds() < until);
  return false;
}

bool Wait(int socket, short events, std::int64_t deadline) {
  for (;;) {
    const std::int64_t left = deadline - NowMilliseconds();
    if (left <= 0) return false;
    pollfd waiting = {.fd = socket, .events = events, .revents = 0};
    const int ready = poll(&waiting, 1, static_cast<int>(left));
    if (ready > 0) return true;
    if (ready < 0 && errno != EINTR) return false;
  }
}

// A new connection has room for a packet, so there is hardly ever anything to wait for.
bool Send(int socket, const void* message, std::size_t bytes, std::int64_t deadline) {
  for (;;) {
    if (send(socket, message, bytes, MSG_NOSIGNAL) == static_cast<ssize_t>(bytes)) return true;
    if ((errno != EAGAIN && errno != EINTR) || !Wait(socket, POLLOUT, deadline)) return false;
  }
}

int Connect() {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  static_assert(sizeof wire::kDirectory + sizeof wire::kSocketFile <= sizeof address.sun_path);
  Join(address.sun_path, wire::kDirectory, wire::kSocketFile);
  const int made = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (made < 0) return -1;
  if (connect(made, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return made;
  close(made);
  return -1;
}

void KeepDescriptors(msghdr& message, int (*descriptors)[kDescriptors]) {
  for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr;
       part = CMSG_NXTHDR(&message, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int received = -1;
      memcpy(&received, CMSG_DATA(part) + i * sizeof(int), sizeof received);
      if (descriptors != nullptr && i < kDescriptors && (*descriptors)[i] < 0) {
        (*descriptors)[i] = received;
      } else {
        close(received);
      }
    }
  }
}

bool Receive(int socket, void* answer, std::size_t bytes, int (*descriptors)[kDescriptors]) {
  iovec part = {.iov_base = answer, .iov_len = bytes};
  alignas(cmsghdr) char control[CMSG_SPACE(kDescriptors * sizeof(int))] = {};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const ssize_t received = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  if (received < 0) return false;
  KeepDescriptors(message, descriptors);
  return static_cast<std::size_t>(received) == bytes && (message.msg_flags & MSG_TRUNC) == 0;
}

}  // namespace

std::int64_t NowMilliseconds() { return NowNanoseconds() / 1'000'000; }

void SleepMilliseconds(int milliseconds) {
  timespec pause = {.tv_sec = milliseconds / 1000, .tv_nsec = milliseconds % 1000 * 1'000'000L};
  nanosleep(&pause, nullptr);
}

bool Exchange(const void* message, std::size_t bytes, void* answer, std::size_t answer_bytes,
              int (*descriptors)[2], std::int64_t deadline) {
  if (descriptors != nullptr) (*descriptors)[0] = (*descriptors)[1] = -1;
  const int socket = Connect();
  if (socket < 0) return false;
  const bool sent = Send(socket, message, bytes, deadline);
  // What a context takes is asked of the driver first: that is nothing to stay awake for.
  const bool ready =
      sent && ((descriptors != nullptr && ComesAtOnce(socket)) || Wait(socket, POLLIN, deadline));
  const bool answered = ready && Receive(socket, answer, answer_bytes, descriptors);
  close(socket);
  return answered;
}

bool FolderExists() { return access(wire::kDirectory, F_OK) == 0; }

bool ClosedWhileAway() {
  char path[sizeof wire::kDirectory + sizeof wire::kAwayFile];
  Join(path, wire::kDirectory, wire::kAwayFile);
  const int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (file < 0) return false;
  char text[16] = {};
  const ssize_t length = read(file, text, sizeof text - 1);
  close(file);
  return length >= 6 && memcmp(text, "closed", 6) == 0;
}

}  // namespace tranche::shim::guest
