#include "kubelet/call_relay.h"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <utility>

#include "base/log.h"

namespace tranche::kubelet {
namespace {

bool Later(int error) { return error == EAGAIN || error == EWOULDBLOCK || error == EINTR; }

}  // namespace

CallRelay::CallRelay(base::EventLoop& loop, base::UniqueFd client, base::UniqueFd server,
                     long max_open_calls, std::function<void()> over)
    : loop_(loop), max_open_calls_(max_open_calls), over_(std::move(over)) {
  client_.fd = std::move(client);
  server_.fd = std::move(server);
  Wait(client_, server_);
  Wait(server_, client_);
}

CallRelay::~CallRelay() { LeaveLoop(); }

void CallRelay::LeaveLoop() {
  Stop(client_);
  Stop(server_);
}

bool CallRelay::Drain() {
  Passed passed = Passed::kSome;
  while (passed == Passed::kSome) {
    if (!client_.unsent.empty()) CloseClient();
    passed = Pass(server_);
  }
  return passed != Passed::kOver;
}

void CallRelay::Ready(End& end) {
  if (Pass(end) == Passed::kOver) {
    Stop(client_);
    Stop(server_);
    const auto over = std::move(over_);
    return over();
  }
  Wait(client_, server_);
  Wait(server_, client_);
}

// What has been waited for at this end.
CallRelay::Passed CallRelay::Pass(End& end) {
  if (!end.unsent.empty()) return Send(end, std::exchange(end.unsent, {}));
  std::array<char, kReadBytes> bytes;
  const ssize_t got = ::recv(end.fd.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
  if (got < 0 && Later(errno)) return Passed::kNothing;
  if (got > 0) return Received(end, {bytes.data(), static_cast<std::size_t>(got)});
  if (got < 0 || &end == &server_) return Broken(end);
  // The client may still read.
  client_.silent = true;
  ::shutdown(server_.fd.get(), SHUT_WR);
  return Passed::kSome;
}

CallRelay::Passed CallRelay::Received(End& from, std::string_view bytes) {
  if (&from == &server_) {
    calls_.FromServer(bytes);
    return Send(client_, bytes);
  }
  calls_.FromClient(bytes);
  if (calls_.count() <= max_open_calls_) return Send(server_, bytes);
  base::LogWarning("a client resets its calls at once: its connection is closed");
  return CloseClient();
}

CallRelay::Passed CallRelay::Send(End& to, std::string_view bytes) {
  while (to.fd.valid() && !bytes.empty()) {
    const ssize_t sent =
        ::send(to.fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && !Later(errno)) return Broken(to);
    if (sent < 0) {
      to.unsent = bytes;
      break;
    }
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return Passed::kSome;
}

CallRelay::Passed CallRelay::Broken(End& end) {
  return &end == &server_ ? Passed::kOver : CloseClient();
}

// gRPC closes its end once it has read that nothing more comes; what it says until then is dropped.
CallRelay::Passed CallRelay::CloseClient() {
  Stop(client_);
  client_.fd = base::UniqueFd();
  client_.unsent.clear();
  server_.unsent.clear();
  ::shutdown(server_.fd.get(), SHUT_WR);
  return Passed::kSome;
}

void CallRelay::Wait(End& end, const End& other) {
  Waits waits = Waits::kForNothing;
  if (!end.unsent.empty()) {
    waits = Waits::kToWrite;
  } else if (end.fd.valid() && !end.silent && other.unsent.empty()) {
    waits = Waits::kToRead;
  }
  if (waits == end.waits) return;
  Stop(end);
  if (waits == Waits::kForNothing) return;
  end.waits = waits;
  const auto events = waits == Waits::kToRead ? base::FdEvents::kRead : base::FdEvents::kWrite;
  end.watch = loop_.WatchFd(end.fd.get(), events, [this, &end] { Ready(end); });
}

void CallRelay::Stop(End& end) {
  if (end.watch != 0) loop_.UnwatchFd(std::exchange(end.watch, 0));
  end.waits = Waits::kForNothing;
}

}  // namespace tranche::kubelet
