#include "hook/memory.h"

#include <cerrno>
#include <limits>

namespace tranche::hook {

ssize_t ReadAll(int descriptor, char* to, std::size_t size) {
  std::size_t have = 0;
  while (have < size) {
    const ssize_t got = read(descriptor, to + have, size - have);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return -1;
    if (got == 0) break;
    have += static_cast<std::size_t>(got);
  }
  return static_cast<ssize_t>(have);
}

std::size_t ReadAt(int descriptor, unsigned long long offset, void* to, std::size_t size) {
  constexpr auto kFarthest = static_cast<unsigned long long>(std::numeric_limits<off_t>::max());
  if (offset > kFarthest - size) return 0;
  std::size_t have = 0;
  while (have < size) {
    const ssize_t got = pread(descriptor, static_cast<char*>(to) + have, size - have,
                              static_cast<off_t>(offset + have));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    have += static_cast<std::size_t>(got);
  }
  return have;
}

void Print(int descriptor, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(descriptor, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

}  // namespace tranche::hook
