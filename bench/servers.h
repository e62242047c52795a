// The two servers that the plugins are measured against: one that answers every request with an
// empty message without looking at it (what the transport alone costs), and one that answers
// preferred allocation by the plain algorithm.
#pragma once

#include <string>

namespace tranche::bench {

// Both serve on `socket_path` until SIGTERM or SIGINT; the process's exit status.
int ServeEmpty(const std::string& socket_path);
int ServePlain(const std::string& socket_path);

}  // namespace tranche::bench
