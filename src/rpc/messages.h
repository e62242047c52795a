// The messages of gRPC in the bytes of a stream: each has a byte that says whether it is compressed
// and four that say how long it is before it
// (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md, "Length-Prefixed-Message").
//
// Threading: one thread at a time.
// Errors: a message that is compressed or too large is a Status, as gRPC has it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/status.h"

namespace tranche::rpc {

inline constexpr std::size_t kMessagePrefixBytes = 5;

// How many bytes of messages may be held at a time, by all that share it. Small messages are not
// counted, so that whoever holds all of it keeps nobody from an ordinary call.
class MessageBudget {
 public:
  static constexpr std::size_t kSmallMessageBytes = 64U << 10U;
  static bool Counts(std::size_t message_bytes) { return message_bytes > kSmallMessageBytes; }

  explicit MessageBudget(std::size_t most) : left_(most) {}
  // False, and nothing is taken, where there are not so many left.
  bool Take(std::size_t bytes) {
    if (bytes > left_) return false;
    left_ -= bytes;
    return true;
  }
  void GiveBack(std::size_t bytes) { left_ += bytes; }

 private:
  std::size_t left_;
};

// Puts messages together from pieces of any size.
class MessageReader {
 public:
  using OnMessage = std::function<void(std::string message)>;

  // A message that is not whole yet is held at the cost of `budget`.
  MessageReader(std::size_t max_message_bytes, std::shared_ptr<MessageBudget> budget)
      : max_bytes_(max_message_bytes), budget_(std::move(budget)) {}
  MessageReader(const MessageReader&) = delete;
  MessageReader& operator=(const MessageReader&) = delete;
  ~MessageReader() { GiveBack(); }

  // kUnimplemented: it is compressed. kResourceExhausted: it is too large. Nothing more can be read
  // then.
  base::Status Read(std::string_view bytes, const OnMessage& on_message);

 private:
  [[nodiscard]] base::Status ReadPrefix(std::string_view& bytes);
  void GiveBack() {
    if (MessageBudget::Counts(length_)) budget_->GiveBack(message_.size());
  }

  const std::size_t max_bytes_;
  std::shared_ptr<MessageBudget> budget_;
  std::array<std::uint8_t, kMessagePrefixBytes> prefix_{};
  std::size_t prefix_bytes_ = 0;  // of it that have come
  std::size_t length_ = 0;        // of the message, once its prefix is whole
  std::string message_;
};

// Gives messages out in pieces of any size. While one is on its way only the newest waits.
class MessageWriter {
 public:
  void Send(std::shared_ptr<const std::string> message);
  // How many bytes it has put at the front of `to`. 0: nothing is left to send.
  std::size_t Write(std::span<std::uint8_t> to);
  [[nodiscard]] bool empty() const { return message_ == nullptr; }

 private:
  std::shared_ptr<const std::string> message_;  // on its way; null: none
  std::shared_ptr<const std::string> waiting_;
  std::size_t written_ = 0;  // of the prefix and the message
};

}  // namespace tranche::rpc
