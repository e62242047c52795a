// What a program inside a pod asks, read from the bytes of one packet. All of it is hostile.
//
// Threading: plain functions.
// Errors: the wire::Status to answer with.
#pragma once

#include <cstddef>
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

// "GPU-6d2f1d4e-5c0f-…" or "MIG-…", in either case of letters; nullopt for what is none.
std::optional<wire::Uuid> ParseUuid(std::string_view text);

}  // namespace tranche::node::walls
