// What either side of a connection to a gRPC server says: any bytes, in pieces of any size.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/status.h"
#include "kubelet/open_calls.h"

namespace {

// Every other piece of `bytes` is the server's; a piece is cut into such of at most `largest`
// bytes.
long Count(std::string_view bytes, std::size_t largest) {
  tranche::kubelet::OpenCalls calls;
  bool client = true;
  while (!bytes.empty()) {
    const std::size_t size = std::min<std::size_t>(bytes.size(), 64);
    for (std::size_t i = 0; i < size; i += largest) {
      const std::string_view piece = bytes.substr(i, std::min(largest, size - i));
      client ? calls.FromClient(piece) : calls.FromServer(piece);
    }
    bytes.remove_prefix(size);
    client = !client;
  }
  return calls.count();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const long whole = Count(bytes, 64);
  TRANCHE_CHECK(whole >= 0 && whole <= static_cast<long>(size) / 9 + 1);
  for (const std::size_t largest : {1U, 5U, 9U}) TRANCHE_CHECK(Count(bytes, largest) == whole);
  return 0;
}
