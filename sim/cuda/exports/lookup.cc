// The table of all exports, and the rule by which cuGetProcAddress chooses among them: a base name
// stands for one function per stream flavour and version, and the one given is the newest that is
// not newer than the version asked for. Where the per-thread default stream is asked for and the
// name has functions for it at all, only those count.
#include "sim/cuda/lookup.h"

#include <algorithm>
#include <cstring>
#include <iterator>

// NOLINTBEGIN(readability-identifier-naming): the names are NVIDIA's.
#define DATA(name, bytes, driver)
#define EXPORT(name, base, version, flavour, driver) extern "C" int name();
#include "sim/cuda/exports/exports.def"
#undef EXPORT
// NOLINTEND(readability-identifier-naming)

namespace tranche::sim::cuda {
namespace {

enum Flavour : std::uint8_t { kLegacy, kPerThread };

struct Export {
  const char* base;
  unsigned version;
  Flavour flavour;
  unsigned driver;
  int (*function)();
};

constexpr Export kExports[] = {
#define EXPORT(name, base, version, flavour, driver) {#base, version, flavour, driver, &(name)},
#include "sim/cuda/exports/exports.def"
#undef EXPORT
#undef DATA
};

}  // namespace

FoundExport FindExport(const char* name, unsigned version, std::uint64_t flags) {
  const auto less = [](const Export& row, const char* base) {
    return std::strcmp(row.base, base) < 0;
  };
  const Export* const begin =
      std::lower_bound(std::begin(kExports), std::end(kExports), name, less);
  const Export* end = begin;
  bool per_thread = false;
  FoundExport answer;
  for (; end != std::end(kExports) && std::strcmp(end->base, name) == 0; ++end) {
    if (end->version == 0 || end->driver > kLibraryVersion) continue;
    answer.status = kProcAddressVersionNotSufficient;
    if (end->flavour == kPerThread && (flags & kProcAddressPerThreadDefaultStream) != 0) {
      per_thread = true;
    }
  }
  for (const Export* row = begin; row != end; ++row) {
    if (row->version == 0 || row->driver > kLibraryVersion || row->version > version) continue;
    if ((row->flavour == kPerThread) != per_thread) continue;
    answer = {kProcAddressFound, reinterpret_cast<void*>(row->function)};
  }
  return answer;
}

}  // namespace tranche::sim::cuda
