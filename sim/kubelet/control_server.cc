#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <list>
#include <utility>

#include "base/file.h"
#include "base/json_read.h"
#include "base/log.h"
#include "base/timer.h"
#include "base/weak_runner.h"
#include "rpc/unix_socket.h"
#include "sim/kubelet/control.h"
#include "sim/kubelet/kubelet_json.h"

namespace tranche::sim {
namespace {

using base::Json;
using base::Status;

constexpr std::size_t kMaxLine = 1U << 20U;
constexpr std::size_t kMaxUnsent = 8U << 20U;
constexpr int kBacklog = 64;
constexpr std::size_t kMaxConnections = 256;

struct Connection {
  base::UniqueFd fd;
  base::UniqueFd write_fd;
  base::EventLoop::WatchId reading = 0;
  base::EventLoop::WatchId writing = 0;
  std::string in;
  std::string out;
  bool tracing = false;
};
using ConnectionPtr = std::shared_ptr<Connection>;

struct Wait {
  std::weak_ptr<Connection> connection;
  std::string resource;
  std::int64_t count = 0;
  std::unique_ptr<base::Timer> timer;
};

class LoopControlServer final : public ControlServer {
 public:
  explicit LoopControlServer(base::EventLoop& loop) : loop_(loop), runner_(loop) {}

  ~LoopControlServer() override {
    if (accepting_ != 0) loop_.UnwatchFd(accepting_);
    while (!connections_.empty()) Drop(connections_.back());
    const base::FileIdentity now = base::IdentityOf(path_);
    if (identity_.exists() && now.inode == identity_.inode) ::unlink(path_.c_str());
  }

  Status Listen(const std::string& path) {
    auto listener = rpc::ListenOnUnixSocket(path, 0600, kBacklog);
    if (!listener.ok()) return listener.status();
    listener_ = std::move(listener).value();
    path_ = path;
    identity_ = base::IdentityOf(path);
    accepting_ = loop_.WatchFd(listener_.get(), base::FdEvents::kRead, [this] { Accept(); });
    return Status::Ok();
  }

  void SetKubelet(Kubelet& kubelet) override { kubelet_ = &kubelet; }

  void OnEvent(const Event& event) override {
    std::string line;
    for (const ConnectionPtr& connection : std::list<ConnectionPtr>(connections_)) {
      if (!connection->tracing) continue;
      if (line.empty()) line = event.ToJson().Dump() + "\n";
      Send(connection, line);
    }
    // What the event is about is in force only after its emitter has returned.
    if (waits_.empty()) return;
    runner_.Post([this] { CheckWaits(); });
  }

 private:
  void Accept() {
    base::UniqueFd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!fd.valid()) return;
    if (connections_.size() >= kMaxConnections) return;  // closes it
    auto connection = std::make_shared<Connection>();
    connection->fd = std::move(fd);
    connection->reading = loop_.WatchFd(connection->fd.get(), base::FdEvents::kRead,
                                        [this, weak = std::weak_ptr<Connection>(connection)] {
                                          if (const auto readable = weak.lock()) Read(readable);
                                        });
    connections_.push_back(std::move(connection));
  }

  // NOLINTNEXTLINE(performance-unnecessary-value-param): it must outlive its own removal
  void Drop(ConnectionPtr connection) {
    if (connection->reading != 0) loop_.UnwatchFd(std::exchange(connection->reading, 0));
    if (connection->writing != 0) loop_.UnwatchFd(std::exchange(connection->writing, 0));
    connection->fd = base::UniqueFd();
    connection->write_fd = base::UniqueFd();
    connections_.remove(connection);
  }

  void Read(const ConnectionPtr& connection) {
    char buffer[16384];
    const ssize_t count = ::read(connection->fd.get(), buffer, sizeof buffer);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (count <= 0) return Drop(connection);
    connection->in.append(buffer, static_cast<std::size_t>(count));
    for (auto end = connection->in.find('\n'); end != std::string::npos;
         end = connection->in.find('\n')) {
      const std::string line = connection->in.substr(0, end);
      connection->in.erase(0, end + 1);
      Serve(connection, line);
      if (!connection->fd.valid()) return;
    }
    if (connection->in.size() > kMaxLine) Drop(connection);
  }

  void Send(const ConnectionPtr& connection, const std::string& text) {
    if (!connection->fd.valid()) return;
    connection->out += text;
    Flush(connection);
  }

  void Flush(const ConnectionPtr& connection) {
    while (!connection->out.empty()) {
      const ssize_t count = ::send(connection->fd.get(), connection->out.data(),
                                   connection->out.size(), MSG_NOSIGNAL);
      if (count < 0 && errno == EINTR) continue;
      if (count < 0 && errno != EAGAIN) return Drop(connection);
      if (count < 0) break;
      connection->out.erase(0, static_cast<std::size_t>(count));
    }
    if (connection->out.size() > kMaxUnsent) return Drop(connection);
    const bool waiting = !connection->out.empty();
    if (waiting && connection->writing == 0) WatchWritable(connection);
    if (!waiting && connection->writing != 0) {
      loop_.UnwatchFd(std::exchange(connection->writing, 0));
      connection->write_fd = base::UniqueFd();
    }
  }

  void WatchWritable(const ConnectionPtr& connection);

  void Answer(const std::weak_ptr<Connection>& to, const Status& status, Json result = {}) {
    const ConnectionPtr connection = to.lock();
    if (connection == nullptr) return;
    Json answer = Json::MakeObject();
    answer.Set("ok", status.ok());
    if (status.ok()) {
      answer.Set("result", std::move(result));
    } else {
      answer.Set("error", status.message());
      answer.Set("code", static_cast<int>(status.code()));
    }
    Send(connection, answer.Dump() + "\n");
  }

  void Serve(const ConnectionPtr& connection, const std::string& line) {
    const auto request = Json::Parse(line);
    if (!request.ok()) return Answer(connection, request.status());
    if (kubelet_ == nullptr) {
      return Answer(connection, {base::Code::kUnavailable, "the kubelet is not up"});
    }
    const std::string verb = base::TextAt(*request, "verb");
    if (verb.starts_with("pod-")) return ServePod(connection, verb, *request);
    if (verb == "node-status") return Answer(connection, Status::Ok(), NodeJson());
    if (verb == "wait") return ServeWait(connection, *request);
    if (verb == "trace") {
      connection->tracing = true;
      return;
    }
    if (verb == "kubelet-restart") {
      const auto down = std::chrono::milliseconds(base::IntAt(*request, "downMs").value_or(0));
      return kubelet_->Restart(
          down, [this, weak = Weak(connection)](const Status& status) { Answer(weak, status); });
    }
    Answer(connection, {base::Code::kUnimplemented, "unknown verb " + base::Printable(verb, 64)});
  }

  void ServePod(const ConnectionPtr& connection, const std::string& verb, const Json& request) {
    const std::string name = base::TextAt(request, "name");
    const auto tell_pod = [this, weak = Weak(connection)](const base::Result<Pod>& pod) {
      if (!pod.ok()) return Answer(weak, pod.status());
      Answer(weak, Status::Ok(), pod->ToJson());
    };
    if (verb == "pod-run") {
      const auto spec = PodSpecFromJson(base::ValueAt(request, "pod"));
      if (!spec.ok()) return Answer(connection, spec.status());
      return kubelet_->RunPod(*spec, tell_pod);
    }
    if (verb == "pod-list") {
      Json pods = Json::MakeArray();
      for (const Pod& pod : kubelet_->Pods()) pods.Append(pod.ToJson());
      return Answer(connection, Status::Ok(), std::move(pods));
    }
    if (verb == "pod-show") {
      const auto pod = kubelet_->FindPod(name);
      if (!pod) return Answer(connection, {base::Code::kNotFound, "no pod " + name});
      return Answer(connection, Status::Ok(), pod->ToJson());
    }
    if (verb == "pod-delete") {
      return kubelet_->DeletePod(
          name, [this, weak = Weak(connection)](const Status& status) { Answer(weak, status); });
    }
    if (verb == "pod-restart-container") return kubelet_->RestartContainer(name, tell_pod);
    Answer(connection, {base::Code::kUnimplemented, "unknown verb " + base::Printable(verb, 64)});
  }

  Json NodeJson() {
    Json resources = Json::MakeObject();
    for (const auto& [resource, count] : kubelet_->Node()) {
      std::int64_t unhealthy = 0;
      Json sick = Json::MakeArray();
      for (const auto& [id, healthy] : kubelet_->DeviceHealth(resource)) {
        if (healthy) continue;
        ++unhealthy;
        sick.Append(id);
      }
      resources.Set(resource, Json::MakeObject({{"capacity", count.capacity},
                                                {"allocatable", count.allocatable},
                                                {"unhealthy", unhealthy},
                                                {"unhealthyIds", std::move(sick)}}));
    }
    return Json::MakeObject({{"resources", std::move(resources)}});
  }

  void ServeWait(const ConnectionPtr& connection, const Json& request) {
    Wait wait{connection, base::TextAt(request, "resource"),
              base::IntAt(request, "count").value_or(-1), std::make_unique<base::Timer>(loop_)};
    const auto timeout =
        std::chrono::milliseconds(base::IntAt(request, "timeoutMs").value_or(60'000));
    waits_.push_back(std::move(wait));
    const auto it = std::prev(waits_.end());
    it->timer->Start(timeout, [this, it] {
      const Wait ended = std::move(*it);
      waits_.erase(it);
      Answer(ended.connection,
             {base::Code::kDeadlineExceeded, ended.resource + " is " +
                                                 std::to_string(Allocatable(ended.resource)) +
                                                 ", not " + std::to_string(ended.count)});
    });
    CheckWaits();
  }

  std::int64_t Allocatable(const std::string& resource) {
    const auto node = kubelet_->Node();
    const auto found = node.find(resource);
    return found == node.end() ? 0 : found->second.allocatable;
  }

  void CheckWaits() {
    for (auto it = waits_.begin(); it != waits_.end();) {
      const bool gone = it->connection.expired();
      if (!gone && Allocatable(it->resource) != it->count) {
        ++it;
        continue;
      }
      const auto connection = it->connection;
      const std::int64_t count = it->count;
      it = waits_.erase(it);
      Answer(connection, Status::Ok(), Json::MakeObject({{"allocatable", count}}));
    }
  }

  static std::weak_ptr<Connection> Weak(const ConnectionPtr& connection) { return connection; }

  base::EventLoop& loop_;
  std::string path_;
  base::FileIdentity identity_;
  base::UniqueFd listener_;
  base::EventLoop::WatchId accepting_ = 0;
  std::list<ConnectionPtr> connections_;
  std::list<Wait> waits_;
  Kubelet* kubelet_ = nullptr;
  base::WeakRunner runner_;  // the last member: destroyed first
};

// The loop watches a descriptor once, so writing is watched on a second one for the same socket.
void LoopControlServer::WatchWritable(const ConnectionPtr& connection) {
  connection->write_fd = base::UniqueFd(::fcntl(connection->fd.get(), F_DUPFD_CLOEXEC, 0));
  if (!connection->write_fd.valid()) return Drop(connection);
  connection->writing = loop_.WatchFd(connection->write_fd.get(), base::FdEvents::kWrite,
                                      [this, weak = std::weak_ptr<Connection>(connection)] {
                                        if (const auto writable = weak.lock()) Flush(writable);
                                      });
}

}  // namespace

base::Result<std::unique_ptr<ControlServer>> ControlServer::Start(base::EventLoop& loop,
                                                                  const std::string& socket_path) {
  auto server = std::make_unique<LoopControlServer>(loop);
  TRANCHE_TRY(server->Listen(socket_path));
  return std::unique_ptr<ControlServer>(std::move(server));
}

}  // namespace tranche::sim
