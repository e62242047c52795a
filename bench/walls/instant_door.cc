// A server in the place of the node program's door that answers at once and looks nothing up:
// neither whose a caller is, nor when it began, nor what its pod may have. Every caller gets the
// next slot of the same two pages, and contexts take nothing. What attaching to it takes is what
// the machine takes, with the same shim in the same crowd; what the node program takes beyond that
// is its own.
//
//   walls_instant_door SOCKET LIMIT UUID...    until it is killed; says "ready" when it listens
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "node/walls/pod_pages.h"
#include "node/walls/requests.h"

namespace {

using namespace tranche;  // NOLINT(google-build-using-namespace): a small program

int Listen(const char* path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (std::strlen(path) >= sizeof address.sun_path) return -1;
  std::strcpy(address.sun_path, path);
  const int made = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  unlink(path);
  if (bind(made, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return -1;
  return listen(made, SOMAXCONN) == 0 ? made : -1;
}

void SendPages(int socket, const wire::HelloAnswer& answer, const int (&pages)[2]) {
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof pages)] = {};
  iovec part{.iov_base = const_cast<wire::HelloAnswer*>(&answer), .iov_len = sizeof answer};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* rights = CMSG_FIRSTHDR(&message);
  rights->cmsg_level = SOL_SOCKET;
  rights->cmsg_type = SCM_RIGHTS;
  rights->cmsg_len = CMSG_LEN(sizeof pages);
  std::memcpy(CMSG_DATA(rights), pages, sizeof pages);
  (void)sendmsg(socket, &message, MSG_NOSIGNAL);
}

// Whether the caller was answered, or is gone; else its packet is still to come.
bool Serve(int socket, const int (&pages)[2], unsigned slot) {
  wire::Hello hello{};
  const ssize_t got = recv(socket, &hello, sizeof hello, MSG_DONTWAIT);
  if (got < 0) return false;
  if (got == static_cast<ssize_t>(sizeof hello)) {
    wire::HelloAnswer answer = node::walls::AnswerHello(wire::Status::kOk);
    answer.slot = slot;
    SendPages(socket, answer, pages);
  } else if (got > 0) {
    const auto answer = node::walls::AnswerMeasure(wire::Status::kOk, 0);
    (void)send(socket, &answer, sizeof answer, MSG_NOSIGNAL);
  }
  close(socket);
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) return 2;
  std::vector<node::walls::WalledDevice> devices;
  for (int i = 3; i < argc; ++i) {
    const auto uuid = node::walls::ParseUuid(argv[i]);
    if (!uuid) return 2;
    devices.push_back({.device = argv[i],
                       .uuid = *uuid,
                       .limit_bytes = std::strtoull(argv[2], nullptr, 10),
                       .device_bytes = std::uint64_t{80} << 30U});
  }
  auto made = node::walls::PodPages::New(devices, node::walls::Away::kClosed);
  const int door = Listen(argv[1]);
  if (!made.ok() || door < 0) return 1;
  const int pages[2] = {made->limits_fd(), made->counters_fd()};
  std::puts("ready");
  std::fflush(stdout);
  std::vector<pollfd> waiting = {{.fd = door, .events = POLLIN, .revents = 0}};
  for (unsigned slot = 0; poll(waiting.data(), waiting.size(), -1) > 0;) {
    std::erase_if(waiting, [&](const pollfd& one) {
      return one.fd != door && one.revents != 0 && Serve(one.fd, pages, slot++ % wire::kMaxSlots);
    });
    for (int socket; (socket = accept4(door, nullptr, nullptr, SOCK_CLOEXEC)) >= 0;) {
      if (Serve(socket, pages, slot++ % wire::kMaxSlots)) continue;
      waiting.push_back({.fd = socket, .events = POLLIN, .revents = 0});
    }
  }
}
