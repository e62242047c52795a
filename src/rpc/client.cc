#include "rpc/client.h"

#include <cstdint>
#include <map>
#include <optional>
#include <utility>

#include "base/timer.h"
#include "base/weak_runner.h"
#include "rpc/connection.h"
#include "rpc/unix_socket.h"

namespace tranche::rpc {
namespace {

class SocketChannel final : public Channel, public ConnectionHandler {
 public:
  SocketChannel(base::EventLoop& loop, base::UniqueFd socket, std::size_t max_message_bytes)
      : loop_(loop),
        connection_(loop, Side::kClient, std::move(socket),
                    {max_message_bytes, std::make_shared<UnfinishedBytes>(max_message_bytes)},
                    *this),
        runner_(loop) {}

  void Call(const std::string& method, const std::string& request, base::Duration timeout,
            Done done) override {
    const auto answer = std::make_shared<std::optional<std::string>>();
    Begin(
        method, request, timeout,
        [answer](std::string message) {
          if (!answer->has_value()) *answer = std::move(message);
        },
        [answer, done = std::move(done)](base::Status status) {
          if (!status.ok()) return done(std::move(status));
          if (!answer->has_value())
            return done(base::Status(base::Code::kInternal, "no answer came"));
          done(std::move(**answer));
        });
  }

  void Stream(const std::string& method, const std::string& request, OnMessage on_message,
              OnEnd on_end) override {
    Begin(method, request, base::Duration::zero(), std::move(on_message), std::move(on_end));
  }

  void MessageCame(StreamId stream, const std::string& /*method*/, std::string message) override {
    const auto call = calls_.find(stream);
    if (call == calls_.end()) return;
    const auto on_message = call->second->on_message;  // which may end the channel
    (*on_message)(std::move(message));
  }
  void MessageRefused(StreamId stream, const base::Status& why) override {
    connection_.Reset(stream);
    End(stream, why);
  }
  void StreamEnded(StreamId stream, const StreamHead& head) override {
    End(stream, StatusOf(head));
  }
  void StreamClosed(StreamId stream, std::uint32_t http2_error) override {
    End(stream, StatusOfReset(http2_error));
  }
  void ConnectionOver(const base::Status& why) override {
    const auto alive = runner_.AliveCheck();
    for (const auto& [stream, call] : std::exchange(calls_, {})) {
      call->on_end(why);
      if (!alive()) return;
    }
  }

 private:
  struct Pending {
    explicit Pending(base::EventLoop& loop) : deadline(loop) {}
    std::shared_ptr<Channel::OnMessage> on_message;
    Channel::OnEnd on_end;
    base::Timer deadline;
  };

  void Begin(const std::string& method, const std::string& request, base::Duration timeout,
             Channel::OnMessage on_message, Channel::OnEnd on_end) {
    const auto stream = connection_.Call(method, request, timeout);
    if (!stream.ok()) {
      runner_.Post([why = stream.status(), on_end = std::move(on_end)] { on_end(why); });
      return;
    }
    auto call = std::make_unique<Pending>(loop_);
    call->on_message = std::make_shared<Channel::OnMessage>(std::move(on_message));
    call->on_end = std::move(on_end);
    if (timeout > base::Duration::zero()) {
      call->deadline.Start(timeout, [this, id = *stream] {
        connection_.Reset(id);
        End(id, {base::Code::kDeadlineExceeded, "the answer did not come in time"});
      });
    }
    calls_.emplace(*stream, std::move(call));
  }

  // The last statement wherever it is called: what is called back may end the channel.
  void End(StreamId stream, base::Status status) {
    const auto call = calls_.extract(stream);
    if (!call.empty()) call.mapped()->on_end(std::move(status));
  }

  base::EventLoop& loop_;
  std::map<StreamId, std::unique_ptr<Pending>> calls_;
  Connection connection_;
  base::WeakRunner runner_;  // the last member: destroyed first
};

class SocketCaller final : public Caller {
 public:
  explicit SocketCaller(base::EventLoop& loop) : loop_(loop), runner_(loop) {}

  void Call(const UnaryCall& call, Done done) override {
    auto channel = Channel::Connect(loop_, call.socket_path, call.max_response_bytes);
    if (!channel.ok()) {
      runner_.Post([why = channel.status(), done = std::move(done)] { done(why); });
      return;
    }
    const std::uint64_t id = ++last_;
    Channel& made = *channels_.emplace(id, std::move(*channel)).first->second;
    made.Call(call.method, call.request, call.timeout,
              [this, id, done = std::move(done)](base::Result<std::string> answer) {
                const auto used = channels_.extract(id);  // until `done` has returned
                done(std::move(answer));
              });
  }

 private:
  base::EventLoop& loop_;
  std::uint64_t last_ = 0;
  std::map<std::uint64_t, std::unique_ptr<Channel>> channels_;
  base::WeakRunner runner_;  // the last member: destroyed first
};

}  // namespace

std::unique_ptr<Caller> Caller::New(base::EventLoop& loop) {
  return std::make_unique<SocketCaller>(loop);
}

base::Result<std::unique_ptr<Channel>> Channel::Connect(base::EventLoop& loop,
                                                        const std::string& socket_path,
                                                        std::size_t max_message_bytes) {
  auto socket = ConnectToUnixSocket(socket_path);
  if (!socket.ok()) return socket.status();
  return std::unique_ptr<Channel>(
      std::make_unique<SocketChannel>(loop, std::move(*socket), max_message_bytes));
}

}  // namespace tranche::rpc
