// Stands for a program at the driver: makes messages, keeps answers, and looks at its page.
//
// Program talks to a Machine directly, in virtual time; RealProgram talks to a driver process over
// its socket.
//
// Threading: one thread.
// Errors: what cannot go wrong in a test crashes it.
#pragma once

#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/status.h"
#include "sim/driver/machine.h"
#include "sim/link/protocol.h"

namespace tranche::sim::driver::testing {

inline const link::Page* MapPage(int fd) {
  void* mapped = mmap(nullptr, sizeof(link::Page), PROT_READ, MAP_SHARED, fd, 0);
  TRANCHE_CHECK(mapped != MAP_FAILED);
  return static_cast<const link::Page*>(mapped);
}

template <typename Struct>
std::vector<std::byte> Encode(link::Kind kind, const Struct& body) {
  const link::Header header{
      .kind = kind, .flags = 0, .bytes = sizeof(link::Header) + sizeof(Struct)};
  std::vector<std::byte> bytes(header.bytes);
  std::memcpy(bytes.data(), &header, sizeof header);
  std::memcpy(bytes.data() + sizeof header, &body, sizeof body);
  return bytes;
}

// Numbers what is submitted, stream by stream.
class Numbers {
 public:
  std::uint64_t Next(std::uint32_t stream) { return ++last_[stream]; }
  void Forget(std::uint32_t stream) { last_.erase(stream); }

 private:
  std::map<std::uint32_t, std::uint64_t> last_;
};

class Program : public Outbox {
 public:
  Program(Machine& machine, pid_t pid, Time now = 0) : machine_(&machine) {
    client_ = machine.Connect(pid, "program", *this, now);
    TRANCHE_CHECK(client_ != nullptr);
    TRANCHE_CHECK(Say(link::Hello{.version = link::kVersion, .reserved = 0}, now));
  }
  ~Program() override {
    if (page_ != nullptr) munmap(const_cast<link::Page*>(page_), sizeof *page_);
  }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  void Send(std::span<const std::byte> message, int descriptor) override {
    answer_.assign(message.begin() + sizeof(link::Header), message.end());
    if (descriptor < 0) return;
    if (page_ == nullptr) {
      page_ = MapPage(descriptor);
    } else {
      given_ = base::UniqueFd(dup(descriptor));
    }
  }

  // False: the driver cuts this program off.
  bool Say(const Message& message, Time now) { return client_->Handle(message, descriptors, now); }
  template <typename Answer>
  Answer Ask(const Message& message, Time now) {
    answer_.clear();
    TRANCHE_CHECK(Say(message, now));
    Answer answer;
    TRANCHE_CHECK(answer_.size() == sizeof answer);
    std::memcpy(&answer, answer_.data(), sizeof answer);
    return answer;
  }

  link::ContextCreateAnswer MakeContext(Time now = 0, std::uint32_t slot = 0,
                                        std::uint32_t gpu_instance = kWholeGpu) {
    return Ask<link::ContextCreateAnswer>(link::ContextCreate{.slot = slot,
                                                              .gpu_instance = gpu_instance,
                                                              .compute_instance = gpu_instance,
                                                              .flags = 0},
                                          now);
  }
  std::uint32_t MakeStream(std::uint32_t context = 0, Time now = 0) {
    const auto answer = Ask<link::StreamCreateAnswer>(
        link::StreamCreate{.context = context, .non_blocking = 1, .priority = 0, .reserved = 0},
        now);
    TRANCHE_CHECK(answer.result == 0);
    numbers.Forget(answer.stream);
    return answer.stream;
  }
  link::ReserveAnswer Reserve(std::uint64_t bytes, Time now = 0, std::uint32_t context = 0) {
    return Ask<link::ReserveAnswer>(link::Reserve{.context = context,
                                                  .memory = link::MemoryKind::kPlain,
                                                  .slot = 0,
                                                  .gpu_instance = kWholeGpu,
                                                  .bytes = bytes},
                                    now);
  }
  std::uint64_t Submit(std::uint32_t stream, link::Work work, std::uint64_t amount, Time now = 0) {
    const std::uint64_t number = numbers.Next(stream);
    TRANCHE_CHECK(Say(link::Submit{.stream = stream,
                                   .work = work,
                                   .number = number,
                                   .stamp_ns = now,
                                   .amount = amount,
                                   .launch = work == link::Work::kKernel ? 1U : 0U},
                      now));
    return number;
  }
  void End(Time now) {
    machine_->Disconnect(*client_, now);
    client_ = nullptr;
  }

  [[nodiscard]] const link::Page& page() const { return *page_; }
  [[nodiscard]] Client& client() { return *client_; }
  [[nodiscard]] const base::UniqueFd& given() const { return given_; }

  std::vector<base::UniqueFd> descriptors;  // come with the next message
  Numbers numbers;

 private:
  Machine* machine_;
  Client* client_ = nullptr;
  const link::Page* page_ = nullptr;
  std::vector<std::byte> answer_;
  base::UniqueFd given_;
};

class RealProgram {
 public:
  explicit RealProgram(const std::string& socket_path)
      : socket_(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    TRANCHE_CHECK(socket_path.size() < sizeof address.sun_path);
    std::memcpy(address.sun_path, socket_path.c_str(), socket_path.size() + 1);
    connected_ =
        connect(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    if (!connected_) return;
    const auto hello = Ask<link::HelloAnswer>(
        link::Kind::kHello, link::Hello{.version = link::kVersion, .reserved = 0});
    TRANCHE_CHECK(hello.result == 0 && given.valid());
    page_ = MapPage(given.get());
  }
  ~RealProgram() {
    if (page_ != nullptr) munmap(const_cast<link::Page*>(page_), sizeof *page_);
  }
  RealProgram(const RealProgram&) = delete;
  RealProgram& operator=(const RealProgram&) = delete;

  [[nodiscard]] bool connected() const { return connected_; }
  [[nodiscard]] const link::Page& page() const { return *page_; }
  [[nodiscard]] int socket_fd() const { return socket_.get(); }

  bool SendBytes(std::span<const std::byte> bytes, int descriptor = -1) {
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    iovec part{.iov_base = const_cast<std::byte*>(bytes.data()), .iov_len = bytes.size()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (descriptor >= 0) {
      message.msg_control = control;
      message.msg_controllen = sizeof control;
      cmsghdr* rights = CMSG_FIRSTHDR(&message);
      rights->cmsg_level = SOL_SOCKET;
      rights->cmsg_type = SCM_RIGHTS;
      rights->cmsg_len = CMSG_LEN(sizeof(int));
      std::memcpy(CMSG_DATA(rights), &descriptor, sizeof descriptor);
    }
    return sendmsg(socket_.get(), &message, MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size());
  }
  template <typename Struct>
  bool Say(link::Kind kind, const Struct& body, int descriptor = -1) {
    return SendBytes(Encode(kind, body), descriptor);
  }
  // A zeroed answer: the driver has hung up.
  template <typename Answer, typename Struct>
  Answer Ask(link::Kind kind, const Struct& body, int descriptor = -1) {
    Answer answer{};
    answer.result = ~0U;
    if (!Say(kind, body, descriptor)) return answer;
    std::byte bytes[sizeof(link::Header) + sizeof answer];
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    iovec part{.iov_base = bytes, .iov_len = sizeof bytes};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    if (recvmsg(socket_.get(), &message, MSG_WAITALL | MSG_CMSG_CLOEXEC) !=
        static_cast<ssize_t>(sizeof bytes)) {
      return answer;
    }
    if (const cmsghdr* rights = CMSG_FIRSTHDR(&message)) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(rights), sizeof fd);
      given = base::UniqueFd(fd);
    }
    std::memcpy(&answer, bytes + sizeof(link::Header), sizeof answer);
    return answer;
  }
  std::uint32_t MakeContext() {
    return Ask<link::ContextCreateAnswer>(
               link::Kind::kContextCreate,
               link::ContextCreate{
                   .slot = 0, .gpu_instance = kWholeGpu, .compute_instance = kWholeGpu, .flags = 0})
        .result;
  }
  std::uint32_t Reserve(std::uint64_t bytes, std::uint64_t* id = nullptr) {
    const auto answer = Ask<link::ReserveAnswer>(link::Kind::kReserve,
                                                 link::Reserve{.context = 0,
                                                               .memory = link::MemoryKind::kPlain,
                                                               .slot = 0,
                                                               .gpu_instance = kWholeGpu,
                                                               .bytes = bytes});
    if (id != nullptr) *id = answer.id;
    return answer.result;
  }
  std::uint32_t Release(std::uint64_t id) {
    return Ask<link::Answer>(link::Kind::kRelease, link::Release{.id = id}).result;
  }
  std::uint64_t FreeBytes() {
    return Ask<link::MemoryInfoAnswer>(link::Kind::kMemoryInfo,
                                       link::MemoryInfo{.slot = 0, .gpu_instance = kWholeGpu})
        .free_bytes;
  }
  [[nodiscard]] Time Now() const {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    const auto ns = static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 +
                    static_cast<std::uint64_t>(now.tv_nsec);
    return static_cast<Time>((ns - page_->epoch_ns) / page_->time_scale);
  }
  // To the legacy stream, which is stream 0 of the first context.
  std::uint64_t Launch(std::uint64_t ns) {
    const std::uint64_t number = numbers.Next(0);
    Say(link::Kind::kSubmit, link::Submit{.stream = 0,
                                          .work = link::Work::kKernel,
                                          .number = number,
                                          .stamp_ns = Now(),
                                          .amount = ns,
                                          .launch = 1});
    return number;
  }

  base::UniqueFd given;
  Numbers numbers;

 private:
  base::UniqueFd socket_;
  bool connected_ = false;
  const link::Page* page_ = nullptr;
};

// A node of GPUs with 16 GiB, 10 multiprocessors and an easy PCIe and memory rate.
inline NodeSnapshot NodeOf(unsigned gpus) {
  NodeSnapshot node;
  node.gpus.resize(gpus);
  node.header.slot_count = gpus;
  for (GpuState& gpu : node.gpus) {
    gpu.present = 1;
    gpu.memory_total = std::uint64_t{16} << 30U;
    gpu.compute_major = 8;
    gpu.multiprocessors = 10;
    gpu.pcie_generation = 3;
    gpu.pcie_width = 16;
    gpu.memory_bus_width = 4096;
    gpu.max_clock_mhz[2] = 1000;
    SetText(gpu.uuid, "GPU-" + std::to_string(&gpu - node.gpus.data()));
  }
  return node;
}

}  // namespace tranche::sim::driver::testing
