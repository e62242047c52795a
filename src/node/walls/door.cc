#include "node/walls/door.h"

#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <optional>
#include <utility>

#include "node/identity/cgroup.h"

namespace tranche::node::walls {
namespace {

using base::Code;
using base::Result;
using base::Status;
using base::UniqueFd;

constexpr int kBacklog = 256;
constexpr int kAcceptsAtOnce = 32;  // then it is the loop's turn
constexpr base::Duration kPause = std::chrono::milliseconds(100);
constexpr base::Duration kSweep = std::chrono::milliseconds(250);
constexpr mode_t kForEverybody = 0666;  // programs in pods run as any user
constexpr int kPeerPidfd = 77;          // SO_PEERPIDFD, Linux 6.5
constexpr std::size_t kMaxDescriptors = 2;

// The process at the other end. Before Linux 6.5 the pid is all that the kernel tells, and it may
// be another process's by now, if all pids have been gone through since it connected. From then on
// the kernel tells the process itself, or that it is gone: its pid then says nothing.
std::optional<std::pair<unsigned, UniqueFd>> Peer(int socket) {
  ucred who{};
  socklen_t size = sizeof who;
  if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &who, &size) != 0 || who.pid <= 0) {
    return std::nullopt;
  }
  int fd = -1;
  size = sizeof fd;
  // Either descriptor is closed at an exec.
  if (getsockopt(socket, SOL_SOCKET, kPeerPidfd, &fd, &size) != 0 && errno == ENOPROTOOPT) {
    fd = static_cast<int>(syscall(SYS_pidfd_open, who.pid, 0));
  }
  if (fd < 0) return std::nullopt;
  return std::pair(static_cast<unsigned>(who.pid), UniqueFd(fd));
}

// Programs that start wait for this thread, and behind it on the processor for one another. With
// short turns it is let run soon after it is woken (from Linux 6.12 on; before, this says nothing),
// and gets no more of the processor than before: so it takes no right. If it is refused, all goes
// on a little later.
void AskForShortTurns() {
  struct {  // struct sched_attr, sched_setattr(2)
    std::uint32_t size, policy;
    std::uint64_t flags;
    std::int32_t nice;
    std::uint32_t priority;
    std::uint64_t runtime, deadline, period;
  } turns{};
  if (syscall(SYS_sched_getattr, 0, &turns, sizeof turns, 0) != 0) return;
  if (turns.policy != SCHED_OTHER) return;
  turns.size = sizeof turns;
  turns.runtime = static_cast<std::uint64_t>(std::chrono::nanoseconds(Door::kTurn).count());
  (void)syscall(SYS_sched_setattr, 0, &turns, 0);
}

// The last number of "NSpid:", which is the pid that the process itself sees; 0: not told.
unsigned LastPid(std::string_view status) {
  const auto at = status.find("\nNSpid:");
  if (at == std::string_view::npos) return 0;
  std::string_view line = status.substr(at + 1);
  line = line.substr(0, line.find('\n'));
  const auto blank = line.find_last_of(" \t");
  if (blank == std::string_view::npos) return 0;
  line.remove_prefix(blank + 1);
  unsigned pid = 0;
  std::from_chars(line.data(), line.data() + line.size(), pid);
  return pid;
}

// What the kernel says of the pidfd is a tenth of what it says of the process, and has it, too.
unsigned PidInside(identity::Proc& proc, unsigned pid, int process) {
  if (const auto known = proc.ReadDescriptor(process); known.ok()) {
    if (const unsigned inside = LastPid(*known); inside != 0) return inside;
  }
  const auto status = proc.Read(pid, "status");
  return status.ok() ? LastPid(*status) : 0;
}

Result<std::uint64_t> StartTicks(identity::Proc& proc, unsigned pid) {
  const auto stat = proc.Read(pid, "stat");
  if (!stat.ok()) return stat.status();
  return identity::ReadStartTicks(*stat);
}

}  // namespace

bool ProcessHasEnded(int process) {
  pollfd poll_for{.fd = process, .events = POLLIN, .revents = 0};
  return poll(&poll_for, 1, 0) != 0;
}

Result<Caller> IdentifyCaller(identity::Proc& proc, unsigned pid, UniqueFd process) {
  const Status unknown(Code::kPermissionDenied, "it cannot be told whose the process is");
  const auto start = StartTicks(proc, pid);
  const auto groups = proc.Read(pid, "cgroup");
  if (!start.ok() || !groups.ok()) return unknown;
  const unsigned inside = PidInside(proc, pid, process.get());
  // The descriptor is of a process that still lives, so the pid was its own all the time, and all
  // that was read is of that one process.
  if (ProcessHasEnded(process.get())) return unknown;
  auto group = identity::ReadPodGroup(*groups);
  if (!group.ok()) return Status(Code::kPermissionDenied, group.status().message());
  return Caller{.pod_uid = std::move(group->pod_uid),
                .program = {.pid = pid, .pid_inside = inside, .start_ticks = *start},
                .process = std::move(process)};
}

Door::~Door() {
  if (watch_ != 0) loop_.UnwatchFd(watch_);
  for (const auto& [id, connection] : connections_) {
    if (connection.watch != 0) loop_.UnwatchFd(connection.watch);
  }
}

Status Door::Open(const std::string& directory, std::size_t most) {
  most_ = most;
  AskForShortTurns();
  TRANCHE_TRY(base::MakeDirectories(directory));
  const std::string path = base::JoinPath(directory, wire::kSocketFile);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return {Code::kInvalidArgument, "the path of the socket is too long: " + path};
  }
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  UniqueFd fd(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return base::ErrnoStatus(errno, "socket");
  unlink(path.c_str());
  if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      chmod(path.c_str(), kForEverybody) != 0 || listen(fd.get(), kBacklog) != 0) {
    return base::ErrnoStatus(errno, "cannot listen on " + path);
  }
  listener_ = std::move(fd);
  Listen();
  return Status::Ok();
}

void Door::Listen() {
  watch_ = loop_.WatchFd(listener_.get(), base::FdEvents::kRead, [this] { Accept(); });
}

void Door::Accept() {
  for (int i = 0; i < kAcceptsAtOnce; ++i) {
    UniqueFd socket(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (socket.valid()) {
      Enter(std::move(socket));
      continue;
    }
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
      ++counts_.too_many;
      loop_.UnwatchFd(std::exchange(watch_, 0));
      pause_.Start(kPause, [this] { Listen(); });
    }
    return;
  }
}

void Door::Enter(UniqueFd socket) {
  auto peer = Peer(socket.get());
  if (!peer) {
    ++counts_.strangers;
    return;
  }
  auto caller = IdentifyCaller(proc_, peer->first, std::move(peer->second));
  if (!caller.ok()) {
    ++counts_.strangers;
    return;
  }
  const std::size_t own = CountOf(caller->pod_uid);
  if (own >= kMaxOfPod || !MakeRoom(own)) {
    ++counts_.too_many;
    return;
  }
  ++counts_.accepted;
  const ConnectionId id = next_++;
  Connection& connection = connections_[id];
  connection.socket = std::move(socket);
  connection.since = loop_.Now();
  connection.caller = std::move(*caller);
  // Most have sent their packet by now, and then are answered at once.
  if (!Read(id)) {
    connection.watch =
        loop_.WatchFd(connection.socket.get(), base::FdEvents::kRead, [this, id] { Read(id); });
  }
  if (!connections_.empty() && !sweep_.running()) sweep_.Start(kSweep, [this] { Sweep(); });
}

std::size_t Door::CountOf(const std::string& pod_uid) const {
  return static_cast<std::size_t>(
      std::count_if(connections_.begin(), connections_.end(),
                    [&](const auto& other) { return other.second.caller.pod_uid == pod_uid; }));
}

bool Door::MakeRoom(std::size_t own) {
  if (connections_.size() < most_) return true;
  std::map<std::string, std::pair<std::size_t, ConnectionId>> pods;  // how many, and the oldest
  for (const auto& [id, connection] : connections_) {
    ++pods.try_emplace(connection.caller.pod_uid, 0, id).first->second.first;
  }
  const auto most = std::max_element(pods.begin(), pods.end(), [](const auto& a, const auto& b) {
    return a.second.first < b.second.first;
  });
  if (most == pods.end() || most->second.first <= own + 1) return false;
  ++counts_.too_many;
  Close(most->second.second);
  return true;
}

bool Door::Read(ConnectionId id) {
  Connection& connection = connections_.at(id);
  std::array<std::byte, wire::kMaxMessageBytes + 1> buffer;
  const ssize_t got = recv(connection.socket.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return false;
  if (got <= 0) {
    Close(id);
    return true;
  }
  // One packet is all that is read.
  if (connection.watch != 0) loop_.UnwatchFd(std::exchange(connection.watch, 0));
  const auto read = ReadRequest(std::span(buffer).first(static_cast<std::size_t>(got)));
  if (const auto* request = std::get_if<Request>(&read)) {
    handler_(id, connection.caller, *request);
    return true;
  }
  const wire::Status status = std::get<wire::Status>(read);
  ++(status == wire::Status::kUnknownVersion ? counts_.unknown_versions : counts_.malformed);
  if (status == wire::Status::kUnknownVersion) {
    if (other_versions_.size() >= kMaxOtherVersions) other_versions_.clear();
    other_versions_[connection.caller.program.pid] = connection.caller.program.start_ticks;
  }
  const wire::HelloAnswer answer = AnswerHello(status);
  Answer(id, BytesOf(answer), {});
  return true;
}

bool Door::SpokeOtherVersion(unsigned pid) const {
  const auto at = other_versions_.find(pid);
  if (at == other_versions_.end()) return false;
  const auto start = StartTicks(proc_, pid);
  return start.ok() && *start == at->second;
}

void Door::Answer(ConnectionId id, std::span<const std::byte> packet,
                  std::span<const int> descriptors) {
  const auto at = connections_.find(id);
  if (at == connections_.end()) return;
  TRANCHE_CHECK(descriptors.size() <= kMaxDescriptors);
  alignas(cmsghdr) char control[CMSG_SPACE(kMaxDescriptors * sizeof(int))] = {};
  iovec part{.iov_base = const_cast<std::byte*>(packet.data()), .iov_len = packet.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (!descriptors.empty()) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(descriptors.size_bytes());
    cmsghdr* rights = CMSG_FIRSTHDR(&message);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(descriptors.size_bytes());
    std::memcpy(CMSG_DATA(rights), descriptors.data(), descriptors.size_bytes());
  }
  // The first packet of a connection always fits.
  const ssize_t sent = sendmsg(at->second.socket.get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  const bool gone = sent < 0 && (errno == EPIPE || errno == ECONNRESET);
  if (sent < 0 && !gone) {
    const int error = errno;
    ++counts_.unsent;
    if (rarely_("unsent", loop_.Now())) {
      base::LogWarning("a program in a pod got no answer", {base::Kv("error", strerror(error))});
    }
  }
  Close(id);
}

void Door::Sweep() {
  std::vector<ConnectionId> late;
  for (const auto& [id, connection] : connections_) {
    if (loop_.Now() - connection.since >= kPatience) late.push_back(id);
  }
  counts_.slow += late.size();
  for (const ConnectionId id : late) Close(id);
  if (!connections_.empty()) sweep_.Start(kSweep, [this] { Sweep(); });
}

void Door::Close(ConnectionId id) {
  const auto at = connections_.find(id);
  if (at == connections_.end()) return;
  if (at->second.watch != 0) loop_.UnwatchFd(at->second.watch);
  connections_.erase(at);
}

}  // namespace tranche::node::walls
