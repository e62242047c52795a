#include "kubelet/rpc_client.h"

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/create_channel_posix.h>
#include <grpcpp/generic/generic_stub.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <mutex>
#include <optional>
#include <thread>
#include <unordered_map>
#include <utility>

#include "base/file.h"
#include "base/weak_runner.h"
#include "kubelet/grpc_bytes.h"
#include "kubelet/unix_socket.h"

namespace tranche::kubelet {
namespace {

base::Result<std::shared_ptr<grpc::Channel>> NewChannel(const std::string& socket_path,
                                                        int max_message_bytes) {
  auto socket = ConnectToUnixSocket(socket_path);
  if (!socket.ok()) return socket.status();
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(max_message_bytes);
  arguments.SetString(GRPC_ARG_DEFAULT_AUTHORITY, "localhost");
  return grpc::CreateCustomInsecureChannelFromFd(socket_path, socket->release(), arguments);
}

void SetTimeout(grpc::ClientContext& context, base::Duration timeout) {
  if (timeout > base::Duration::zero()) {
    context.set_deadline(std::chrono::system_clock::now() +
                         std::chrono::duration_cast<std::chrono::microseconds>(timeout));
  }
}

// One call on a thread of its own. The loop's watch of `event_` owns it, so the end of the loop is
// the end of the call, and nothing is ever posted to a loop that has gone.
class OneCall {
 public:
  OneCall(UnaryCall call, base::UniqueFd event)
      : call_(std::move(call)), event_(std::move(event)) {}
  OneCall(const OneCall&) = delete;
  OneCall& operator=(const OneCall&) = delete;
  ~OneCall() {
    context_.TryCancel();
    if (thread_.joinable()) thread_.join();
  }

  void Start() {
    thread_ = std::thread([this] {
      auto result = Run();
      {
        const std::lock_guard lock(mutex_);
        result_ = std::move(result);
      }
      const std::uint64_t one = 1;
      [[maybe_unused]] const auto written = ::write(event_.get(), &one, sizeof one);
    });
  }

  [[nodiscard]] int event() const { return event_.get(); }

  std::optional<base::Result<std::string>> TakeResult() {
    const std::lock_guard lock(mutex_);
    return std::exchange(result_, std::nullopt);
  }

 private:
  base::Result<std::string> Run() {
    auto channel = NewChannel(call_.socket_path, call_.max_response_bytes);
    if (!channel.ok()) return channel.status();
    SetTimeout(context_, call_.timeout);
    grpc::GenericStub stub(*channel);
    grpc::CompletionQueue queue;
    grpc::ByteBuffer response;
    grpc::Status status;
    const auto rpc =
        stub.PrepareUnaryCall(&context_, call_.method, ToBuffer(call_.request), &queue);
    rpc->StartCall();
    rpc->Finish(&response, &status, nullptr);
    void* tag = nullptr;
    bool ok = false;
    queue.Next(&tag, &ok);
    queue.Shutdown();
    while (queue.Next(&tag, &ok)) {
    }
    if (!status.ok()) return ToStatus(status);
    return ToString(response);
  }

  UnaryCall call_;
  base::UniqueFd event_;
  grpc::ClientContext context_;
  std::mutex mutex_;
  std::optional<base::Result<std::string>> result_;
  std::thread thread_;
};

}  // namespace

void CallOnce(base::EventLoop& loop, UnaryCall call,
              std::function<void(base::Result<std::string>)> done) {
  base::UniqueFd event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!event.valid()) {
    const base::Status status = base::ErrnoStatus(errno, "making an event descriptor");
    loop.RunAfter(base::Duration::zero(), [status, done = std::move(done)] { done(status); });
    return;
  }
  auto one = std::make_shared<OneCall>(std::move(call), std::move(event));
  auto watch = std::make_shared<base::EventLoop::WatchId>();
  *watch = loop.WatchFd(one->event(), base::FdEvents::kRead,
                        [&loop, one, watch, done = std::move(done)] {
                          auto result = one->TakeResult();
                          if (!result.has_value()) return;
                          // Unwatching destroys this closure: keep what is still needed.
                          // NOLINTNEXTLINE(performance-unnecessary-copy-initialization)
                          const auto keep = one;
                          const auto call_done = done;
                          loop.UnwatchFd(*watch);
                          call_done(std::move(*result));
                        });
  one->Start();
}

namespace {

enum class Op { kUnary, kStart, kWrite, kRead, kFinish };

struct Exchange;
struct Tag {
  Exchange* exchange;
  Op op;
};

// One call under way. Guarded by ChannelCore::mutex_, but for what gRPC fills in before its tag.
struct Exchange {
  grpc::ClientContext context;
  std::unique_ptr<grpc::GenericClientAsyncResponseReader> unary;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> stream;
  grpc::ByteBuffer message;
  grpc::Status status;
  int operations = 0;
  // The loop's, shared with the tasks posted there.
  std::shared_ptr<RpcChannel::Done> done;
  std::shared_ptr<RpcChannel::OnMessage> on_message;
  std::shared_ptr<RpcChannel::OnEnd> on_end;
  grpc::ByteBuffer request;
  Tag unary_tag{this, Op::kUnary};
  Tag start_tag{this, Op::kStart};
  Tag write_tag{this, Op::kWrite};
  Tag read_tag{this, Op::kRead};
  Tag finish_tag{this, Op::kFinish};
};

class ChannelCore : public RpcChannel {
 public:
  ChannelCore(base::EventLoop& loop, std::shared_ptr<grpc::Channel> channel)
      : channel_(std::move(channel)), stub_(channel_), runner_(loop) {
    thread_ = std::thread([this] { Serve(); });
  }

  ~ChannelCore() override {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
      for (const auto& [raw, exchange] : exchanges_) exchange->context.TryCancel();
      queue_.Shutdown();
    }
    thread_.join();
  }

  void Call(const std::string& method, const std::string& request, base::Duration timeout,
            Done done) override {
    const std::lock_guard lock(mutex_);
    Exchange* exchange = Add();
    exchange->done = std::make_shared<Done>(std::move(done));
    SetTimeout(exchange->context, timeout);
    exchange->unary =
        stub_.PrepareUnaryCall(&exchange->context, method, ToBuffer(request), &queue_);
    exchange->unary->StartCall();
    exchange->operations = 1;
    exchange->unary->Finish(&exchange->message, &exchange->status, &exchange->unary_tag);
  }

  void Stream(const std::string& method, const std::string& request, OnMessage on_message,
              OnEnd on_end) override {
    const std::lock_guard lock(mutex_);
    Exchange* exchange = Add();
    exchange->on_message = std::make_shared<OnMessage>(std::move(on_message));
    exchange->on_end = std::make_shared<OnEnd>(std::move(on_end));
    exchange->request = ToBuffer(request);
    exchange->stream = stub_.PrepareCall(&exchange->context, method, &queue_);
    exchange->operations = 1;
    exchange->stream->StartCall(&exchange->start_tag);
  }

 private:
  // Wants mutex_.
  Exchange* Add() {
    auto exchange = std::make_unique<Exchange>();
    Exchange* raw = exchange.get();
    exchanges_.emplace(raw, std::move(exchange));
    return raw;
  }

  void Serve() {
    void* tag = nullptr;
    bool ok = false;
    while (queue_.Next(&tag, &ok)) Handle(*static_cast<Tag*>(tag), ok);
  }

  void Handle(const Tag& tag, bool ok) {
    const std::lock_guard lock(mutex_);
    Exchange* exchange = tag.exchange;
    --exchange->operations;
    // After Shutdown of the queue nothing may be started on it.
    if (!stopping_) Continue(*exchange, tag.op, ok);
    if (exchange->operations == 0) exchanges_.erase(exchange);
  }

  // Wants mutex_.
  void Continue(Exchange& exchange, Op op, bool ok) {
    switch (op) {
      case Op::kUnary:
        PostUnary(exchange);
        return;
      case Op::kStart:
        if (!ok) return StartFinish(exchange);
        exchange.operations += 2;
        exchange.stream->WriteLast(exchange.request, grpc::WriteOptions(), &exchange.write_tag);
        exchange.stream->Read(&exchange.message, &exchange.read_tag);
        return;
      case Op::kWrite:
        return;
      case Op::kRead:
        if (!ok) return StartFinish(exchange);
        runner_.Post([message = ToString(exchange.message), call = exchange.on_message]() mutable {
          (*call)(std::move(message));
        });
        exchange.message.Clear();
        ++exchange.operations;
        exchange.stream->Read(&exchange.message, &exchange.read_tag);
        return;
      case Op::kFinish:
        runner_.Post(
            [status = ToStatus(exchange.status), call = exchange.on_end] { (*call)(status); });
        return;
    }
  }

  static void StartFinish(Exchange& exchange) {
    ++exchange.operations;
    exchange.stream->Finish(&exchange.status, &exchange.finish_tag);
  }

  void PostUnary(Exchange& exchange) {
    if (exchange.status.ok()) {
      runner_.Post([response = ToString(exchange.message), call = exchange.done]() mutable {
        (*call)(std::move(response));
      });
    } else {
      runner_.Post([status = ToStatus(exchange.status), call = exchange.done] { (*call)(status); });
    }
  }

  std::shared_ptr<grpc::Channel> channel_;
  grpc::GenericStub stub_;
  grpc::CompletionQueue queue_;
  std::mutex mutex_;
  bool stopping_ = false;
  std::unordered_map<Exchange*, std::unique_ptr<Exchange>> exchanges_;
  std::thread thread_;
  base::WeakRunner runner_;  // last: it goes first
};

}  // namespace

base::Result<std::unique_ptr<RpcChannel>> RpcChannel::Connect(base::EventLoop& loop,
                                                              const std::string& socket_path,
                                                              int max_message_bytes) {
  auto channel = NewChannel(socket_path, max_message_bytes);
  if (!channel.ok()) return channel.status();
  return std::unique_ptr<RpcChannel>(std::make_unique<ChannelCore>(loop, std::move(*channel)));
}

}  // namespace tranche::kubelet
