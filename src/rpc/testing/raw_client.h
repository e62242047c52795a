// A client of a gRPC server that writes its frames itself, because a client that keeps to gRPC
// would not make calls and reset them at once, or never read.
//
// Threading: one thread at a time.
// Errors: crashes where nobody listens.
#pragma once

#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/file.h"
#include "rpc/unix_socket.h"

namespace tranche::rpc::testing {

inline const std::string kClientPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

inline std::string BigEndian(std::size_t value, int bytes) {
  std::string text;
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) {
    text += static_cast<char>((value >> static_cast<unsigned>(shift)) & 0xffU);
  }
  return text;
}

inline std::string Frame(char type, char flags, std::uint32_t stream, const std::string& payload) {
  return BigEndian(payload.size(), 3) + type + flags + BigEndian(stream, 4) + payload;
}

// Room for so many bytes more on a stream, or, with 0, on the connection.
inline std::string WindowUpdate(std::uint32_t stream, std::uint32_t bytes) {
  return Frame(8, 0, stream, BigEndian(bytes, 4));
}

// HPACK without its table: fields of the static table by number, other values as they are.
inline std::string Literal(const std::string& name_index, const std::string& value) {
  return name_index + static_cast<char>(value.size()) + value;
}

// The head of a call, whose message follows.
inline std::string RequestHead(std::uint32_t stream, const std::string& method = "/test/Flood") {
  using namespace std::string_literals;
  const std::string head = "\x83\x86"s + Literal("\x04", method) + Literal("\x01", "localhost") +
                           Literal("\x0f\x10", "application/grpc") +
                           Literal("\x00\x02te"s, "trailers");
  return Frame(1, 4, stream, head);
}

// One whole call with an empty message.
inline std::string Request(std::uint32_t stream, const std::string& method = "/test/Flood") {
  return RequestHead(stream, method) + Frame(0, 1, stream, std::string(5, '\0'));
}

inline std::string Reset(std::uint32_t stream) {
  using namespace std::string_literals;
  return Frame(3, 0, stream, "\0\0\0\x08"s);
}

// The heads of the frames that a server says, which come in pieces of any size (RFC 9113, section
// 4.1).
class FrameHeads {
 public:
  struct Head {
    unsigned type = 0;
    unsigned flags = 0;
  };

  // Calls `seen` with each head that these bytes complete.
  template <class Seen>
  void Read(std::string_view bytes, const Seen& seen) {
    for (const char byte : bytes) {
      if (skip_ > 0) {
        --skip_;
        continue;
      }
      begun_ += byte;
      if (begun_.size() < kBytes) continue;
      for (const char length : begun_.substr(0, 3)) {
        skip_ = skip_ << 8U | static_cast<unsigned char>(length);
      }
      seen(Head{.type = static_cast<unsigned char>(begun_[3]),
                .flags = static_cast<unsigned char>(begun_[4])});
      begun_.clear();
    }
  }

 private:
  static constexpr std::size_t kBytes = 9;
  std::string begun_;
  std::size_t skip_ = 0;  // bytes of what follows the last head
};

class RawClient {
 public:
  explicit RawClient(const std::string& socket) : RawClient(ConnectToUnixSocket(socket).value()) {}
  explicit RawClient(base::UniqueFd connected,
                     const std::string& greeting = kClientPreface + Frame(4, 0, 0, ""))
      : fd_(std::move(connected)) {
    Send(greeting);
  }
  void HangUp() { fd_ = base::UniqueFd(); }

  // As much as the socket takes; true when all of it has gone.
  bool Send(const std::string& bytes) {
    waiting_ += bytes;
    ReadAnswers();
    while (!waiting_.empty()) {
      const ssize_t sent = send(fd_.get(), waiting_.data(), waiting_.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      waiting_.erase(0, static_cast<std::size_t>(sent));
    }
    return true;
  }
  bool Closed() {
    pollfd one{.fd = fd_.get(), .events = 0, .revents = 0};
    return poll(&one, 1, 0) == 1 && (one.revents & POLLHUP) != 0;
  }
  // Whether the server has read all that was sent.
  bool AllRead() {
    int unread = 0;
    return Send("") && ioctl(fd_.get(), SIOCOUTQ, &unread) == 0 && unread == 0;
  }

  // How many calls the server has ended.
  int Ended() {
    ReadAnswers();
    return ended_;
  }

 private:
  void ReadAnswers() {
    std::array<char, 65536> bytes{};
    for (;;) {
      const ssize_t got = recv(fd_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
      if (got <= 0) return;
      heads_.Read({bytes.data(), static_cast<std::size_t>(got)},
                  [this](const FrameHeads::Head& head) {
                    if (head.type == 1 && (head.flags & 1U) != 0) ++ended_;
                  });
    }
  }

  base::UniqueFd fd_;
  std::string waiting_;
  FrameHeads heads_;
  int ended_ = 0;
};

// Makes calls and resets them at once, over and over.
class ResetFlood {
 public:
  // When it begins another connection: whenever one is closed, or after each hundred calls, before
  // that can happen.
  enum class Connections { kAsFewAsItTakes, kManyShortOnes };

  ResetFlood(std::string socket, std::string method, Connections connections)
      : socket_(std::move(socket)), method_(std::move(method)), how_(connections) {}

  // 100 calls more, once the socket has taken those before; false until then.
  bool Go() {
    const bool sent = client_.has_value() && client_->Send("");
    if (!client_.has_value() || client_->Closed() ||
        (sent && how_ == Connections::kManyShortOnes)) {
      client_.reset();
      auto connected = ConnectToUnixSocket(socket_);
      if (!connected.ok()) return false;  // too many wait to be let in
      client_.emplace(std::move(*connected));
      stream_ = 1;
      ++connections_;
    } else if (!sent) {
      return false;
    }
    std::string frames;
    for (int i = 0; i < 100; ++i, stream_ += 2)
      frames += Request(stream_, method_) + Reset(stream_);
    client_->Send(frames);
    calls_ += 100;
    return true;
  }
  [[nodiscard]] int connections() const { return connections_; }
  [[nodiscard]] int calls() const { return calls_; }

 private:
  std::string socket_;
  std::string method_;
  Connections how_;
  std::optional<RawClient> client_;
  std::uint32_t stream_ = 1;
  int connections_ = 0;
  int calls_ = 0;
};

}  // namespace tranche::rpc::testing
