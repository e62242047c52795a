#include "kubelet/rpc_server.h"

#include <fcntl.h>
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <grpcpp/server_posix.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <utility>

#include "base/file.h"
#include "base/timer.h"
#include "kubelet/grpc_bytes.h"
#include "kubelet/unix_socket.h"

namespace tranche::kubelet {
namespace {

constexpr int kBacklog = 16;
// A kubelet keeps one stream and a few calls open on a connection.
constexpr int kMaxCallsPerConnection = 64;
constexpr std::chrono::milliseconds kAcceptRetry{100};

class Core;

enum class Op { kAccept, kRead, kWrite, kFinish, kDone };

struct Call;
struct Tag {
  Call* call;
  Op op;
};

// The gRPC side of one call. Guarded by Core::mutex_. It is deleted when gRPC owes it no answer and
// the loop has no task about it; once the server is stopping, when gRPC owes it no answer.
struct Call {
  grpc::GenericServerContext context;
  grpc::GenericServerAsyncReaderWriter stream{&context};
  grpc::ByteBuffer request;
  int operations = 0;  // started, not yet answered; "done" is one of them from the accept on
  int loop_tasks = 0;
  Tag accept{this, Op::kAccept};
  Tag read{this, Op::kRead};
  Tag write{this, Op::kWrite};
  Tag finish{this, Op::kFinish};
  Tag done{this, Op::kDone};
};

// What the loop knows of one call.
class LoopCall final : public ServerCall {
 public:
  LoopCall(std::weak_ptr<Core> core, Call* call, std::string method, std::string request)
      : core_(std::move(core)),
        call_(call),
        method_(std::move(method)),
        request_(std::move(request)) {}

  [[nodiscard]] const std::string& method() const override { return method_; }
  [[nodiscard]] const std::string& request() const override { return request_; }
  void Finish(const base::Status& status, std::string_view response) override;
  void Send(std::shared_ptr<const std::string> message) override;
  void OnClosed(std::function<void()> closed) override { on_closed_ = std::move(closed); }

  void Written();
  void Closed();

 private:
  std::weak_ptr<Core> core_;
  Call* call_;
  std::string method_;
  std::string request_;
  std::shared_ptr<const std::string> waiting_;
  std::function<void()> on_closed_;
  bool writing_ = false;
  bool finished_ = false;
  bool closed_ = false;
};

// Server, queue and thread. Owned by the RpcServer; tasks on the loop hold it weakly.
class Core : public std::enable_shared_from_this<Core> {
 public:
  Core(base::EventLoop& loop, RpcServer::OnCall on_call)
      : loop_(loop), on_call_(std::move(on_call)) {}

  bool Start(int max_request_bytes);
  void Stop();
  void AddConnection(int fd) { grpc::AddInsecureChannelFromFd(server_.get(), fd); }

  void StartFinish(Call* call, const base::Status& status, std::string_view response);
  void StartWrite(Call* call, std::shared_ptr<const std::string> message);

 private:
  void Serve();
  bool Stopping();
  void Handle(const Tag& tag, bool ok);
  void AcceptNext();
  void Answered(Call* call);
  void EraseIfUnused(Call* call);
  void PostRequest(Call* call);
  template <class Task>
  void PostAbout(Call* call, Task task);

  base::EventLoop& loop_;
  RpcServer::OnCall on_call_;
  grpc::AsyncGenericService service_;
  std::unique_ptr<grpc::ServerCompletionQueue> queue_;
  std::unique_ptr<grpc::Server> server_;
  std::thread thread_;
  std::unordered_map<Call*, std::shared_ptr<LoopCall>> loop_calls_;  // the loop's

  std::mutex mutex_;
  bool stopping_ = false;
  std::unordered_map<Call*, std::unique_ptr<Call>> calls_;
};

bool Core::Start(int max_request_bytes) {
  grpc::ServerBuilder builder;
  builder.RegisterAsyncGenericService(&service_);
  builder.SetMaxReceiveMessageSize(max_request_bytes);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kMaxCallsPerConnection);
  queue_ = builder.AddCompletionQueue();
  server_ = builder.BuildAndStart();
  if (server_ == nullptr) {
    queue_->Shutdown();
    return false;
  }
  {
    const std::lock_guard lock(mutex_);
    AcceptNext();
  }
  thread_ = std::thread([this] { Serve(); });
  return true;
}

void Core::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    std::erase_if(calls_, [](const auto& entry) { return entry.second->operations == 0; });
  }
  // A deadline in the past: calls are cancelled, not waited for.
  server_->Shutdown(std::chrono::system_clock::now());
  queue_->Shutdown();
  thread_.join();
  loop_calls_.clear();
  calls_.clear();
  server_.reset();
}

void Core::Serve() {
  void* tag = nullptr;
  bool ok = false;
  while (queue_->Next(&tag, &ok)) Handle(*static_cast<Tag*>(tag), ok);
}

// Wants mutex_.
void Core::AcceptNext() {
  if (stopping_) return;
  auto call = std::make_unique<Call>();
  Call* raw = call.get();
  raw->operations = 1;
  calls_.emplace(raw, std::move(call));
  raw->context.AsyncNotifyWhenDone(&raw->done);
  service_.RequestCall(&raw->context, &raw->stream, queue_.get(), queue_.get(), &raw->accept);
}

// Wants mutex_.
void Core::Answered(Call* call) {
  --call->operations;
  EraseIfUnused(call);
}

// Wants mutex_.
void Core::EraseIfUnused(Call* call) {
  if (call->operations == 0 && (stopping_ || call->loop_tasks == 0)) calls_.erase(call);
}

void Core::Handle(const Tag& tag, bool ok) {
  const std::lock_guard lock(mutex_);
  Call* call = tag.call;
  switch (tag.op) {
    case Op::kAccept:
      if (!ok) break;  // shutting down: its "done" never comes
      AcceptNext();
      call->operations += 2;
      call->stream.Read(&call->request, &call->read);
      break;
    case Op::kRead:
      if (ok) {
        PostRequest(call);
        break;
      }
      ++call->operations;
      call->stream.Finish({grpc::StatusCode::INVALID_ARGUMENT, "no request message"},
                          &call->finish);
      break;
    case Op::kWrite:
      PostAbout(call, [this, call] {
        if (const auto it = loop_calls_.find(call); it != loop_calls_.end()) it->second->Written();
      });
      break;
    case Op::kFinish:
      break;
    case Op::kDone:
      PostAbout(call, [this, call] {
        auto node = loop_calls_.extract(call);
        if (!node.empty()) node.mapped()->Closed();
      });
      break;
  }
  Answered(call);
}

// Runs `task` on the loop unless the server has gone by then; `call` lives until it has run. Wants
// mutex_.
template <class Task>
void Core::PostAbout(Call* call, Task task) {
  if (stopping_) return;
  ++call->loop_tasks;
  loop_.Post([weak = weak_from_this(), call, task = std::move(task)] {
    const auto self = weak.lock();
    if (self == nullptr || self->Stopping()) return;
    task();
    const std::lock_guard lock(self->mutex_);
    if (self->stopping_) return;  // `task` ended the server, and with it the call
    --call->loop_tasks;
    self->EraseIfUnused(call);
  });
}

bool Core::Stopping() {
  const std::lock_guard lock(mutex_);
  return stopping_;
}

void Core::PostRequest(Call* call) {
  auto loop_call = std::make_shared<LoopCall>(weak_from_this(), call, call->context.method(),
                                              ToString(call->request));
  call->request.Clear();
  PostAbout(call, [this, call, loop_call] {
    loop_calls_.emplace(call, loop_call);
    on_call_(loop_call);
  });
}

void Core::StartFinish(Call* call, const base::Status& status, std::string_view response) {
  const std::lock_guard lock(mutex_);
  if (stopping_) return;
  ++call->operations;
  if (status.ok()) {
    call->stream.WriteAndFinish(ToBuffer(response), grpc::WriteOptions(), grpc::Status::OK,
                                &call->finish);
    return;
  }
  call->stream.Finish({static_cast<grpc::StatusCode>(status.code()), status.message()},
                      &call->finish);
}

void Core::StartWrite(Call* call, std::shared_ptr<const std::string> message) {
  const std::lock_guard lock(mutex_);
  if (stopping_) return;
  ++call->operations;
  call->stream.Write(ToSharedBuffer(std::move(message)), &call->write);
}

void LoopCall::Finish(const base::Status& status, std::string_view response) {
  const auto core = core_.lock();
  if (core == nullptr || finished_ || closed_) return;
  finished_ = true;
  core->StartFinish(call_, status, response);
}

void LoopCall::Send(std::shared_ptr<const std::string> message) {
  const auto core = core_.lock();
  if (core == nullptr || finished_ || closed_) return;
  if (writing_) {
    waiting_ = std::move(message);
    return;
  }
  writing_ = true;
  core->StartWrite(call_, std::move(message));
}

void LoopCall::Written() {
  writing_ = false;
  if (waiting_ != nullptr) Send(std::exchange(waiting_, nullptr));
}

void LoopCall::Closed() {
  closed_ = true;
  waiting_ = nullptr;
  if (on_closed_) std::exchange(on_closed_, nullptr)();
}

class UnixRpcServer final : public RpcServer {
 public:
  UnixRpcServer(base::EventLoop& loop, Options options, OnCall on_call, OnFailed on_failed)
      : loop_(loop),
        options_(std::move(options)),
        on_failed_(std::move(on_failed)),
        retry_(loop),
        core_(std::make_shared<Core>(loop, std::move(on_call))) {}

  ~UnixRpcServer() override {
    StopListening();
    if (SocketInPlace()) ::unlink(options_.socket_path.c_str());
    if (started_) core_->Stop();
  }

  base::Status Listen() {
    auto socket = ListenOnUnixSocket(options_.socket_path, options_.socket_mode, kBacklog);
    if (!socket.ok()) return socket.status();
    listener_ = std::move(socket).value();
    identity_ = base::IdentityOf(options_.socket_path);
    started_ = core_->Start(options_.max_request_bytes);
    if (!started_) {
      return {base::Code::kInternal,
              "the gRPC server for " + options_.socket_path + " did not start"};
    }
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
      base::UniqueFd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
      if (fd.valid()) {
        core_->AddConnection(fd.release());
        continue;
      }
      if (errno == EINTR || errno == ECONNABORTED) continue;
      if (errno == EAGAIN || errno == EWOULDBLOCK) return;
      return AcceptFailed(errno);
    }
  }

  // Out of descriptors or memory passes; the listener stays readable meanwhile, so stop looking.
  void AcceptFailed(int error) {
    StopListening();
    if (error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM) {
      retry_.Start(kAcceptRetry, [this] { WatchListener(); });
      return;
    }
    const base::Status why = base::ErrnoStatus(error, "accepting on " + options_.socket_path);
    if (on_failed_) on_failed_(why.message());
  }

  base::EventLoop& loop_;
  Options options_;
  OnFailed on_failed_;
  base::UniqueFd listener_;
  base::FileIdentity identity_;
  base::EventLoop::WatchId watch_ = 0;
  base::Timer retry_;
  bool started_ = false;
  std::shared_ptr<Core> core_;
};

}  // namespace

base::Result<std::unique_ptr<RpcServer>> RpcServer::Start(base::EventLoop& loop, Options options,
                                                          OnCall on_call, OnFailed on_failed) {
  auto server = std::make_unique<UnixRpcServer>(loop, std::move(options), std::move(on_call),
                                                std::move(on_failed));
  TRANCHE_TRY(server->Listen());
  return std::unique_ptr<RpcServer>(std::move(server));
}

}  // namespace tranche::kubelet
