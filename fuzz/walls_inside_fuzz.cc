// What is read of a program that has not attached (src/node/walls/inside.h): its maps, in which it
// may have given files any name, and what was written at the birth of its container.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "node/walls/inside.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace walls = tranche::node::walls;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const walls::Loaded loaded = walls::ReadLoaded(text, {{.major = 8, .minor = 1, .inode = 42}});
  const walls::Inside inside{.loaded = loaded, .birth = walls::ReadBirth(text)};
  for (const walls::Births births : {walls::Births::kTold, walls::Births::kNotTold}) {
    const walls::Reason reason = walls::WhyNoWall(inside, births);
    for (const char byte : reason.text) {
      if (static_cast<unsigned char>(byte) < 0x20 || byte == 0x7F) std::abort();
    }
  }
  return 0;
}
