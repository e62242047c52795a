#include "rpc/stream_head.h"

#include <charconv>
#include <optional>

#include "base/log.h"

namespace tranche::rpc {
namespace {

constexpr std::size_t kMaxText = 512;
constexpr int kHexBase = 16;

std::optional<unsigned> NumberOf(std::string_view text, int base) {
  unsigned number = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number, base);
  if (error != std::errc() || stop != end) return std::nullopt;
  return number;
}

// What a proxy or a server that has no gRPC answers ("HTTP to gRPC Status Code Mapping", doc/
// http-grpc-status-mapping.md beside the protocol).
base::Code CodeOfHttp(std::string_view http_status) {
  if (http_status == "400") return base::Code::kInternal;
  if (http_status == "403") return base::Code::kPermissionDenied;
  if (http_status == "404") return base::Code::kUnimplemented;
  if (http_status == "429" || http_status == "502" || http_status == "503" ||
      http_status == "504") {
    return base::Code::kUnavailable;
  }
  return base::Code::kUnknown;
}

}  // namespace

void StreamHead::Take(std::string_view name, std::string_view value) {
  std::string* const field = name == ":path"          ? &method
                             : name == ":status"      ? &http_status
                             : name == "grpc-status"  ? &grpc_status
                             : name == "grpc-message" ? &grpc_message
                                                      : nullptr;
  if (field != nullptr) *field = value.substr(0, kMaxValueBytes);
}

base::Status StatusOf(const StreamHead& head) {
  if (head.http_status != "200") {
    return {CodeOfHttp(head.http_status),
            "the answer has the HTTP status " + base::Printable(head.http_status, kMaxText)};
  }
  const auto code = NumberOf(head.grpc_status, 10);
  if (!code) return {base::Code::kUnknown, "the answer ended without a status"};
  if (*code == 0) return base::Status::Ok();
  const bool known = *code <= static_cast<unsigned>(base::Code::kDataLoss);
  return {known ? static_cast<base::Code>(*code) : base::Code::kUnknown,
          base::Printable(DecodeText(head.grpc_message), kMaxText)};
}

base::Status StatusOfReset(std::uint32_t http2_error) {
  constexpr std::uint32_t kRefusedStream = 0x7;
  constexpr std::uint32_t kCancel = 0x8;
  constexpr std::uint32_t kEnhanceYourCalm = 0xb;
  const std::string text = "the stream was reset with HTTP/2's code " + std::to_string(http2_error);
  switch (http2_error) {
    case kRefusedStream:
      return {base::Code::kUnavailable, text};
    case kCancel:
      return {base::Code::kCancelled, text};
    case kEnhanceYourCalm:
      return {base::Code::kResourceExhausted, text};
    default:
      return {base::Code::kInternal, text};
  }
}

std::string EncodeText(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string encoded;
  for (const char letter : text) {
    if (letter >= ' ' && letter <= '~' && letter != '%') {
      encoded += letter;
      continue;
    }
    const auto byte = static_cast<unsigned char>(letter);
    encoded += {'%', kDigits[byte / kHexBase], kDigits[byte % kHexBase]};
  }
  return encoded;
}

std::string DecodeText(std::string_view encoded) {
  std::string text;
  while (!encoded.empty()) {
    const auto byte = encoded.front() == '%' && encoded.size() > 2
                          ? NumberOf(encoded.substr(1, 2), kHexBase)
                          : std::nullopt;
    text += byte ? static_cast<char>(*byte) : encoded.front();
    encoded.remove_prefix(byte ? 3 : 1);
  }
  return text;
}

}  // namespace tranche::rpc
