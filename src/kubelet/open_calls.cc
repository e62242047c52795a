#include "kubelet/open_calls.h"

#include <algorithm>

namespace tranche::kubelet {
namespace {

// RFC 9113, section 6.
constexpr unsigned kData = 0;
constexpr unsigned kHeaders = 1;
constexpr unsigned kEndStream = 1;

}  // namespace

bool FrameHeads::Next(std::string_view& bytes) {
  const std::size_t skipped = std::min(skip_, bytes.size());
  skip_ -= skipped;
  bytes.remove_prefix(skipped);
  const std::size_t taken = std::min(begun_.size() - have_, bytes.size());
  std::copy_n(bytes.begin(), taken, begun_.begin() + static_cast<std::ptrdiff_t>(have_));
  have_ += taken;
  bytes.remove_prefix(taken);
  if (have_ < begun_.size()) return false;
  have_ = 0;
  const auto number = [this](std::size_t from, std::size_t count) {
    std::uint32_t value = 0;
    for (std::size_t i = from; i < from + count; ++i) value = value << 8U | begun_.at(i);
    return value;
  };
  head_ = {.length = number(0, 3),
           .type = number(3, 1),
           .flags = number(4, 1),
           .stream = number(5, 4) & 0x7fffffffU};
  skip_ = head_.length;
  return true;
}

void OpenCalls::FromClient(std::string_view bytes) {
  client_.Read(bytes, [this](const FrameHead& head) {
    // Further HEADERS of a stream are its trailers, and numbers only grow.
    if (head.type != kHeaders || head.stream <= last_stream_) return;
    last_stream_ = head.stream;
    ++count_;
  });
}

void OpenCalls::FromServer(std::string_view bytes) {
  server_.Read(bytes, [this](const FrameHead& head) {
    const bool ends =
        (head.type == kHeaders || head.type == kData) && (head.flags & kEndStream) != 0;
    if (ends && count_ > 0) --count_;
  });
}

}  // namespace tranche::kubelet
