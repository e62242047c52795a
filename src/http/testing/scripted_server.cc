#include "http/testing/scripted_server.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <utility>

#include "base/status.h"

namespace tranche::http::testing {

ScriptedServer::ScriptedServer(base::EventLoop& loop, Handler handler)
    : loop_(loop), handler_(std::move(handler)) {
  Up();
}

ScriptedServer::ScriptedServer(base::EventLoop& loop, TcpListener listener, Handler handler)
    : loop_(loop), handler_(std::move(handler)) {
  Listen(std::move(listener));
}

ScriptedServer::~ScriptedServer() { Down(); }

void ScriptedServer::Up() {
  auto listener = ListenOnTcp(fmt::format("127.0.0.1:{}", port_));
  TRANCHE_CHECK(listener.ok());
  Listen(std::move(*listener));
}

void ScriptedServer::Listen(TcpListener listener) {
  port_ = listener.port;
  listener_ = std::move(listener.fd);
  watch_ = loop_.WatchFd(listener_.get(), base::FdEvents::kRead, [this] { Accept(); });
}

void ScriptedServer::Down() {
  if (watch_ != 0) loop_.UnwatchFd(std::exchange(watch_, 0));
  listener_ = base::UniqueFd();
  while (!connections_.empty()) Close(connections_.begin()->first);
}

void ScriptedServer::Accept() {
  base::UniqueFd fd(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!fd.valid()) return;
  if (connections_.size() >= kMaxConnections) Close(connections_.begin()->first);
  const int number = ++last_connection_;
  Connection& connection = connections_[number];
  connection.fd = std::move(fd);
  connection.watch =
      loop_.WatchFd(connection.fd.get(), base::FdEvents::kRead, [this, number] { Read(number); });
}

void ScriptedServer::Read(int number) {
  const auto it = connections_.find(number);
  if (it == connections_.end()) return;
  std::array<char, 65536> bytes{};
  const ssize_t got = read(it->second.fd.get(), bytes.data(), bytes.size());
  if (got <= 0) return Close(number);
  it->second.in.append(bytes.data(), static_cast<std::size_t>(got));
  while (TakeRequest(number)) continue;
  const auto rest = connections_.find(number);
  if (rest != connections_.end() && rest->second.in.size() > kMaxRequestBytes) Close(number);
}

// False where it is no head of a request.
bool ScriptedServer::ReadHead(std::string_view head, Request& request) {
  const std::string_view first = head.substr(0, head.find("\r\n"));
  const std::size_t method = first.find(' ');
  const std::size_t target = first.rfind(' ');
  if (method == first.npos || method == target) return false;
  request.method = first.substr(0, method);
  request.target = first.substr(method + 1, target - method - 1);
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
  return true;
}

// False where there is no whole request, or the connection has been closed.
bool ScriptedServer::TakeRequest(int number) {
  const auto it = connections_.find(number);
  if (it == connections_.end()) return false;
  std::string& in = it->second.in;
  const std::size_t end = in.find("\r\n\r\n");
  if (end == std::string::npos) return false;
  Request request;
  request.connection = number;
  std::size_t length = 0;
  bool sense = ReadHead(std::string_view(in).substr(0, end), request);
  if (const auto found = request.headers.find("content-length"); found != request.headers.end()) {
    const std::string& text = found->second;
    std::from_chars(text.data(), text.data() + text.size(), length);
    sense = sense && length <= kMaxRequestBytes;
  }
  if (!sense) {
    Close(number);
    return false;
  }
  if (in.size() < end + 4 + length) return false;
  request.body = in.substr(end + 4, length);
  in.erase(0, end + 4 + length);
  requests_.push_back(request);
  handler_(request);
  return true;
}

void ScriptedServer::Write(const Request& request, std::string_view raw_bytes) {
  const auto it = connections_.find(request.connection);
  if (it == connections_.end()) return;
  const bool waiting = !it->second.out.empty();
  it->second.out.append(raw_bytes);
  if (it->second.out.size() > kMaxWaitingBytes) return Close(request.connection);
  if (!waiting) Flush(request.connection);
}

void ScriptedServer::WriteForEver(const Request& request, const std::string& raw_bytes,
                                  base::Duration pause) {
  const auto it = connections_.find(request.connection);
  if (it == connections_.end()) return;
  if (it->second.out.empty()) Write(request, raw_bytes);
  loop_.RunAfter(pause,
                 [this, request, raw_bytes, pause] { WriteForEver(request, raw_bytes, pause); });
}

// The client reads on the same thread: what does not fit the socket is sent when it has.
void ScriptedServer::Flush(int number) {
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

void ScriptedServer::Reply(const Request& request, int code, std::string_view body,
                           std::string_view headers) {
  Write(request, fmt::format("HTTP/1.1 {} X\r\nContent-Length: {}\r\n{}\r\n{}", code, body.size(),
                             headers, body));
}

void ScriptedServer::StartStream(const Request& request) {
  Write(request, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
}
void ScriptedServer::Stream(const Request& request, std::string_view bytes) {
  Write(request, fmt::format("{:x}\r\n{}\r\n", bytes.size(), bytes));
}
void ScriptedServer::EndStream(const Request& request) { Write(request, "0\r\n\r\n"); }

void ScriptedServer::HangUp(const Request& request) {
  const auto it = connections_.find(request.connection);
  if (it == connections_.end()) return;
  if (it->second.out.empty()) return Close(request.connection);
  it->second.hangs_up = true;
}

void ScriptedServer::Close(int number) {
  const auto it = connections_.find(number);
  if (it == connections_.end()) return;
  loop_.UnwatchFd(it->second.watch);
  connections_.erase(it);
}

}  // namespace tranche::http::testing
