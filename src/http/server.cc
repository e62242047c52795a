#include "http/server.h"

#include <microhttpd.h>
#include <netinet/in.h>
#include <strings.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <deque>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/timer.h"
#include "base/weak_runner.h"
#include "http/local_names.h"
#include "http/tcp_listener.h"

namespace tranche::http {

namespace {

// Accepted in one go, so that a flood of connections leaves the loop to others in between.
constexpr int kAcceptsInOneGo = 16;
constexpr auto kAcceptRetry = std::chrono::milliseconds(100);

// An IPv4 address is written as IPv6 maps it, which is how a socket of both families tells it.
using Address = std::array<unsigned char, 16>;

Address AddressOf(const sockaddr_storage& peer) {
  Address address{};
  if (peer.ss_family == AF_INET6) {
    std::memcpy(address.data(), &reinterpret_cast<const sockaddr_in6&>(peer).sin6_addr, 16);
  } else {
    address[10] = address[11] = 0xff;
    std::memcpy(&address[12], &reinterpret_cast<const sockaddr_in&>(peer).sin_addr, 4);
  }
  return address;
}

struct Connection {
  int fd;  // libmicrohttpd closes it
  Address address;
  base::TimePoint deadline;
  bool cut = false;

  // Of a stream.
  MHD_Connection* micro = nullptr;
  std::string path = {};
  std::deque<std::shared_ptr<const std::string>> waiting = {};
  std::size_t sent_of_first = 0;
  bool suspended = false;  // until there is something to send
};
using Connections = std::list<Connection>;

void Erase(Connections& connections, const Connection* gone) {
  connections.remove_if([gone](const Connection& one) { return &one == gone; });
}

// What a client said under this name; nullopt where it did so more than once.
std::optional<std::string> HeaderOf(MHD_Connection* connection, std::string_view name) {
  struct Found {
    std::string_view name;
    std::vector<std::string> values;
  } found{.name = name, .values = {}};
  const auto note = [](void* out, MHD_ValueKind /*kind*/, const char* key, const char* value) {
    auto& into = *static_cast<Found*>(out);
    if (std::strlen(key) == into.name.size() &&
        strncasecmp(key, into.name.data(), into.name.size()) == 0) {
      into.values.emplace_back(value == nullptr ? "" : value);
    }
    return MHD_YES;
  };
  MHD_get_connection_values(connection, MHD_HEADER_KIND, note, &found);
  if (found.values.size() > 1) return std::nullopt;
  return found.values.empty() ? "" : found.values.front();
}

class MicroServer : public Server {
 public:
  MicroServer(base::EventLoop& loop, ServerOptions options)
      : loop_(loop),
        options_(std::move(options)),
        deadline_(loop),
        accept_retry_(loop),
        runner_(loop) {}

  ~MicroServer() override {
    StopListening();
    if (daemon_watch_ != 0) loop_.UnwatchFd(daemon_watch_);
    for (Connection& stream : streams_) Resume(stream);  // libmicrohttpd ends with none suspended
    if (daemon_ != nullptr) MHD_stop_daemon(daemon_);    // closes every connection
  }

  base::Status Listen(const std::string& listen) {
    auto listener = ListenOnTcp(listen);
    if (!listener.ok()) return listener.status();
    listener_ = std::move(*listener);
    // One more than we let in: the one that is cut off is still there while the next comes.
    daemon_ = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME, 0, nullptr, nullptr,
        &MicroServer::OnRequest, this, MHD_OPTION_NOTIFY_CONNECTION, &MicroServer::OnConnection,
        this, MHD_OPTION_UNESCAPE_CALLBACK, &MicroServer::LeaveEscaped, nullptr,
        MHD_OPTION_CONNECTION_LIMIT,
        static_cast<unsigned int>(Limits::kConnections + Limits::kStreams + 1),
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, Limits::kHeadBytes, MHD_OPTION_END);
    if (daemon_ == nullptr) return {base::Code::kResourceExhausted, "cannot start the HTTP server"};
    const MHD_DaemonInfo* info = MHD_get_daemon_info(daemon_, MHD_DAEMON_INFO_EPOLL_FD);
    daemon_watch_ = loop_.WatchFd(info->epoll_fd, base::FdEvents::kRead, [this] { Serve(); });
    StartListening();
    return base::Status::Ok();
  }

  [[nodiscard]] int port() const override { return listener_.port; }
  [[nodiscard]] std::size_t connections() const override { return connections_.size(); }
  [[nodiscard]] std::size_t streams() const override { return streams_.size(); }

  void Handle(const std::string& path, std::function<Answer()> handler) override {
    handlers_[path] = std::move(handler);
  }

  void HandleStream(const std::string& path, std::function<std::string()> first) override {
    firsts_[path] = std::move(first);
  }

  void Send(const std::string& path, const std::string& text) override {
    const auto shared = std::make_shared<const std::string>(text);
    for (Connection& stream : streams_) {
      if (stream.path != path || stream.cut) continue;
      if (stream.waiting.size() < Limits::kWaitingEvents) {
        stream.waiting.push_back(shared);
      } else {
        Cut(stream);
      }
      Resume(stream);
    }
    Serve();
  }

 private:
  void StartListening() {
    listener_watch_ =
        loop_.WatchFd(listener_.fd.get(), base::FdEvents::kRead, [this] { AcceptSome(); });
  }

  void StopListening() {
    if (listener_watch_ != 0) loop_.UnwatchFd(std::exchange(listener_watch_, 0));
  }

  void AcceptSome() {
    for (int i = 0; i < kAcceptsInOneGo; ++i) {
      sockaddr_storage peer{};
      socklen_t size = sizeof(peer);
      base::UniqueFd fd(accept4(listener_.fd.get(), reinterpret_cast<sockaddr*>(&peer), &size,
                                SOCK_CLOEXEC | SOCK_NONBLOCK));
      if (fd.valid()) {
        Admit(std::move(fd), peer, size);
      } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
        // That passes, and the listener stays ready meanwhile: do not look until later.
        StopListening();
        return accept_retry_.Start(kAcceptRetry, [this] { StartListening(); });
      } else if (errno != EINTR && errno != ECONNABORTED) {
        return;  // EAGAIN, or what only this connection had
      }
    }
  }

  void Admit(base::UniqueFd fd, const sockaddr_storage& peer, socklen_t size) {
    MakeRoomFor(AddressOf(peer));
    coming_ = AddressOf(peer);
    // Tells OnConnection before it returns, and closes the descriptor where it fails.
    MHD_add_connection(daemon_, fd.release(), reinterpret_cast<const sockaddr*>(&peer), size);
    Serve();  // a request that has come with the connection is answered at once
  }

  [[nodiscard]] auto CountOf(const Address& address) const {
    return std::count_if(connections_.begin(), connections_.end(),
                         [&](const Connection& other) { return other.address == address; });
  }

  void MakeRoomFor(const Address& address) {
    const auto fewer = [this](const Connection& a, const Connection& b) {
      return CountOf(a.address) < CountOf(b.address);
    };
    Address from = address;
    if (CountOf(address) < static_cast<long>(Limits::kConnectionsPerAddress)) {
      if (connections_.size() < Limits::kConnections) return;
      from = std::max_element(connections_.begin(), connections_.end(), fewer)->address;
    }
    const auto oldest =
        std::find_if(connections_.begin(), connections_.end(),
                     [&](const Connection& one) { return one.address == from && !one.cut; });
    if (oldest != connections_.end()) Cut(*oldest);
    Serve();
  }

  // libmicrohttpd sees the end of the connection when it is next served, and closes it.
  static void Cut(Connection& connection) {
    // What has not been sent goes too: the kernel keeps nothing for a reader that does not read.
    const linger now{.l_onoff = 1, .l_linger = 0};
    setsockopt(connection.fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    shutdown(connection.fd, SHUT_RDWR);
    connection.cut = true;
  }

  void CutLate() {
    for (Connection& connection : connections_) {
      if (connection.deadline <= loop_.Now()) Cut(connection);
    }
    Serve();
  }

  void Serve() {
    MHD_run(daemon_);
    // It may have read more than it has worked on. Others have their turn first.
    MHD_UNSIGNED_LONG_LONG wait = 0;
    if (!serving_again_ && MHD_get_timeout(daemon_, &wait) == MHD_YES && wait == 0) {
      serving_again_ = true;
      runner_.Post([this] {
        serving_again_ = false;
        Serve();
      });
    }
    ArmDeadline();
  }

  // The oldest is the first that is late.
  void ArmDeadline() {
    const auto waiting = std::find_if(connections_.begin(), connections_.end(),
                                      [](const Connection& one) { return !one.cut; });
    if (waiting == connections_.end()) return deadline_.Stop();
    deadline_.Start(waiting->deadline - loop_.Now(), [this] { CutLate(); });
  }

  static void OnConnection(void* self, MHD_Connection* connection, void** context,
                           MHD_ConnectionNotificationCode what) {
    auto& server = *static_cast<MicroServer*>(self);
    if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
      const auto* closed = static_cast<const Connection*>(*context);
      Erase(server.connections_, closed);
      Erase(server.streams_, closed);
      return;
    }
    const MHD_ConnectionInfo* info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    server.connections_.push_back({.fd = info->connect_fd,
                                   .address = server.coming_,
                                   .deadline = server.loop_.Now() + Limits::kRequest});
    *context = &server.connections_.back();
  }

  static size_t LeaveEscaped(void* /*unused*/, MHD_Connection* /*unused*/, char* text) {
    return std::strlen(text);
  }

  // Answered as soon as the head of a request is there: what follows is never read.
  static MHD_Result OnRequest(void* self, MHD_Connection* connection, const char* path,
                              const char* method, const char* /*version*/, const char* /*body*/,
                              size_t* /*body_size*/, void** /*context*/) {
    return static_cast<MicroServer*>(self)->Reply(connection, path, method);
  }

  MHD_Result Reply(MHD_Connection* connection, const std::string& path, std::string_view method) {
    const bool served = method == "GET" || method == "HEAD";
    Answer answer;
    if (!served) {
      answer = {.status = 405, .body = "only GET and HEAD are served here\n"};
    } else if (options_.local_names_only && !MeantForUs(connection)) {
      answer = {.status = 403,
                .body = "this is served to pages of this machine alone: ask for localhost\n"};
    } else if (firsts_.contains(path)) {
      if (method == "GET" && streams_.size() < Limits::kStreams) return Stream(connection, path);
      answer = {.status = method == "GET" ? 503 : 200,
                .body = "as many have this stream open as may\n"};
    } else {
      answer = Ask(path);
    }
    MHD_Response* response = Holding(std::move(answer.body));
    if (response != nullptr && !served) MHD_add_response_header(response, "Allow", "GET, HEAD");
    return Queue(connection, response, answer.status, answer.content_type);
  }

  // A response with this body, which it keeps; nullptr: no memory.
  static MHD_Response* Holding(std::string text) {
    auto body = std::make_unique<std::string>(std::move(text));
    MHD_Response* response = MHD_create_response_from_buffer_with_free_callback_cls(
        body->size(), body->data(), [](void* kept) { delete static_cast<std::string*>(kept); },
        body.get());
    if (response != nullptr) static_cast<void>(body.release());  // it is the response's now
    return response;
  }

  MHD_Result Queue(MHD_Connection* connection, MHD_Response* response, int status,
                   const std::string& content_type) const {
    if (response == nullptr) return MHD_NO;
    MHD_add_response_header(response, "Content-Type", content_type.c_str());
    MHD_add_response_header(response, "Cache-Control", "no-store");
    MHD_add_response_header(response, "Connection", "close");
    for (const auto& [name, value] : options_.headers) {
      MHD_add_response_header(response, name.c_str(), value.c_str());
    }
    const MHD_Result queued =
        MHD_queue_response(connection, static_cast<unsigned int>(status), response);
    MHD_destroy_response(response);
    return queued;
  }

  static bool MeantForUs(MHD_Connection* connection) {
    const auto host = HeaderOf(connection, "Host");
    const auto origin = HeaderOf(connection, "Origin");
    return host && origin && NamesThisMachine(*host) && SameOrigin(*origin, *host);
  }

  Answer Ask(const std::string& path) {
    const auto it = handlers_.find(path);
    if (it != handlers_.end()) return it->second();
    std::string known;
    for (const auto& [name, handler] : handlers_) known += name + "\n";
    for (const auto& [name, first] : firsts_) known += name + "\n";
    return {.status = 404, .body = "not found; served here:\n" + known};
  }

  // ---- streams ----

  MHD_Result Stream(MHD_Connection* connection, const std::string& path) {
    const MHD_ConnectionInfo* info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    const auto self =
        std::find_if(connections_.begin(), connections_.end(),
                     [&](const Connection& one) { return &one == info->socket_context; });
    TRANCHE_CHECK(self != connections_.end());
    MHD_Response* response = MHD_create_response_from_callback(
        MHD_SIZE_UNKNOWN, Limits::kHeadBytes / 2, &MicroServer::NextOfStream, &*self, nullptr);
    if (response == nullptr) return MHD_NO;
    setsockopt(self->fd, SOL_SOCKET, SO_SNDBUF, &Limits::kStreamSocketBytes,
               sizeof(Limits::kStreamSocketBytes));
    self->micro = connection;
    self->path = path;
    self->waiting.push_back(std::make_shared<const std::string>(firsts_.at(path)()));
    streams_.splice(streams_.end(), connections_, self);
    return Queue(connection, response, 200, "text/event-stream");
  }

  static ssize_t NextOfStream(void* self, std::uint64_t /*offset*/, char* buffer, size_t size) {
    Connection& stream = *static_cast<Connection*>(self);
    if (stream.cut) return MHD_CONTENT_READER_END_WITH_ERROR;
    if (stream.waiting.empty()) {
      MHD_suspend_connection(stream.micro);
      stream.suspended = true;
      return 0;
    }
    const std::string& text = *stream.waiting.front();
    const size_t part = text.copy(buffer, size, stream.sent_of_first);
    stream.sent_of_first += part;
    if (stream.sent_of_first == text.size()) {
      stream.waiting.pop_front();
      stream.sent_of_first = 0;
    }
    return static_cast<ssize_t>(part);
  }

  static void Resume(Connection& stream) {
    if (std::exchange(stream.suspended, false)) MHD_resume_connection(stream.micro);
  }

  base::EventLoop& loop_;
  const ServerOptions options_;
  TcpListener listener_;
  MHD_Daemon* daemon_ = nullptr;
  base::EventLoop::WatchId listener_watch_ = 0;
  base::EventLoop::WatchId daemon_watch_ = 0;
  std::map<std::string, std::function<Answer()>> handlers_;
  std::map<std::string, std::function<std::string()>> firsts_;  // of streams
  Connections connections_;                                     // the oldest first
  Connections streams_;                                         // they were connections before
  Address coming_{};  // the address of the one that is being let in
  bool serving_again_ = false;
  base::Timer deadline_;
  base::Timer accept_retry_;
  base::WeakRunner runner_;  // the last member: destroyed first
};

}  // namespace

base::Result<std::unique_ptr<Server>> NewServer(base::EventLoop& loop, const std::string& listen,
                                                ServerOptions options) {
  auto server = std::make_unique<MicroServer>(loop, std::move(options));
  TRANCHE_TRY(server->Listen(listen));
  return std::unique_ptr<Server>(std::move(server));
}

}  // namespace tranche::http
