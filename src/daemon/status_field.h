// A field of the document in which a program tells of itself (status.json, /status). Each program
// has a table of its fields, which is the contract with its readers; the page
// docs/reference/status.md is made from these tables, and a test holds the document against its
// table.
//
// Threading: constants.
// Errors: none.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>

namespace tranche::daemon {

struct StatusField {
  std::string_view path;  // "config.usable", "gpus[].uuid"
  std::string_view type;  // "text", "number", "bool", "object", "list", with "or null"
  std::string_view meaning;
};

// What has happened, which every such document tells last, in the same way.
inline constexpr auto kEventFields = std::to_array<StatusField>({
    {"events", "list", "What has happened, the newest last; at most 64."},
    {"events[]", "object", "One of them."},
    {"events[].type", "text", "`Normal` or `Warning`."},
    {"events[].reason", "text", "One of the reasons in [events](events.md)."},
    {"events[].message", "text", "What happened."},
    {"events[].time", "text", "When it last happened (RFC 3339, UTC)."},
    {"events[].count", "number", "How often, in a row."},
});

template <std::size_t N>
constexpr auto WithEventFields(const std::array<StatusField, N>& fields) {
  std::array<StatusField, N + kEventFields.size()> all{};
  std::ranges::copy(kEventFields, std::ranges::copy(fields, all.begin()).out);
  return all;
}

}  // namespace tranche::daemon
