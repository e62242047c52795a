// What a program inside a pod asks, read from the bytes of one packet, all of which is hostile; and
// what it is answered.
//
// Threading: plain functions.
// Errors: the wire::Status to answer with.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <variant>

#include "wire/message.h"

namespace tranche::node::walls {

using Request = std::variant<wire::Hello, wire::Measure, wire::Look>;

// A request has every count and index in bounds. kUnknownVersion: it is of another version of the
// protocol. kRefused: it breaks the rules.
std::variant<Request, wire::Status> ReadRequest(std::span<const std::byte> packet);

inline wire::HelloAnswer AnswerHello(wire::Status status) {
  return {.header = {wire::kMagic, wire::kVersion, wire::Kind::kHelloAnswer}, .status = status};
}

inline wire::MeasureAnswer AnswerMeasure(wire::Status status, std::uint64_t bytes) {
  return {.header = {wire::kMagic, wire::kVersion, wire::Kind::kMeasureAnswer},
          .status = status,
          .context_bytes = bytes};
}

template <class Message>
std::span<const std::byte> BytesOf(const Message& message) {
  return std::as_bytes(std::span(&message, 1));
}

// "GPU-6d2f1d4e-5c0f-…" or "MIG-…", in either case of letters; nullopt for what is none.
std::optional<wire::Uuid> ParseUuid(std::string_view text);

}  // namespace tranche::node::walls
