#include "node/walls/requests.h"

#include <cstring>

#include "wire/pages.h"

namespace tranche::node::walls {
namespace {

template <class Message>
std::optional<Message> As(std::span<const std::byte> packet) {
  Message message;
  if (packet.size() != sizeof message) return std::nullopt;
  std::memcpy(&message, packet.data(), sizeof message);
  return message;
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

std::variant<Request, wire::Status> ReadRequest(std::span<const std::byte> packet) {
  wire::Header header{};
  if (packet.size() < sizeof header) return wire::Status::kRefused;
  std::memcpy(&header, packet.data(), sizeof header);
  if (header.magic != wire::kMagic) return wire::Status::kRefused;
  if (header.version != wire::kVersion) return wire::Status::kUnknownVersion;
  if (header.kind == wire::Kind::kHello) {
    const auto hello = As<wire::Hello>(packet);
    if (hello && hello->device_count <= wire::kMaxDevices) return Request(*hello);
  } else if (header.kind == wire::Kind::kMeasure) {
    const auto measure = As<wire::Measure>(packet);
    if (measure && measure->slot < wire::kMaxSlots && measure->device < wire::kMaxDevices) {
      return Request(*measure);
    }
  }
  return wire::Status::kRefused;
}

std::optional<wire::Uuid> ParseUuid(std::string_view text) {
  constexpr std::size_t kPrefix = 4;
  constexpr std::size_t kLength = 36;
  if (!text.starts_with("GPU-") && !text.starts_with("MIG-")) return std::nullopt;
  text.remove_prefix(kPrefix);
  if (text.size() != kLength) return std::nullopt;
  wire::Uuid uuid{};
  std::size_t byte = 0;
  for (std::size_t i = 0; i < kLength;) {
    if (i == 8 || i == 13 || i == 18 || i == 23) {
      if (text[i++] != '-') return std::nullopt;
      continue;
    }
    const int high = HexDigit(text[i]);
    const int low = HexDigit(text[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    uuid.bytes[byte++] = static_cast<std::uint8_t>(high << 4 | low);
    i += 2;
  }
  return uuid;
}

}  // namespace tranche::node::walls
