// Programs inside pods, for tests of the walls: real processes, which do as the shim does, and a
// /proc in which each of them is in a pod.
#pragma once

#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "base/testing/real_loop.h"
#include "node/walls/testing/hostile.h"
#include "wire/shares.h"

namespace tranche::node::walls::testing {

// A /proc with the processes that were put into it, each in a pod's control group.
class PodProc {
 public:
  explicit PodProc(std::string root) : root_(std::move(root)) {
    std::filesystem::create_directories(root_);
  }
  // `below`: of the group that the container made for itself below its own.
  void Put(pid_t pid, const std::string& pod_uid, const std::string& below = "") const {
    const std::string folder = root_ + "/" + std::to_string(pid);
    const std::string real = "/proc/" + std::to_string(pid);
    std::filesystem::remove_all(folder);  // of an earlier process of that pid
    std::filesystem::create_directories(folder);
    for (const char* name : {"stat", "status", "maps", "map_files"}) {
      std::filesystem::create_symlink(real + "/" + name, folder + "/" + name);
    }
    std::ofstream(folder + "/cgroup")
        << "0::/kubepods/pod" << pod_uid << "/" << std::string(64, 'a') << below << "\n";
  }
  // A process of a pod that has nothing mapped.
  void PutOther(pid_t pid, const std::string& pod_uid) const {
    const std::string folder = root_ + "/" + std::to_string(pid);
    std::filesystem::create_directories(folder);
    std::ofstream(folder + "/cgroup")
        << "0::/kubepods/pod" << pod_uid << "/" << std::string(64, 'b') << "\n";
  }
  // What proc(5) calls stat: when it began, above all.
  [[nodiscard]] std::string Stat(pid_t pid) const {
    std::ifstream file(root_ + "/" + std::to_string(pid) + "/stat");
    return {std::istreambuf_iterator<char>(file), {}};
  }
  // As if it had begun in the same tick of the clock as another one of that pid.
  void PutStat(pid_t pid, const std::string& stat) const {
    const std::string path = root_ + "/" + std::to_string(pid) + "/stat";
    std::filesystem::remove(path);
    std::ofstream(path) << stat;
  }
  [[nodiscard]] const std::string& root() const { return root_; }

 private:
  std::string root_;
};

inline int Connect(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  const int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return fd;
  close(fd);
  return -1;
}

// Reads an answer with its descriptors, -1 where there are none; `flags` are recvmsg's. False where
// none came.
template <class Answer>
bool Receive(int fd, Answer& answer, int (&fds)[2], int flags) {
  fds[0] = fds[1] = -1;
  alignas(cmsghdr) char control[CMSG_SPACE(2 * sizeof(int))];
  iovec part{.iov_base = &answer, .iov_len = sizeof answer};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const ssize_t got = recvmsg(fd, &message, flags);
  if (cmsghdr* rights = CMSG_FIRSTHDR(&message); got > 0 && rights != nullptr) {
    std::memcpy(fds, CMSG_DATA(rights), sizeof fds);
  }
  return got == sizeof answer;
}

// Sends one packet and reads the answer.
template <class Request, class Answer>
bool Ask(const std::string& path, const Request& request, Answer& answer, int (&fds)[2]) {
  const int fd = Connect(path);
  if (fd < 0) return false;
  send(fd, &request, sizeof request, MSG_NOSIGNAL);
  const bool came = Receive(fd, answer, fds, 0);
  close(fd);
  return came;
}

// What a program is told to do, and what came of it.
struct Order {
  enum What : int {
    kHello,
    kOtherVersion,
    kReserve,
    kRelease,
    kMeasure,
    kBound,
    kCalls,  // so many calls of it are under way
    kHold,
    kLook,
    kExport,       // of what it has reserved, so many bytes
    kImport,       // the same memory, in another program
    kExec,         // becomes another program, as far as its mappings go
    kMeasureSlot,  // as if it were the program in that slot
    // Attacks (hostile.h).
    kScribble,   // nonsense at random places of the counters
    kHammer,     // the same without a pause, until it ends
    kClutter,    // the counters full of notes of memory that is shared
    kEverywhere  // every slot says that this program is in it
  } what = kHello;
  std::uint64_t number = 0;  // bytes; of kHello the image; of nonsense the seed
};
struct Outcome {
  bool done = false;
  wire::Status status = wire::Status::kRefused;
  std::uint64_t number = 0;
  std::uint64_t total = 0;
  std::uint64_t limit = 0;
  std::uint64_t context = 0;        // what it is charged for its contexts
  std::uint64_t context_bound = 0;  // what a context counts as that is not measured yet
  unsigned slot = 0;
};

// The program's own side of it.
class Shim {
 public:
  explicit Shim(std::string path) : path_(std::move(path)) {}

  Outcome Do(const Order& order) {
    Outcome outcome;
    if (order.what == Order::kHello) Attach(order.number, wire::kVersion, outcome);
    if (order.what == Order::kOtherVersion) Attach(order.number, wire::kVersion + 1, outcome);
    if (order.what == Order::kLook) Look(outcome);
    if (order.what == Order::kReserve && counters_ != nullptr) {
      outcome.done = wire::Reserve(*counters_, slot_, 0, wire::Part::kHeld, order.number,
                                   limits_->devices[0].limit_bytes.load());
      if (!outcome.done) counters_->devices[0].refusals.fetch_add(1);
    }
    if (order.what == Order::kRelease && counters_ != nullptr) {
      wire::Release(*counters_, slot_, 0, wire::Part::kHeld, order.number);
      outcome.done = true;
    }
    if (order.what == Order::kMeasure) MeasureContext(slot_, outcome);
    if (order.what == Order::kMeasureSlot) {
      MeasureContext(static_cast<unsigned>(order.number), outcome);
    }
    if (counters_ != nullptr) Attack(order, outcome);
    if (order.what == Order::kBound && counters_ != nullptr) {
      outcome.done =
          wire::Reserve(*counters_, slot_, 0, wire::Part::kContext, order.number, wire::kNoLimit);
      counters_->slots[slot_].holdings[0].context.store(wire::ContextState::kBound);
    }
    if (order.what == Order::kCalls && counters_ != nullptr) {
      const auto calls = static_cast<std::int32_t>(order.number);
      counters_->slots[slot_].holdings[0].under_way.store(calls);
      outcome.done = true;
    }
    if (order.what == Order::kHold && counters_ != nullptr) {
      // As if killed in the middle of a reservation.
      counters_->slots[slot_].holdings[0].begun.fetch_add(1);
      counters_->devices[0].total_bytes.fetch_add(order.number);
      outcome.done = true;
    }
    if (order.what == Order::kExport || order.what == Order::kImport) Share(order, outcome);
    if (order.what == Order::kExec && counters_ != nullptr) {
      outcome.done = munmap(counters_, sizeof(wire::Counters)) == 0;
      counters_ = nullptr;
    }
    if (counters_ != nullptr) {
      outcome.total = counters_->devices[0].total_bytes.load();
      outcome.limit = limits_->devices[0].limit_bytes.load();
      if (slot_ < wire::kMaxSlots) {
        outcome.context = counters_->slots[slot_].holdings[0].context_bytes.load();
      }
      outcome.context_bound = limits_->devices[0].context_bound.load();
      outcome.slot = slot_;
    }
    return outcome;
  }

 private:
  void Attach(std::uint64_t image, std::uint16_t version, Outcome& outcome) {
    image_ = image;
    wire::Hello hello{.header = {wire::kMagic, version, wire::Kind::kHello}, .image = image};
    wire::HelloAnswer answer{};
    int fds[2];
    outcome.done = Ask(path_, hello, answer, fds);
    TakePages(answer, fds, PROT_READ | PROT_WRITE, outcome);
  }

  void Look(Outcome& outcome) {
    const wire::Look look{.header = {wire::kMagic, wire::kVersion, wire::Kind::kLook}};
    wire::HelloAnswer answer{};
    int fds[2];
    outcome.done = Ask(path_, look, answer, fds);
    TakePages(answer, fds, PROT_READ, outcome);
  }

  void TakePages(const wire::HelloAnswer& answer, const int (&fds)[2], int protection,
                 Outcome& outcome) {
    outcome.status = answer.status;
    if (!outcome.done || answer.status != wire::Status::kOk) return;
    slot_ = answer.slot;
    limits_ = static_cast<const wire::Limits*>(
        mmap(nullptr, sizeof(wire::Limits), PROT_READ, MAP_SHARED, fds[0], 0));
    counters_ = static_cast<wire::Counters*>(
        mmap(nullptr, sizeof(wire::Counters), protection, MAP_SHARED, fds[1], 0));
    outcome.done = wire::LimitsFit(*limits_, sizeof(wire::Limits)) &&
                   wire::CountersFit(*counters_, sizeof(wire::Counters));
    close(fds[0]);
    close(fds[1]);
  }

  void Share(const Order& order, Outcome& outcome) {
    constexpr std::uint64_t kKey = 7;
    const auto kind =
        order.what == Order::kExport ? wire::ShareKind::kExport : wire::ShareKind::kImport;
    outcome.done = counters_ != nullptr &&
                   wire::AddShare(*counters_, kind, slot_, 0, kKey, order.number) != wire::kNoShare;
  }

  void Attack(const Order& order, Outcome& outcome) {
    if (order.what == Order::kScribble) Scribble(*counters_, order.number);
    if (order.what == Order::kClutter) Clutter(*counters_, slot_);
    if (order.what == Order::kHammer) Hammer(*counters_);
    if (order.what == Order::kEverywhere) SitEverywhere(*counters_, slot_);
    outcome.done = outcome.done || order.what >= Order::kScribble;
  }

  void MeasureContext(unsigned slot, Outcome& outcome) {
    const wire::Measure measure{.header = {wire::kMagic, wire::kVersion, wire::Kind::kMeasure},
                                .image = image_,
                                .slot = slot};
    wire::MeasureAnswer answer{};
    int fds[2];
    outcome.done = Ask(path_, measure, answer, fds);
    outcome.status = answer.status;
    outcome.number = answer.context_bytes;
  }

  std::string path_;
  std::uint64_t image_ = 0;
  unsigned slot_ = 0;
  const wire::Limits* limits_ = nullptr;
  wire::Counters* counters_ = nullptr;
};

// A process of its own that does what it is told.
class Program {
 public:
  // `pid`: the one that it is to have; it is `pid() == 0` where that cannot be.
  Program(const PodProc& proc, const std::string& pod_uid, const std::string& path, pid_t pid = 0) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) std::abort();
    pid_ = pid == 0 ? fork() : ForkAs(pid);
    if (pid_ == 0) {
      close(ends[0]);
      Shim shim(path);
      Order order;
      while (recv(ends[1], &order, sizeof order, 0) == sizeof order) {
        const Outcome outcome = shim.Do(order);
        send(ends[1], &outcome, sizeof outcome, MSG_NOSIGNAL);
      }
      _exit(0);
    }
    close(ends[1]);
    orders_ = ends[0];
    if (pid_ < 0) pid_ = 0;
    if (pid_ > 0) proc.Put(pid_, pod_uid);
  }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  ~Program() {
    Kill();
    close(orders_);
  }

  void Start(const Order& order) const { send(orders_, &order, sizeof order, MSG_NOSIGNAL); }
  bool Finished(Outcome& outcome) const {
    return recv(orders_, &outcome, sizeof outcome, MSG_DONTWAIT) == sizeof outcome;
  }
  Outcome Do(base::testing::RealLoop& loop, const Order& order) const {
    Outcome outcome;
    Start(order);
    if (!loop.RunUntil([&] { return Finished(outcome); })) outcome.done = false;
    return outcome;
  }
  void Kill() {
    if (pid_ == 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }
  [[nodiscard]] unsigned pid() const { return static_cast<unsigned>(pid_); }

 private:
  pid_t pid_ = 0;
  int orders_ = -1;
};

}  // namespace tranche::node::walls::testing
