#include "http/tcp_listener.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace tranche::http {

namespace {

constexpr int kBacklog = 128;

struct Address {
  sockaddr_storage bytes{};
  socklen_t size = 0;
  bool any = false;  // every address of both families
};

base::Status NoAddress(const std::string& text) {
  return {base::Code::kInvalidArgument,
          "\"" + text +
              "\" is not [address:]port with a numeric address, as 9435, 127.0.0.1:9435 "
              "or [::1]:9435"};
}

Address Of(const in_addr& ip, std::uint16_t port) {
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_addr = ip;
  to.sin_port = htons(port);
  Address address{.size = sizeof(to)};
  std::memcpy(&address.bytes, &to, sizeof(to));
  return address;
}

Address Of(const in6_addr& ip, std::uint16_t port) {
  sockaddr_in6 to{};
  to.sin6_family = AF_INET6;
  to.sin6_addr = ip;
  to.sin6_port = htons(port);
  Address address{.size = sizeof(to), .any = IN6_IS_ADDR_UNSPECIFIED(&ip)};
  std::memcpy(&address.bytes, &to, sizeof(to));
  return address;
}

base::Result<Address> Parse(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  const std::string_view port_text =
      std::string_view(text).substr(colon == std::string::npos ? 0 : colon + 1);
  std::uint16_t port = 0;
  const char* end = port_text.data() + port_text.size();
  const auto parsed = std::from_chars(port_text.data(), end, port);
  if (parsed.ec != std::errc() || parsed.ptr != end) return NoAddress(text);
  std::string host = text.substr(0, colon == std::string::npos ? 0 : colon);
  if (host.empty()) return Of(in6addr_any, port);
  if (host.front() == '[' && host.back() == ']') {
    in6_addr ip{};
    host = host.substr(1, host.size() - 2);
    if (inet_pton(AF_INET6, host.c_str(), &ip) != 1) return NoAddress(text);
    return Of(ip, port);
  }
  in_addr ip{};
  if (inet_pton(AF_INET, host.c_str(), &ip) != 1) return NoAddress(text);
  return Of(ip, port);
}

int PortOf(const sockaddr_storage& bound) {
  if (bound.ss_family == AF_INET6) {
    return ntohs(reinterpret_cast<const sockaddr_in6&>(bound).sin6_port);
  }
  return ntohs(reinterpret_cast<const sockaddr_in&>(bound).sin_port);
}

base::Status CannotListen(int error, const std::string& text) {
  const std::string what = "cannot listen on " + text;
  if (error == EADDRINUSE) return {base::Code::kUnavailable, what + ": the address is taken"};
  return base::ErrnoStatus(error, what);
}

}  // namespace

base::Status CheckTcpAddress(const std::string& address) { return Parse(address).status(); }

base::Result<TcpListener> ListenOnTcp(const std::string& text) {
  auto parsed = Parse(text);
  if (!parsed.ok()) return parsed.status();
  Address address = *parsed;
  constexpr int kType = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK;
  TcpListener listener{.fd = base::UniqueFd(socket(address.bytes.ss_family, kType, 0))};
  if (!listener.fd.valid() && errno == EAFNOSUPPORT && address.any) {
    const auto& six = reinterpret_cast<const sockaddr_in6&>(address.bytes);
    address = Of(in_addr{.s_addr = htonl(INADDR_ANY)}, ntohs(six.sin6_port));
    listener.fd = base::UniqueFd(socket(AF_INET, kType, 0));
  }
  if (!listener.fd.valid()) return CannotListen(errno, text);
  const int fd = listener.fd.get();
  const int on = 1;
  const int off = 0;
  // Connections of an agent that has ended keep the port for a minute without this.
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (address.bytes.ss_family == AF_INET6) {
    const int* only_six = address.any ? &off : &on;
    if (setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, only_six, sizeof(int)) != 0) {
      return CannotListen(errno, text);
    }
  }
  if (bind(fd, reinterpret_cast<const sockaddr*>(&address.bytes), address.size) != 0 ||
      listen(fd, kBacklog) != 0) {
    return CannotListen(errno, text);
  }
  sockaddr_storage bound{};
  socklen_t size = sizeof(bound);
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&bound), &size) != 0) {
    return CannotListen(errno, text);
  }
  listener.port = PortOf(bound);
  return listener;
}

}  // namespace tranche::http
