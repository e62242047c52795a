#include "rpc/server.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <map>
#include <optional>
#include <utility>

#include "base/file.h"
#include "base/timer.h"
#include "rpc/connection.h"
#include "rpc/unix_socket.h"

namespace tranche::rpc {
namespace {

constexpr int kBacklog = 16;
constexpr std::chrono::milliseconds kAcceptRetry{100};

// A request, at the cost of a budget for as long as it is there.
class HeldMessage {
 public:
  // nullopt: the budget does not allow it.
  static std::optional<HeldMessage> Hold(std::string text, std::shared_ptr<MessageBudget> budget) {
    if (!MessageBudget::Counts(text.size())) budget = nullptr;
    if (budget != nullptr && !budget->Take(text.size())) return std::nullopt;
    return HeldMessage(std::move(text), std::move(budget));
  }
  HeldMessage(HeldMessage&&) = default;
  HeldMessage& operator=(HeldMessage&&) = delete;
  ~HeldMessage() {
    if (budget_ != nullptr) budget_->GiveBack(text_.size());
  }
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  HeldMessage(std::string text, std::shared_ptr<MessageBudget> budget)
      : text_(std::move(text)), budget_(std::move(budget)) {}

  std::string text_;
  std::shared_ptr<MessageBudget> budget_;  // null: it costs nothing, or was moved away
};

// A call of one connection, which it does not keep alive.
class StreamCall final : public ServerCall {
 public:
  StreamCall(std::weak_ptr<Connection> connection, StreamId stream, std::string method,
             HeldMessage request)
      : connection_(std::move(connection)),
        stream_(stream),
        method_(std::move(method)),
        request_(std::move(request)) {}

  [[nodiscard]] const std::string& method() const override { return method_; }
  [[nodiscard]] const std::string& request() const override { return request_.text(); }

  void Finish(const base::Status& status, std::string_view response) override {
    if (status.ok()) Send(std::make_shared<const std::string>(response));
    if (const auto connection = connection_.lock()) connection->Finish(stream_, status);
  }
  void Send(std::shared_ptr<const std::string> message) override {
    if (const auto connection = connection_.lock()) connection->Send(stream_, std::move(message));
  }
  void OnClosed(std::function<void()> closed) override { on_closed_ = std::move(closed); }

  void Closed() {
    connection_.reset();
    if (on_closed_) std::exchange(on_closed_, nullptr)();
  }

 private:
  std::weak_ptr<Connection> connection_;
  const StreamId stream_;
  const std::string method_;
  const HeldMessage request_;
  std::function<void()> on_closed_;
};

// One client, and its calls.
class Client final : public ConnectionHandler {
 public:
  Client(base::EventLoop& loop, base::UniqueFd socket, SessionLimits limits,
         std::shared_ptr<const Server::OnCall> on_call, std::function<void()> on_over)
      : budget_(limits.budget),
        on_call_(std::move(on_call)),
        on_over_(std::move(on_over)),
        connection_(std::make_shared<Connection>(loop, Side::kServer, std::move(socket),
                                                 std::move(limits), *this)),
        runner_(loop) {}

  void MessageCame(StreamId stream, const std::string& method, std::string message) override {
    auto request = HeldMessage::Hold(std::move(message), budget_);
    if (!request) {
      return connection_->Finish(
          stream, {base::Code::kResourceExhausted, "too many messages are held at a time"});
    }
    const auto call =
        std::make_shared<StreamCall>(connection_, stream, method, std::move(*request));
    calls_.emplace(stream, call);
    const auto on_call = on_call_;  // which may end the server
    (*on_call)(call);
  }
  void MessageRefused(StreamId stream, const base::Status& why) override {
    connection_->Finish(stream, why);
  }
  void StreamEnded(StreamId stream, const StreamHead& /*head*/) override {
    if (calls_.contains(stream)) return;
    connection_->Finish(stream, {base::Code::kInvalidArgument, "no request message"});
  }
  void StreamClosed(StreamId stream, std::uint32_t /*http2_error*/) override {
    const auto call = calls_.extract(stream);
    if (!call.empty()) call.mapped()->Closed();
  }
  void ConnectionOver(const base::Status& /*why*/) override {
    const auto alive = runner_.AliveCheck();
    for (const auto& [stream, call] : std::exchange(calls_, {})) {
      call->Closed();
      if (!alive()) return;
    }
    const auto on_over = on_over_;  // which ends this object
    on_over();
  }

 private:
  std::shared_ptr<MessageBudget> budget_;
  std::shared_ptr<const Server::OnCall> on_call_;
  std::function<void()> on_over_;
  std::map<StreamId, std::shared_ptr<StreamCall>> calls_;
  std::shared_ptr<Connection> connection_;
  base::WeakRunner runner_;  // the last member: destroyed first
};

class UnixServer final : public Server {
 public:
  UnixServer(base::EventLoop& loop, Options options, OnCall on_call, OnFailed on_failed)
      : loop_(loop),
        options_(std::move(options)),
        on_call_(std::make_shared<const OnCall>(std::move(on_call))),
        on_failed_(std::move(on_failed)),
        budget_(std::make_shared<MessageBudget>(options_.max_request_bytes)),
        retry_(loop) {}

  ~UnixServer() override {
    StopListening();
    if (SocketInPlace()) ::unlink(options_.socket_path.c_str());
  }

  base::Status Listen() {
    auto socket = ListenOnUnixSocket(options_.socket_path, options_.socket_mode, kBacklog);
    if (!socket.ok()) return socket.status();
    listener_ = std::move(socket).value();
    identity_ = base::IdentityOf(options_.socket_path);
    WatchListener();
    return base::Status::Ok();
  }

  // The listening descriptor pins the inode, so its number cannot be anyone else's while we live.
  [[nodiscard]] bool SocketInPlace() const override {
    const base::FileIdentity now = base::IdentityOf(options_.socket_path);
    return identity_.exists() && now.device == identity_.device && now.inode == identity_.inode;
  }

 private:
  void WatchListener() {
    watch_ = loop_.WatchFd(listener_.get(), base::FdEvents::kRead, [this] { Accept(); });
  }

  void StopListening() {
    if (watch_ != 0) loop_.UnwatchFd(std::exchange(watch_, 0));
  }

  void Accept() {
    for (int i = 0; i < kBacklog; ++i) {
      if (clients_.size() >= kMaxConnections) {
        full_ = true;
        return StopListening();
      }
      base::UniqueFd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
      if (fd.valid()) {
        Serve(std::move(fd));
        continue;
      }
      if (errno == EINTR || errno == ECONNABORTED) continue;
      if (errno == EAGAIN || errno == EWOULDBLOCK) return;
      return AcceptFailed(errno);
    }
  }

  void Serve(base::UniqueFd socket) {
    const std::uint64_t id = ++last_client_;
    clients_.emplace(
        id, std::make_unique<Client>(loop_, std::move(socket),
                                     SessionLimits{options_.max_request_bytes, budget_}, on_call_,
                                     [this, id] { Disconnected(id); }));
  }

  void Disconnected(std::uint64_t client) {
    clients_.erase(client);
    if (std::exchange(full_, false)) WatchListener();
  }

  // Out of descriptors or memory passes; the listener stays readable meanwhile, so stop looking.
  void AcceptFailed(int error) {
    StopListening();
    if (error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM) {
      retry_.Start(kAcceptRetry, [this] { WatchListener(); });
      return;
    }
    const base::Status why = base::ErrnoStatus(error, "accepting on " + options_.socket_path);
    const auto on_failed = on_failed_;  // which may end the server
    if (on_failed) on_failed(why.message());
  }

  base::EventLoop& loop_;
  Options options_;
  std::shared_ptr<const OnCall> on_call_;
  OnFailed on_failed_;
  base::UniqueFd listener_;
  base::FileIdentity identity_;
  base::EventLoop::WatchId watch_ = 0;
  std::shared_ptr<MessageBudget> budget_;
  base::Timer retry_;
  bool full_ = false;  // nobody is let in until a connection is closed
  std::uint64_t last_client_ = 0;
  std::map<std::uint64_t, std::unique_ptr<Client>> clients_;
};

}  // namespace

base::Result<std::unique_ptr<Server>> Server::Start(base::EventLoop& loop, Options options,
                                                    OnCall on_call, OnFailed on_failed) {
  auto server = std::make_unique<UnixServer>(loop, std::move(options), std::move(on_call),
                                             std::move(on_failed));
  TRANCHE_TRY(server->Listen());
  return std::unique_ptr<Server>(std::move(server));
}

}  // namespace tranche::rpc
