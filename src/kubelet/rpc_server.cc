#include "kubelet/rpc_server.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/timer.h"
#include "kubelet/call_relay.h"
#include "kubelet/relay_drain.h"
#include "kubelet/rpc_server_core.h"
#include "kubelet/unix_socket.h"

namespace tranche::kubelet {
namespace {

constexpr int kBacklog = 16;
constexpr std::chrono::milliseconds kAcceptRetry{100};

class UnixRpcServer final : public RpcServer {
 public:
  UnixRpcServer(base::EventLoop& loop, Options options, OnCall on_call, OnFailed on_failed)
      : loop_(loop),
        options_(std::move(options)),
        on_failed_(std::move(on_failed)),
        retry_(loop),
        core_(std::make_shared<RpcServerCore>(loop, std::move(on_call))) {}

  ~UnixRpcServer() override {
    StopListening();
    if (SocketInPlace()) ::unlink(options_.socket_path.c_str());
    std::vector<std::unique_ptr<CallRelay>> relays;
    for (auto& [id, relay] : relays_) relays.push_back(std::move(relay));
    const RelayDrain drain(std::move(relays));
    if (started_) core_->Stop();
  }

  base::Status Listen() {
    auto socket = ListenOnUnixSocket(options_.socket_path, options_.socket_mode, kBacklog);
    if (!socket.ok()) return socket.status();
    listener_ = std::move(socket).value();
    identity_ = base::IdentityOf(options_.socket_path);
    TRANCHE_TRY(core_->Start(options_.max_request_bytes).Wrap("serving " + options_.socket_path));
    started_ = true;
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
      if (relays_.size() >= kMaxConnections) {
        full_ = true;
        return StopListening();
      }
      base::UniqueFd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
      if (fd.valid()) {
        if (const int error = Connect(std::move(fd)); error != 0) return AcceptFailed(error);
        continue;
      }
      if (errno == EINTR || errno == ECONNABORTED) continue;
      if (errno == EAGAIN || errno == EWOULDBLOCK) return;
      return AcceptFailed(errno);
    }
  }

  // The errno where there is no descriptor to be had.
  int Connect(base::UniqueFd client) {
    std::array<int, 2> pair{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair.data()) != 0) {
      return errno;
    }
    const std::uint64_t id = ++last_relay_;
    relays_[id] =
        std::make_unique<CallRelay>(loop_, std::move(client), base::UniqueFd(pair[0]),
                                    options_.max_open_calls, [this, id] { Disconnected(id); });
    core_->AddConnection(pair[1]);
    return 0;
  }

  void Disconnected(std::uint64_t relay) {
    relays_.erase(relay);
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
  bool full_ = false;  // nobody is let in until a connection is closed
  std::uint64_t last_relay_ = 0;
  std::map<std::uint64_t, std::unique_ptr<CallRelay>> relays_;
  std::shared_ptr<RpcServerCore> core_;
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
