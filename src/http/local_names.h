// Whether a request was meant for a server on the browser's own machine.
//
// A page of a stranger can have its name resolved to 127.0.0.1 (DNS rebinding): the browser then
// takes our answers for that page's own, and lets it read them. Such a request names the stranger
// in its Host header. A request of another page's without that trick names it in Origin.
//
// Threading: pure.
// Errors: none; what cannot be read is no such request.
#pragma once

#include <string_view>

namespace tranche::http {

// `host` is "localhost", "127.0.0.1" or "[::1]", with a port or without: a port that is forwarded
// is another one than ours.
[[nodiscard]] bool NamesThisMachine(std::string_view host);

// Whether a page of the server at `host` itself asks. Without `origin` (empty) it is not said who
// asks, as where an address is typed.
[[nodiscard]] bool SameOrigin(std::string_view origin, std::string_view host);

}  // namespace tranche::http
