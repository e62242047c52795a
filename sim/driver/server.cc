#include "sim/driver/server.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace tranche::sim::driver {
namespace {

using base::ErrnoStatus;
using base::Status;

constexpr int kBacklog = 128;
constexpr std::size_t kEventsAtOnce = 64;
constexpr std::size_t kMostConnections = 4096;
// Socket, process and page; and those that wait to be used or sent.
constexpr std::size_t kDescriptorsOfOne = 3 + 2 * Connection::kMaxDescriptors;
constexpr std::size_t kDescriptorsOfOurs = 64;
constexpr std::size_t kMostSharedByOne = 1024;         // reservations; a descriptor each
constexpr std::uint64_t kAcceptAgainNs = 100'000'000;  // after the system refused a connection

// What an event of epoll is about: a kind in the upper half; in the lower a client's id, or a
// descriptor that is watched.
enum class About : std::uint32_t { kListening, kTimer, kSocket, kProcess, kWatched };

std::uint64_t KeyOf(About about, std::uint32_t id) {
  return static_cast<std::uint64_t>(about) << 32U | id;
}

bool Add(int epoll, int fd, std::uint32_t events, std::uint64_t key) {
  epoll_event event{.events = events, .data = {.u64 = key}};
  return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

// A socket's address takes 107 bytes, a path more: it is named through its folder.
base::Result<base::UniqueFd> ListenAt(const std::string& path) {
  const std::string folder = base::ParentDirectory(path);
  TRANCHE_TRY(base::MakeDirectories(folder));
  const base::UniqueFd directory(open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!directory.valid()) return ErrnoStatus(errno, folder);
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  const std::string name =
      "/proc/self/fd/" + std::to_string(directory.get()) + "/" + base::BaseName(path);
  if (name.size() >= sizeof address.sun_path) return ErrnoStatus(ENAMETOOLONG, path);
  std::memcpy(address.sun_path, name.c_str(), name.size() + 1);
  base::UniqueFd socket_fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket_fd.valid()) return ErrnoStatus(errno, "socket");
  if (unlink(path.c_str()) != 0 && errno != ENOENT) return ErrnoStatus(errno, path);
  if (bind(socket_fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      chmod(path.c_str(), 0666) != 0 || listen(socket_fd.get(), kBacklog) != 0) {
    return ErrnoStatus(errno, path);
  }
  return socket_fd;
}

// As many descriptors as this process may have at most; gives how many that is.
std::size_t RaiseDescriptorLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
  limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, 65536);
  setrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur;
}

}  // namespace

base::Result<std::unique_ptr<Server>> Server::Listen(const std::string& path, Machine& machine,
                                                     const DriverClock& clock) {
  std::unique_ptr<Server> server(new Server(path, machine, clock));
  TRANCHE_TRY(server->Begin());
  return server;
}

Status Server::Begin() {
  const std::size_t descriptors = std::max(RaiseDescriptorLimit(), 2 * kDescriptorsOfOurs);
  // A quarter for what programs share, the rest for their connections.
  const std::size_t shared = (descriptors - kDescriptorsOfOurs) / 4;
  machine_.shared().SetLimits(shared,
                              std::min(kMostSharedByOne, std::max<std::size_t>(shared / 4, 1)));
  max_connections_ =
      std::min(kMostConnections, (descriptors - kDescriptorsOfOurs - shared) / kDescriptorsOfOne);
  epoll_ = base::UniqueFd(epoll_create1(EPOLL_CLOEXEC));
  timer_ = base::UniqueFd(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!epoll_.valid() || !timer_.valid()) return ErrnoStatus(errno, "epoll and timerfd");
  auto listening = ListenAt(path_);
  if (!listening.ok()) return listening.status();
  listening_ = std::move(*listening);
  if (!Add(epoll_.get(), listening_.get(), EPOLLIN, KeyOf(About::kListening, 0)) ||
      !Add(epoll_.get(), timer_.get(), EPOLLIN, KeyOf(About::kTimer, 0))) {
    return ErrnoStatus(errno, "epoll_ctl");
  }
  return Status::Ok();
}

Server::~Server() {
  DisconnectAll();
  if (listening_.valid()) unlink(path_.c_str());
}

void Server::DisconnectAll() {
  now_ = clock_.Now();
  while (!connections_.empty()) Drop(connections_.begin()->first);
}

Status Server::Watch(int fd, std::function<void()> on_ready) {
  if (!Add(epoll_.get(), fd, EPOLLIN, KeyOf(About::kWatched, static_cast<std::uint32_t>(fd)))) {
    return ErrnoStatus(errno, "epoll_ctl");
  }
  watched_[fd] = std::move(on_ready);
  return Status::Ok();
}

void Server::SetTimer(std::optional<std::uint64_t> deadline_ns) {
  itimerspec when{};  // zero: never
  if (deadline_ns) {
    when.it_value = {.tv_sec = static_cast<time_t>(*deadline_ns / 1'000'000'000),
                     .tv_nsec = static_cast<long>(*deadline_ns % 1'000'000'000)};
    if (when.it_value.tv_sec == 0 && when.it_value.tv_nsec == 0) when.it_value.tv_nsec = 1;
  }
  // Setting it also takes back that it has gone off.
  timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &when, nullptr);
}

void Server::Wait(std::optional<std::uint64_t> deadline_ns) {
  if (accept_again_ns_ != 0) deadline_ns = std::min(deadline_ns.value_or(~0ULL), accept_again_ns_);
  SetTimer(deadline_ns);
  events_.resize(kEventsAtOnce);
  const int count = epoll_wait(epoll_.get(), events_.data(), static_cast<int>(events_.size()), -1);
  events_.resize(static_cast<std::size_t>(std::max(count, 0)));
}

void Server::Handle() {
  now_ = clock_.Now();
  for (const epoll_event& event : events_) OnReady(event.data.u64, event.events);
  machine_.AdvanceTo(now_);
  if (!paused_.empty()) Resume();
  if (accept_again_ns_ != 0 && MonotonicNs() >= accept_again_ns_) ListenAgain();
}

void Server::OnReady(std::uint64_t key, std::uint32_t events) {
  const auto id = static_cast<std::uint32_t>(key);
  switch (static_cast<About>(key >> 32U)) {
    case About::kListening:
      return Accept();
    case About::kTimer:
      return;
    case About::kSocket:
      return OnPeer(id, events);
    case About::kProcess:
      return OnPeer(id, EPOLLHUP);
    case About::kWatched:
      if (const auto at = watched_.find(static_cast<int>(id)); at != watched_.end()) at->second();
  }
}

void Server::Accept() {
  base::UniqueFd socket(accept4(listening_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!socket.valid()) {
    // Whoever connects waits until there are descriptors again, without calling us all the time.
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) PauseListening();
    return;
  }
  if (connections_.size() >= max_connections_) return;
  Peer peer{.connection = std::make_unique<Connection>(std::move(socket))};
  const Connection& connection = *peer.connection;
  peer.client =
      machine_.Connect(connection.pid(), connection.ProgramName(), *peer.connection, now_);
  if (peer.client == nullptr) return;
  const std::uint32_t id = peer.client->id();
  const bool watched =
      Add(epoll_.get(), connection.socket(), EPOLLIN | EPOLLRDHUP, KeyOf(About::kSocket, id)) &&
      (connection.process() < 0 ||
       Add(epoll_.get(), connection.process(), EPOLLIN, KeyOf(About::kProcess, id)));
  connections_.emplace(id, std::move(peer));
  if (!watched) Drop(id);
}

void Server::ListenAgain() {
  SetListening(EPOLLIN);
  accept_again_ns_ = 0;
}

void Server::PauseListening() {
  SetListening(0);
  accept_again_ns_ = MonotonicNs() + kAcceptAgainNs;
}

void Server::SetListening(std::uint32_t events) {
  epoll_event event{.events = events, .data = {.u64 = KeyOf(About::kListening, 0)}};
  epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, listening_.get(), &event);
}

void Server::OnPeer(std::uint32_t id, std::uint32_t events) {
  const auto at = connections_.find(id);
  if (at == connections_.end()) return;  // dropped earlier in this turn
  Peer& peer = at->second;
  bool there = (events & EPOLLOUT) == 0 || peer.connection->Write();
  // What a program said before it ended still counts.
  if (there && !peer.paused) there = peer.connection->Read(*peer.client, now_);
  const bool ended = (events & (EPOLLHUP | EPOLLRDHUP | EPOLLERR)) != 0;
  if (!there || ended || peer.connection->broken()) return Drop(id);
  Arm(peer);
}

// Listens to a program unless it has more to do already than is good.
void Server::Arm(Peer& peer) {
  const std::uint32_t id = peer.client->id();
  const bool pause = peer.client->Congested();
  const bool sending = peer.connection->has_more_to_send();
  if (pause == peer.paused && sending == peer.sending) return;
  peer.paused = pause;
  peer.sending = sending;
  epoll_event event{.events = (pause ? 0U : static_cast<std::uint32_t>(EPOLLIN | EPOLLRDHUP)) |
                              (sending ? static_cast<std::uint32_t>(EPOLLOUT) : 0U),
                    .data = {.u64 = KeyOf(About::kSocket, id)}};
  epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, peer.connection->socket(), &event);
  if (pause) {
    paused_.insert(id);
  } else {
    paused_.erase(id);
  }
}

void Server::Resume() {
  for (const std::uint32_t id : std::set<std::uint32_t>(paused_)) {
    Peer& peer = connections_.at(id);
    if (peer.client->Congested()) continue;
    if (!peer.connection->HandleHeld(*peer.client, now_)) {
      Drop(id);
    } else {
      Arm(peer);
    }
  }
}

void Server::Drop(std::uint32_t id) {
  const auto at = connections_.find(id);
  Client* client = at->second.client;
  paused_.erase(id);
  machine_.Disconnect(*client, now_);
  connections_.erase(at);
  if (accept_again_ns_ != 0) ListenAgain();
}

}  // namespace tranche::sim::driver
