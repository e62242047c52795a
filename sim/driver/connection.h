// Connection is a program at the driver's socket: its bytes, both ways, and when it is gone.
//
// Threading: one thread.
// Errors: Read and Write say false when the program is gone, or is to be cut off.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <deque>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/file.h"
#include "sim/driver/client.h"
#include "sim/driver/message.h"

namespace tranche::sim::driver {

class Connection : public Outbox {
 public:
  // As many wait for their message at most, and as many for being sent; who has more is cut off.
  static constexpr std::size_t kMaxDescriptors = 4;

  explicit Connection(base::UniqueFd socket);

  // Who it is: pid as this process sees it (0: it cannot), and the name of its program.
  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] std::string ProgramName() const;
  [[nodiscard]] int socket() const { return socket_.get(); }
  // Is ready when the process has ended, whoever else has the socket; negative: not to be had.
  [[nodiscard]] int process() const { return process_.get(); }

  // Gives what has come to `client`, while it can take more.
  bool Read(Client& client, engine::Time now);
  bool HandleHeld(Client& client, engine::Time now);  // what was read before
  bool Write();                                       // what could not be sent before
  [[nodiscard]] bool has_more_to_send() const { return !unsent_.empty(); }
  [[nodiscard]] bool broken() const { return broken_; }

  void Send(std::span<const std::byte> message, int descriptor) override;

 private:
  struct Unsent {
    std::vector<std::byte> bytes;
    base::UniqueFd descriptor;
  };
  enum class Got { kBytes, kNothing, kEnd };
  Got Receive();
  // How many bytes went; 0: not now.
  std::size_t SendNow(std::span<const std::byte> bytes, int descriptor);

  base::UniqueFd socket_;
  base::UniqueFd process_;
  pid_t pid_ = 0;
  MessageReader reader_;
  std::vector<base::UniqueFd> descriptors_;
  std::deque<Unsent> unsent_;
  std::size_t unsent_bytes_ = 0;
  bool broken_ = false;
};

}  // namespace tranche::sim::driver
