// A client for tests of HTTP servers: one connection on the loopback interface, which sends what it
// is told, byte for byte, and never blocks. The server's loop runs on the same thread in between.
//
// Threading: one thread.
// Errors: a connection that cannot be made is closed() from the start.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <functional>
#include <string>

#include "base/file.h"

namespace tranche::http::testing {

class Client {
 public:
  // `from` is any address in 127.0.0.0/8, which reaches the server at 127.0.0.1, or ::1.
  explicit Client(int port, const std::string& from = "127.0.0.1") {
    const bool six = from == "::1";
    fd_ = base::UniqueFd(socket(six ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const Address self = AddressOf(from, 0);
    const Address server = AddressOf(six ? "::1" : "127.0.0.1", port);
    closed_ = bind(fd_.get(), &self.any, sizeof(self)) != 0 ||
              connect(fd_.get(), &server.any, sizeof(server)) != 0;
  }

  void Send(const std::string& bytes) {
    if (!closed_ && send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
      closed_ = errno != EAGAIN;
    }
  }

  // All that has come so far.
  const std::string& Received() {
    std::array<char, 65536> bytes{};
    while (!closed_) {
      const ssize_t got = recv(fd_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
      if (got > 0) {
        received_.append(bytes.data(), static_cast<std::size_t>(got));
      } else if (got == 0 || errno != EAGAIN) {
        closed_ = true;
      } else {
        break;
      }
    }
    return received_;
  }
  // Whether the server has closed the connection. Reads what has come before.
  bool Closed() {
    Received();
    return closed_;
  }
  // Whether the server has closed the connection. Reads nothing, as a client that does not read.
  [[nodiscard]] bool Gone() const {
    pollfd one{.fd = fd_.get(), .events = 0, .revents = 0};
    return closed_ || (poll(&one, 1, 0) == 1 && (one.revents & (POLLHUP | POLLERR)) != 0);
  }

 private:
  union Address {
    sockaddr_in6 six;
    sockaddr_in four;
    sockaddr any;
  };
  static Address AddressOf(const std::string& ip, int port) {
    Address address{};
    if (ip == "::1") {
      address.six.sin6_family = AF_INET6;
      address.six.sin6_port = htons(static_cast<std::uint16_t>(port));
      address.six.sin6_addr = in6addr_loopback;
    } else {
      address.four.sin_family = AF_INET;
      address.four.sin_port = htons(static_cast<std::uint16_t>(port));
      inet_pton(AF_INET, ip.c_str(), &address.four.sin_addr);
    }
    return address;
  }

  base::UniqueFd fd_;
  bool closed_ = false;
  std::string received_;
};

// The whole answer to `request`. `turn` runs the server's loop for a moment, and is called until
// the server has closed the connection; a test's own limit ends what hangs.
inline std::string Exchange(int port, const std::string& request,
                            const std::function<void()>& turn) {
  Client client(port);
  client.Send(request);
  const auto guard = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!client.Closed() && std::chrono::steady_clock::now() < guard) turn();
  return client.Received();
}

inline std::string Request(const std::string& method, const std::string& path) {
  return method + " " + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n";
}

}  // namespace tranche::http::testing
