// Converts between gRPC's byte buffers and strings. It is included only by the .cc files that wrap
// gRPC.
//
// Threading: plain functions, safe on any thread.
// Errors: a buffer that cannot be read is an empty string.
#pragma once

#include <grpcpp/support/byte_buffer.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "base/status.h"

namespace tranche::kubelet {

inline std::string ToString(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  std::string bytes;
  if (!buffer.Valid() || !buffer.Dump(&slices).ok()) return bytes;
  bytes.reserve(buffer.Length());
  for (const grpc::Slice& slice : slices) {
    bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  return bytes;
}

inline grpc::ByteBuffer ToBuffer(std::string_view bytes) {
  grpc::Slice slice(bytes.data(), bytes.size());
  return {&slice, 1};
}

// Shares `bytes` instead of copying: they live until gRPC has sent them.
inline grpc::ByteBuffer ToSharedBuffer(std::shared_ptr<const std::string> bytes) {
  auto* keep = new std::shared_ptr<const std::string>(std::move(bytes));
  grpc::Slice slice(
      const_cast<char*>((*keep)->data()), (*keep)->size(),
      [](void* kept) { delete static_cast<std::shared_ptr<const std::string>*>(kept); }, keep);
  return {&slice, 1};
}

// The other side's words go to people: escaped, and cut.
inline base::Status ToStatus(const grpc::Status& status) {
  constexpr std::size_t kMaxText = 512;
  if (status.ok()) return base::Status::Ok();
  const int code = status.error_code();
  const bool known = code > 0 && code <= static_cast<int>(base::Code::kDataLoss);
  return {known ? static_cast<base::Code>(code) : base::Code::kUnknown,
          base::Printable(status.error_message(), kMaxText)};
}

}  // namespace tranche::kubelet
