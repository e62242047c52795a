// The gRPC server behind an RpcServer: its calls, its completion queue, and the thread that works
// on it. rpc_server.cc alone includes it, because it includes gRPC.
//
// At most kMaxLoopTasks wait for the loop: until it has caught up, the server's thread does
// nothing. What a connection can cost is bounded before gRPC reads from it, by the relay between
// the two (call_relay.h).
//
// Threading: the loop's thread, but for what a comment says of the server's own thread.
// Errors: Start returns a Status.
#pragma once

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/server.h>

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <utility>

#include "base/event_loop.h"
#include "base/status.h"
#include "kubelet/rpc_server.h"

namespace tranche::kubelet {

// Calls that wait for the loop, with what else it is told of calls.
inline constexpr int kMaxLoopTasks = 64;

class RpcServerCore;

enum class RpcOp { kAccept, kRead, kWrite, kFinish, kDone };

struct RpcCall;
struct RpcTag {
  RpcCall* call;
  RpcOp op;
};

// The gRPC side of one call. Guarded by RpcServerCore::mutex_. It is deleted when gRPC owes it no
// answer and the loop has no task about it; once the server is stopping, when gRPC owes it no
// answer.
struct RpcCall {
  grpc::GenericServerContext context;
  grpc::GenericServerAsyncReaderWriter stream{&context};
  grpc::ByteBuffer request;
  int operations = 0;  // started, not yet answered; "done" is one of them from the accept on
  int loop_tasks = 0;
  bool posted = false;  // the loop has been told of it
  bool over = false;    // the client has gone, or has been answered
  RpcTag accept{this, RpcOp::kAccept};
  RpcTag read{this, RpcOp::kRead};
  RpcTag write{this, RpcOp::kWrite};
  RpcTag finish{this, RpcOp::kFinish};
  RpcTag done{this, RpcOp::kDone};
};

// What the loop knows of one call.
class LoopCall final : public ServerCall {
 public:
  LoopCall(std::weak_ptr<RpcServerCore> core, RpcCall* call, std::string method,
           std::string request)
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
  std::weak_ptr<RpcServerCore> core_;
  RpcCall* call_;
  std::string method_;
  std::string request_;
  std::shared_ptr<const std::string> waiting_;
  std::function<void()> on_closed_;
  bool writing_ = false;
  bool finished_ = false;
  bool closed_ = false;
};

// Server, queue and thread. Owned by the RpcServer; tasks on the loop hold it weakly.
class RpcServerCore : public std::enable_shared_from_this<RpcServerCore> {
 public:
  RpcServerCore(base::EventLoop& loop, RpcServer::OnCall on_call)
      : loop_(loop), on_call_(std::move(on_call)) {}

  base::Status Start(int max_request_bytes);
  void Stop();                 // of one that has started
  void AddConnection(int fd);  // gRPC owns it from then on

  void StartFinish(RpcCall* call, const base::Status& status, std::string_view response);
  void StartWrite(RpcCall* call, std::shared_ptr<const std::string> message);

 private:
  void Serve();
  void WaitForLoop();
  void Close();
  void CloseQueueIfUnused();
  bool Stopping();
  bool Over(const RpcCall* call);
  void Handle(const RpcTag& tag, bool ok);
  void AcceptNext();
  void Answered(RpcCall* call);
  void EraseIfUnused(RpcCall* call);
  void PostRequest(RpcCall* call);
  template <class Task>
  void PostAbout(RpcCall* call, Task task);

  base::EventLoop& loop_;
  RpcServer::OnCall on_call_;
  grpc::AsyncGenericService service_;
  std::unique_ptr<grpc::ServerCompletionQueue> queue_;
  std::unique_ptr<grpc::Server> server_;
  std::thread thread_;
  std::unordered_map<RpcCall*, std::shared_ptr<LoopCall>> loop_calls_;  // the loop's

  std::mutex mutex_;
  std::condition_variable loop_caught_up_;
  bool stopping_ = false;
  bool server_closed_ = false;
  bool queue_closed_ = false;
  int loop_tasks_ = 0;  // posted to the loop, not run yet
  std::unordered_map<RpcCall*, std::unique_ptr<RpcCall>> calls_;
};

}  // namespace tranche::kubelet
