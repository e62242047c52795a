#include "rpc/messages.h"

#include <algorithm>
#include <utility>

namespace tranche::rpc {
namespace {

constexpr unsigned kByteBits = 8;
constexpr std::size_t kLengthBytes = 4;

std::array<std::uint8_t, kMessagePrefixBytes> PrefixOf(std::size_t length) {
  std::array<std::uint8_t, kMessagePrefixBytes> prefix{};
  for (std::size_t i = kMessagePrefixBytes; i-- > 1; length >>= kByteBits) {
    prefix.at(i) = static_cast<std::uint8_t>(length);
  }
  return prefix;
}

}  // namespace

base::Status MessageReader::Read(std::string_view bytes, const OnMessage& on_message) {
  while (!bytes.empty()) {
    TRANCHE_TRY(ReadPrefix(bytes));
    if (prefix_bytes_ < kMessagePrefixBytes) break;
    const std::size_t size = std::min(bytes.size(), length_ - message_.size());
    if (MessageBudget::Counts(length_) && !budget_->Take(size)) {
      return {base::Code::kResourceExhausted, "too many messages are under way at a time"};
    }
    message_.append(bytes.substr(0, size));
    bytes.remove_prefix(size);
    if (message_.size() < length_) break;
    GiveBack();
    prefix_bytes_ = 0;
    length_ = 0;
    on_message(std::exchange(message_, {}));
  }
  return base::Status::Ok();
}

// Takes what belongs to the prefix off the front of `bytes`.
base::Status MessageReader::ReadPrefix(std::string_view& bytes) {
  if (prefix_bytes_ == kMessagePrefixBytes) return base::Status::Ok();
  const std::size_t size = std::min(bytes.size(), kMessagePrefixBytes - prefix_bytes_);
  std::copy_n(bytes.begin(), size, prefix_.begin() + static_cast<std::ptrdiff_t>(prefix_bytes_));
  bytes.remove_prefix(size);
  prefix_bytes_ += size;
  if (prefix_bytes_ < kMessagePrefixBytes) return base::Status::Ok();
  if (prefix_[0] != 0) return {base::Code::kUnimplemented, "compressed messages are not taken"};
  length_ = 0;
  for (std::size_t i = 0; i < kLengthBytes; ++i) length_ = length_ << kByteBits | prefix_.at(i + 1);
  if (length_ > max_bytes_) {
    return {base::Code::kResourceExhausted, "a message of " + std::to_string(length_) +
                                                " bytes, where at most " +
                                                std::to_string(max_bytes_) + " are taken"};
  }
  return base::Status::Ok();
}

void MessageWriter::Send(std::shared_ptr<const std::string> message) {
  (message_ == nullptr ? message_ : waiting_) = std::move(message);
}

std::size_t MessageWriter::Write(std::span<std::uint8_t> to) {
  std::size_t size = 0;
  while (message_ != nullptr && size < to.size()) {
    const auto prefix = PrefixOf(message_->size());
    for (; written_ < prefix.size() && size < to.size(); ++written_, ++size)
      to[size] = prefix.at(written_);
    if (written_ < prefix.size()) break;
    const auto rest =
        std::string_view(*message_).substr(written_ - prefix.size(), to.size() - size);
    std::ranges::copy(rest, to.begin() + static_cast<std::ptrdiff_t>(size));
    size += rest.size();
    written_ += rest.size();
    if (written_ < prefix.size() + message_->size()) break;
    message_ = std::exchange(waiting_, nullptr);
    written_ = 0;
  }
  return size;
}

}  // namespace tranche::rpc
