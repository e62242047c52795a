// What the headers and trailers of a gRPC stream say, and the status that follows from them
// (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md).
//
// Threading: plain functions and values, safe on any thread.
// Errors: none; what is missing or malformed is a status, too.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/status.h"

namespace tranche::rpc {

// Of one direction of a stream; empty where nothing has said it.
struct StreamHead {
  std::string method;        // ":path" of a request
  std::string http_status;   // ":status" of an answer
  std::string grpc_status;   // of an answer's end
  std::string grpc_message;  // percent-encoded

  // Takes a field if it is one of these. A value is cut after kMaxValueBytes.
  void Take(std::string_view name, std::string_view value);

  static constexpr std::size_t kMaxValueBytes = 4096;
};

// The status of an answer that has ended. Its words go to people: printable, and cut.
base::Status StatusOf(const StreamHead& head);

// The status of a stream that was reset, by HTTP/2's code of the error (RFC 9113, section 7).
base::Status StatusOfReset(std::uint32_t http2_error);

// As the value of "grpc-message": percent-encoded.
std::string EncodeText(std::string_view text);
std::string DecodeText(std::string_view encoded);

}  // namespace tranche::rpc
