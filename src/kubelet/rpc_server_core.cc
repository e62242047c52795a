#include "kubelet/rpc_server_core.h"

#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_builder.h>
#include <grpcpp/server_posix.h>

#include "base/threads/thread.h"
#include "kubelet/grpc_bytes.h"
#include "kubelet/grpc_locks.h"

namespace tranche::kubelet {
namespace {

// A kubelet keeps one stream and a few calls open on a connection.
constexpr int kMaxCallsPerConnection = 64;
// Read from a connection at a time. gRPC makes a call of every few bytes of it before it looks at
// the queue again.
constexpr int kMaxReadBytes = 16 << 10;

}  // namespace

base::Status RpcServerCore::Start(int max_request_bytes) {
  UseGrpcLocksPlainly();
  grpc::ServerBuilder builder;
  builder.RegisterAsyncGenericService(&service_);
  builder.SetMaxReceiveMessageSize(max_request_bytes);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kMaxCallsPerConnection);
  builder.AddChannelArgument(GRPC_ARG_TCP_MAX_READ_CHUNK_SIZE, kMaxReadBytes);
  queue_ = builder.AddCompletionQueue();
  server_ = builder.BuildAndStart();
  if (server_ == nullptr) {
    queue_->Shutdown();
    return {base::Code::kInternal, "the gRPC server did not start"};
  }
  auto thread = base::threads::StartThread([this] { Serve(); });
  if (!thread.ok()) {
    stopping_ = true;
    Close();
    Serve();  // what the thread would have done: gRPC gives back what it holds
    server_.reset();
    return thread.status();
  }
  thread_ = std::move(*thread);
  const std::lock_guard lock(mutex_);
  AcceptNext();
  return base::Status::Ok();
}

void RpcServerCore::AddConnection(int fd) { grpc::AddInsecureChannelFromFd(server_.get(), fd); }

void RpcServerCore::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    loop_caught_up_.notify_all();
    std::erase_if(calls_, [](const auto& entry) { return entry.second->operations == 0; });
  }
  Close();
  thread_.join();
  loop_calls_.clear();
  calls_.clear();
  server_.reset();
}

void RpcServerCore::Close() {
  // A deadline in the past: calls are cancelled, not waited for.
  server_->Shutdown(std::chrono::system_clock::now());
  const std::lock_guard lock(mutex_);
  server_closed_ = true;
  CloseQueueIfUnused();
}

// The caller holds mutex_. As long as there are calls something may be begun on the queue: gRPC
// itself begins to watch for the end of a call that it hands over, which a closed queue does not
// survive. A queue outlives its server.
void RpcServerCore::CloseQueueIfUnused() {
  if (!server_closed_ || queue_closed_ || !calls_.empty()) return;
  queue_closed_ = true;
  queue_->Shutdown();
}

void RpcServerCore::Serve() {
  void* tag = nullptr;
  bool ok = false;
  while (queue_->Next(&tag, &ok)) {
    Handle(*static_cast<RpcTag*>(tag), ok);
    WaitForLoop();
  }
}

// On the server's thread. It is the only one that reads from the connections.
void RpcServerCore::WaitForLoop() {
  std::unique_lock lock(mutex_);
  loop_caught_up_.wait(lock, [this] { return stopping_ || loop_tasks_ < kMaxLoopTasks; });
}

// The caller holds mutex_.
void RpcServerCore::AcceptNext() {
  if (stopping_) return;
  auto call = std::make_unique<RpcCall>();
  RpcCall* raw = call.get();
  raw->operations = 1;
  calls_.emplace(raw, std::move(call));
  raw->context.AsyncNotifyWhenDone(&raw->done);
  service_.RequestCall(&raw->context, &raw->stream, queue_.get(), queue_.get(), &raw->accept);
}

// The caller holds mutex_.
void RpcServerCore::Answered(RpcCall* call) {
  --call->operations;
  EraseIfUnused(call);
}

// The caller holds mutex_.
void RpcServerCore::EraseIfUnused(RpcCall* call) {
  if (call->operations == 0 && (stopping_ || call->loop_tasks == 0)) calls_.erase(call);
}

void RpcServerCore::Handle(const RpcTag& tag, bool ok) {
  const std::lock_guard lock(mutex_);
  RpcCall* call = tag.call;
  switch (tag.op) {
    case RpcOp::kAccept:
      if (!ok) break;  // shutting down: its "done" never comes
      if (stopping_) {
        ++call->operations;  // its "done"
        call->context.TryCancel();
        break;
      }
      AcceptNext();
      call->operations += 2;
      call->stream.Read(&call->request, &call->read);
      break;
    case RpcOp::kRead:
      if (ok) {
        PostRequest(call);
        break;
      }
      if (stopping_) break;
      ++call->operations;
      call->stream.Finish({grpc::StatusCode::INVALID_ARGUMENT, "no request message"},
                          &call->finish);
      break;
    case RpcOp::kWrite:
      PostAbout(call, [this, call] {
        if (const auto it = loop_calls_.find(call); it != loop_calls_.end()) it->second->Written();
      });
      break;
    case RpcOp::kFinish:
      break;
    case RpcOp::kDone:
      call->over = true;
      if (!call->posted) break;
      PostAbout(call, [this, call] {
        auto node = loop_calls_.extract(call);
        if (!node.empty()) node.mapped()->Closed();
      });
      break;
  }
  Answered(call);
  CloseQueueIfUnused();
}

// Runs `task` on the loop unless the server has gone by then; `call` lives until it has run. The
// caller holds mutex_.
template <class Task>
void RpcServerCore::PostAbout(RpcCall* call, Task task) {
  if (stopping_) return;
  ++call->loop_tasks;
  ++loop_tasks_;
  loop_.Post([weak = weak_from_this(), call, task = std::move(task)] {
    const auto self = weak.lock();
    if (self == nullptr || self->Stopping()) return;
    task();
    const std::lock_guard lock(self->mutex_);
    if (self->stopping_) return;  // `task` ended the server, and with it the call
    --call->loop_tasks;
    if (--self->loop_tasks_ < kMaxLoopTasks) self->loop_caught_up_.notify_all();
    self->EraseIfUnused(call);
  });
}

bool RpcServerCore::Stopping() {
  const std::lock_guard lock(mutex_);
  return stopping_;
}

bool RpcServerCore::Over(const RpcCall* call) {
  const std::lock_guard lock(mutex_);
  return call->over;
}

void RpcServerCore::PostRequest(RpcCall* call) {
  if (call->over) return;
  auto loop_call = std::make_shared<LoopCall>(weak_from_this(), call, call->context.method(),
                                              ToString(call->request));
  call->request.Clear();
  call->posted = true;
  PostAbout(call, [this, call, loop_call] {
    if (Over(call)) return;  // nobody waits for the answer any more
    loop_calls_.emplace(call, loop_call);
    on_call_(loop_call);
  });
}

void RpcServerCore::StartFinish(RpcCall* call, const base::Status& status,
                                std::string_view response) {
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

void RpcServerCore::StartWrite(RpcCall* call, std::shared_ptr<const std::string> message) {
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

}  // namespace tranche::kubelet
