#include "kubelet/rpc_client.h"

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/create_channel_posix.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/security/credentials.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/threads/thread.h"
#include "base/weak_runner.h"
#include "kubelet/grpc_bytes.h"
#include "kubelet/grpc_locks.h"
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

class LoopCaller : public RpcCaller {
 public:
  explicit LoopCaller(base::EventLoop& loop) : loop_(loop), runner_(loop) {}
  LoopCaller(const LoopCaller&) = delete;
  LoopCaller& operator=(const LoopCaller&) = delete;
  ~LoopCaller() override;

  void Call(const UnaryCall& call, Done done) override;

 private:
  struct Exchange {
    std::shared_ptr<grpc::Channel> channel;
    grpc::ClientContext context;
    std::unique_ptr<grpc::GenericClientAsyncResponseReader> reader;
    grpc::ByteBuffer response;
    grpc::Status status;
    std::shared_ptr<Done> done;
  };

  base::Status StartThread();
  base::Status Start(const UnaryCall& wanted, std::shared_ptr<Done> done);
  bool WaitForCalls();
  void Serve();
  void Deliver();

  base::EventLoop& loop_;
  base::UniqueFd event_;
  base::EventLoop::WatchId watch_ = 0;
  // Never connected. Together with the last channel gRPC ends the threads that it has for all of
  // them, and makes new ones with the next: where there are none to be had, it waits for ever.
  std::shared_ptr<grpc::Channel> keeps_threads_;
  grpc::CompletionQueue queue_;
  std::mutex mutex_;
  std::unordered_map<Exchange*, std::unique_ptr<Exchange>> calls_;
  std::vector<std::unique_ptr<Exchange>> answered_;
  std::condition_variable begun_;
  bool stopping_ = false;
  std::thread thread_;
  base::WeakRunner runner_;  // the last member: destroyed first
};

base::Status LoopCaller::StartThread() {
  if (thread_.joinable()) return base::Status::Ok();
  event_ = base::UniqueFd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!event_.valid()) return base::ErrnoStatus(errno, "making an event descriptor");
  auto thread = base::threads::StartThread([this] { Serve(); });
  if (!thread.ok()) return thread.status();
  thread_ = std::move(*thread);
  keeps_threads_ = grpc::CreateChannel("unix:/dev/null", grpc::InsecureChannelCredentials());
  watch_ = loop_.WatchFd(event_.get(), base::FdEvents::kRead, [this] { Deliver(); });
  return base::Status::Ok();
}

LoopCaller::~LoopCaller() {
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [raw, call] : calls_) call->context.TryCancel();
    queue_.Shutdown();
    stopping_ = true;
  }
  begun_.notify_all();
  if (thread_.joinable()) {
    thread_.join();
    loop_.UnwatchFd(watch_);
  } else {
    Serve();  // the queue has to be empty before it is destroyed
  }
}

void LoopCaller::Call(const UnaryCall& call, Done done) {
  const auto shared = std::make_shared<Done>(std::move(done));
  base::Status started = StartThread();
  if (started.ok()) started = Start(call, shared);
  if (!started.ok()) runner_.Post([started, shared] { (*shared)(started); });
}

base::Status LoopCaller::Start(const UnaryCall& wanted, std::shared_ptr<Done> done) {
  auto channel = NewChannel(wanted.socket_path, wanted.max_response_bytes);
  if (!channel.ok()) return channel.status();
  auto call = std::make_unique<Exchange>();
  Exchange* raw = call.get();
  call->channel = std::move(*channel);
  call->done = std::move(done);
  SetTimeout(call->context, wanted.timeout);
  const std::lock_guard lock(mutex_);
  calls_.emplace(raw, std::move(call));
  grpc::GenericStub stub(raw->channel);
  raw->reader =
      stub.PrepareUnaryCall(&raw->context, wanted.method, ToBuffer(wanted.request), &queue_);
  raw->reader->StartCall();
  raw->reader->Finish(&raw->response, &raw->status, raw);
  begun_.notify_all();
  return base::Status::Ok();
}

// While calls are under way. A thread that waits in the queue without any would read for whatever
// connection gRPC has, those of our servers too, past the bounds that these set.
bool LoopCaller::WaitForCalls() {
  std::unique_lock lock(mutex_);
  begun_.wait(lock, [this] { return stopping_ || !calls_.empty(); });
  return true;
}

// On the thread.
void LoopCaller::Serve() {
  void* tag = nullptr;
  bool ok = false;
  while (WaitForCalls() && queue_.Next(&tag, &ok)) {
    {
      const std::lock_guard lock(mutex_);
      auto node = calls_.extract(static_cast<Exchange*>(tag));
      answered_.push_back(std::move(node.mapped()));
    }
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(event_.get(), &one, sizeof one);
  }
}

// On the loop.
void LoopCaller::Deliver() {
  std::uint64_t count = 0;
  [[maybe_unused]] const auto got = ::read(event_.get(), &count, sizeof count);
  std::vector<std::unique_ptr<Exchange>> answered;
  {
    const std::lock_guard lock(mutex_);
    answered.swap(answered_);
  }
  const auto alive = runner_.AliveCheck();
  for (const auto& call : answered) {
    if (!alive()) return;
    if (call->status.ok()) {
      (*call->done)(ToString(call->response));
    } else {
      (*call->done)(ToStatus(call->status));
    }
  }
}

}  // namespace

std::unique_ptr<RpcCaller> RpcCaller::New(base::EventLoop& loop) {
  UseGrpcLocksPlainly();
  return std::make_unique<LoopCaller>(loop);
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
      : channel_(std::move(channel)), stub_(channel_), runner_(loop) {}

  base::Status StartThread() {
    auto thread = base::threads::StartThread([this] { Serve(); });
    if (thread.ok()) thread_ = std::move(*thread);
    return thread.status();
  }

  ~ChannelCore() override {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
      for (const auto& [raw, exchange] : exchanges_) exchange->context.TryCancel();
      queue_.Shutdown();
    }
    if (thread_.joinable()) {
      thread_.join();
    } else {
      Serve();  // the queue has to be empty before it is destroyed
    }
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
  // The caller holds mutex_.
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

  // The caller holds mutex_.
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
  base::WeakRunner runner_;  // the last member: destroyed first
};

}  // namespace

base::Result<std::unique_ptr<RpcChannel>> RpcChannel::Connect(base::EventLoop& loop,
                                                              const std::string& socket_path,
                                                              int max_message_bytes) {
  UseGrpcLocksPlainly();
  auto channel = NewChannel(socket_path, max_message_bytes);
  if (!channel.ok()) return channel.status();
  auto core = std::make_unique<ChannelCore>(loop, std::move(*channel));
  TRANCHE_TRY(core->StartThread());
  return std::unique_ptr<RpcChannel>(std::move(core));
}

}  // namespace tranche::kubelet
