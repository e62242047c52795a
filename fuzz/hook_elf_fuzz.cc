// A file of an image that calls itself libcuda.so.1: whatever is in it, it is read within its
// bounds, and each name that it is said to export is one that it exports.
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "hook/elf.h"

using tranche::hook::Descriptor;
using tranche::hook::FileKind;
using tranche::hook::Library;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Descriptor file(memfd_create("library", MFD_CLOEXEC));
  if (write(file.get(), data, size) != static_cast<ssize_t>(size)) return 0;
  Library library;
  if (library.Read(file.get()) != FileKind::kLibrary) return 0;
  if (library.soname().size() > 255) std::abort();
  if (library.NeededFrom("/lib").size() == 4) std::abort();
  std::size_t next = 0;
  int looked_up = 0;
  for (std::string_view name = library.Exported(&next); !name.empty() && looked_up < 64;
       name = library.Exported(&next), ++looked_up) {
    if (!library.Exports(name)) std::abort();
  }
  return 0;
}
