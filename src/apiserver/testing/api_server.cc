#include "apiserver/testing/api_server.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>

#include "base/status.h"

namespace tranche::apiserver::testing {

ApiServer::ApiServer(base::EventLoop& loop, Handler handler)
    : loop_(loop), handler_(std::move(handler)) {
  Up();
}

ApiServer::~ApiServer() { Down(); }

void ApiServer::Up() {
  listener_ = base::UniqueFd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const int yes = 1;
  setsockopt(listener_.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(port_));
  auto* raw = reinterpret_cast<sockaddr*>(&address);
  TRANCHE_CHECK(bind(listener_.get(), raw, sizeof(address)) == 0);
  TRANCHE_CHECK(listen(listener_.get(), 64) == 0);
  socklen_t size = sizeof(address);
  TRANCHE_CHECK(getsockname(listener_.get(), raw, &size) == 0);
  port_ = ntohs(address.sin_port);
  watch_ = loop_.WatchFd(listener_.get(), base::FdEvents::kRead, [this] { Accept(); });
}

void ApiServer::Down() {
  if (watch_ != 0) loop_.UnwatchFd(std::exchange(watch_, 0));
  listener_ = base::UniqueFd();
  while (!connections_.empty()) Close(connections_.begin()->first);
}

void ApiServer::Accept() {
  base::UniqueFd fd(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!fd.valid()) return;
  const int number = ++last_connection_;
  Connection& connection = connections_[number];
  connection.fd = std::move(fd);
  connection.watch =
      loop_.WatchFd(connection.fd.get(), base::FdEvents::kRead, [this, number] { Read(number); });
}

void ApiServer::Read(int number) {
  const auto it = connections_.find(number);
  if (it == connections_.end()) return;
  std::array<char, 65536> bytes{};
  const ssize_t got = read(it->second.fd.get(), bytes.data(), bytes.size());
  if (got <= 0) return Close(number);
  it->second.in.append(bytes.data(), static_cast<std::size_t>(got));
  while (TakeRequest(number)) continue;
}

bool ApiServer::TakeRequest(int number) {
  const auto it = connections_.find(number);
  if (it == connections_.end()) return false;
  std::string& in = it->second.in;
  const std::size_t end = in.find("\r\n\r\n");
  if (end == std::string::npos) return false;
  Request request;
  request.connection = number;
  std::string_view head = std::string_view(in).substr(0, end);
  const std::string_view first = head.substr(0, head.find("\r\n"));
  request.method = first.substr(0, first.find(' '));
  request.target = first.substr(first.find(' ') + 1);
  request.target.resize(request.target.rfind(' '));
  for (std::size_t at = head.find("\r\n"); at != head.npos; at = head.find("\r\n", at + 2)) {
    const std::string_view line = head.substr(at + 2, head.find("\r\n", at + 2) - at - 2);
    const std::size_t colon = line.find(": ");
    if (colon == line.npos) continue;
    std::string name(line.substr(0, colon));
    std::ranges::transform(name, name.begin(), [](char c) {
      return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    request.headers[name] = line.substr(colon + 2);
  }
  std::size_t length = 0;
  if (const auto found = request.headers.find("content-length"); found != request.headers.end()) {
    const std::string& text = found->second;
    std::from_chars(text.data(), text.data() + text.size(), length);
  }
  if (in.size() < end + 4 + length) return false;
  request.body = in.substr(end + 4, length);
  in.erase(0, end + 4 + length);
  requests_.push_back(request);
  handler_(request);
  return true;
}

void ApiServer::Write(const Request& request, std::string_view raw_bytes) {
  const auto it = connections_.find(request.connection);
  if (it == connections_.end()) return;
  const bool waiting = !it->second.out.empty();
  it->second.out.append(raw_bytes);
  if (!waiting) Flush(request.connection);
}

void ApiServer::WriteForEver(const Request& request, const std::string& raw_bytes,
                             base::Duration pause) {
  const auto it = connections_.find(request.connection);
  if (it == connections_.end()) return;
  if (it->second.out.empty()) Write(request, raw_bytes);
  loop_.RunAfter(pause,
                 [this, request, raw_bytes, pause] { WriteForEver(request, raw_bytes, pause); });
}

// The client reads on the same thread: what does not fit the socket is sent when it has.
void ApiServer::Flush(int number) {
  const auto it = connections_.find(number);
  if (it == connections_.end()) return;
  std::string& out = it->second.out;
  const ssize_t sent = send(it->second.fd.get(), out.data(), out.size(), MSG_NOSIGNAL);
  if (sent < 0 && errno != EAGAIN) return Close(number);
  out.erase(0, sent < 0 ? 0 : static_cast<std::size_t>(sent));
  if (!out.empty()) {
    loop_.RunAfter(std::chrono::milliseconds(1), [this, number] { Flush(number); });
  } else if (it->second.hangs_up) {
    Close(number);
  }
}

void ApiServer::Reply(const Request& request, int code, std::string_view body,
                      std::string_view headers) {
  Write(request, fmt::format("HTTP/1.1 {} X\r\nContent-Length: {}\r\n{}\r\n{}", code, body.size(),
                             headers, body));
}

void ApiServer::StartStream(const Request& request) {
  Write(request, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
}
void ApiServer::Stream(const Request& request, std::string_view bytes) {
  Write(request, fmt::format("{:x}\r\n{}\r\n", bytes.size(), bytes));
}
void ApiServer::EndStream(const Request& request) { Write(request, "0\r\n\r\n"); }

void ApiServer::HangUp(const Request& request) {
  const auto it = connections_.find(request.connection);
  if (it == connections_.end()) return;
  if (it->second.out.empty()) return Close(request.connection);
  it->second.hangs_up = true;
}

void ApiServer::Close(int number) {
  const auto it = connections_.find(number);
  if (it == connections_.end()) return;
  loop_.UnwatchFd(it->second.watch);
  connections_.erase(it);
}

}  // namespace tranche::apiserver::testing
