#include "node/walls/requests.h"

#include <cstring>

#include "wire/pages.h"
#include "wire/uuid.h"

namespace tranche::node::walls {
namespace {

template <class Message>
std::optional<Message> As(std::span<const std::byte> packet) {
  Message message;
  if (packet.size() != sizeof message) return std::nullopt;
  std::memcpy(&message, packet.data(), sizeof message);
  return message;
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
  } else if (header.kind == wire::Kind::kLook) {
    if (const auto look = As<wire::Look>(packet)) return Request(*look);
  }
  return wire::Status::kRefused;
}

std::optional<wire::Uuid> ParseUuid(std::string_view text) {
  wire::Uuid uuid{};
  if (!wire::ParseUuid(text.data(), text.size(), &uuid)) return std::nullopt;
  return uuid;
}

}  // namespace tranche::node::walls
