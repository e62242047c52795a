// /etc/ld.so.cache of any container, as tranche-check reads it (src/check/cache.h): whatever is in
// it, what is found lies inside it and ends there.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <string>
#include <string_view>

#include "check/cache.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string cache(reinterpret_cast<const char*>(data), size);
  for (const std::string_view name : {"libcuda.so.1", "libc.so.6", ""}) {
    const std::string_view path = tranche::check::InCache(cache, name);
    if (path.empty()) continue;
    const std::less<> before;
    if (before(path.data(), cache.data()) ||
        !before(path.data() + path.size(), cache.data() + cache.size())) {
      std::abort();
    }
    if (path.find('\0') != std::string_view::npos) std::abort();
  }
  return 0;
}
