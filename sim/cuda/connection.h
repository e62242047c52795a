// Connection is a client's line to the driver process of its node (sim/link/protocol.h): requests
// and their answers, messages without an answer, and the page in which the driver writes what
// changes often.
//
// Nothing is connected before Open, which the first context of a process calls. A process has one
// connection for life: once the driver is gone it stays gone, as for a program whose kernel module
// was unloaded under it, and every request answers kDeviceUnavailable.
//
// Threading: Open, Request and Send are called with the process's lock held (sim/cuda/library.h),
// which is the order in which the driver reads them. The page and Sleep need no lock.
// Errors: CUDA's result codes; kSystemNotReady where no driver serves the node.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>

#include "sim/cuda/abi.h"
#include "sim/link/protocol.h"

namespace tranche::sim::cuda {

// What a request carries beside its struct, and what its answer may bring.
struct Extra {
  const void* tail = nullptr;  // bytes that follow the struct
  std::size_t tail_bytes = 0;
  int send_fd = -1;
  int* received_fd = nullptr;  // -1 where the answer has none; the caller's to close
};

class Connection {
 public:
  Connection() = default;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Connects to the driver's socket and maps its page. Again when it is open: nothing.
  Result Open(const std::string& socket_path);
  [[nodiscard]] bool open() const { return page_ != nullptr; }
  // The driver has ended or has cut this client off.
  [[nodiscard]] bool gone() const { return gone_.load(std::memory_order_acquire); }
  // The child of a fork has no driver, and must not keep its parent's socket open.
  void CloseInChild();

  // Sends `question` and waits for its answer. What the answer says of itself is the result.
  template <typename Question, typename Reply>
  Result Request(link::Kind kind, const Question& question, Reply* reply, const Extra& extra = {}) {
    *reply = {};
    const Result sent = Exchange(kind, &question, sizeof question, reply, sizeof *reply, extra);
    return sent == kSuccess ? static_cast<Result>(reply->result) : sent;
  }
  template <typename Message>
  Result Send(link::Kind kind, const Message& message, const Extra& extra = {}) {
    return Transmit(kind, &message, sizeof message, extra);
  }

  // ---- the page; all of it only while open()
  [[nodiscard]] const link::Page& page() const { return *page_; }
  [[nodiscard]] std::int64_t Now() const;  // nanoseconds of the driver's time
  [[nodiscard]] std::uint64_t Value(link::Counter counter, std::uint32_t index) const {
    return __atomic_load_n(Word(counter, index), __ATOMIC_ACQUIRE);
  }
  [[nodiscard]] Result ContextError(std::uint32_t context) const;
  [[nodiscard]] Result DeviceError(std::uint32_t slot) const;

  // Sleeps until the counter is no longer `seen` or `timeout_ns` have passed; it may come back
  // early. The driver wakes who has sent an Await. Also notices that the driver has gone.
  void Sleep(link::Counter counter, std::uint32_t index, std::uint64_t seen,
             std::uint64_t timeout_ns);

 private:
  Result Exchange(link::Kind kind, const void* question, std::size_t question_bytes, void* reply,
                  std::size_t reply_bytes, const Extra& extra);
  Result Transmit(link::Kind kind, const void* bytes, std::size_t size, const Extra& extra);
  Result Receive(link::Kind kind, void* reply, std::size_t reply_bytes, int* fd);
  [[nodiscard]] const std::uint64_t* Word(link::Counter counter, std::uint32_t index) const;
  Result MapPage(int fd);
  Result Lost();

  std::atomic<int> socket_ = -1;
  std::atomic<bool> gone_ = false;
  const link::Page* page_ = nullptr;
};

}  // namespace tranche::sim::cuda
