// A server-sent event as it goes over the wire (the HTML standard, "Server-sent events").
//
// Threading: pure.
// Errors: none.
#pragma once

#include <string>
#include <string_view>

namespace tranche::http {

// `name` is a word of ours. Each line of `data` stands on a line of its own, so that no data can
// end an event or begin another.
[[nodiscard]] std::string EventText(std::string_view name, std::string_view data);

}  // namespace tranche::http
