// Counts the calls that an HTTP/2 connection has cost its server and that the server has not ended,
// from the heads of the frames that pass in both directions.
//
// A client begins a call with the first HEADERS of a stream; the server ends it with a frame that
// ends the stream. A call that its client resets is never ended, and so it counts for as long as
// the connection lasts: nobody but the server knows when it has forgotten such a call.
//
// Threading: one thread at a time.
// Errors: none; bytes that are no HTTP/2 give any number.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace tranche::kubelet {

struct FrameHead {
  static constexpr std::size_t kBytes = 9;

  std::size_t length = 0;  // of what follows
  unsigned type = 0;
  unsigned flags = 0;
  std::uint32_t stream = 0;
};

// The heads of the frames of one direction, which comes in pieces of any size.
class FrameHeads {
 public:
  // `skip`: so many bytes stand before the first frame.
  explicit FrameHeads(std::size_t skip) : skip_(skip) {}

  // Calls `seen` with each head that these bytes complete.
  template <class Seen>
  void Read(std::string_view bytes, const Seen& seen) {
    while (Next(bytes)) seen(head_);
  }

 private:
  // Takes bytes from the front of `bytes`. True with a head in head_, false when all are taken.
  bool Next(std::string_view& bytes);

  std::size_t skip_;
  std::array<unsigned char, FrameHead::kBytes> begun_{};
  std::size_t have_ = 0;  // bytes of begun_
  FrameHead head_;
};

class OpenCalls {
 public:
  void FromClient(std::string_view bytes);
  void FromServer(std::string_view bytes);
  [[nodiscard]] long count() const { return count_; }

 private:
  static constexpr std::size_t kPreface = 24;  // what a client says first

  FrameHeads client_{kPreface};
  FrameHeads server_{0};
  std::uint32_t last_stream_ = 0;  // of those that the client has begun
  long count_ = 0;
};

}  // namespace tranche::kubelet
