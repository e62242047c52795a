// The dynamic linker's cache, /etc/ld.so.cache: where a system keeps its 64-bit libraries.
//
// Asked only when a driver library is in none of the usual directories. Format: glibc's
// sysdeps/generic/dl-cache.h ("glibc-ld.so.cache1.1", alone or after the old "ld.so-1.7.0" part).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace tranche::cdi {

// The libraries' paths, each once, in the order of the cache. Entries that point outside the data
// are left out. kInvalidArgument: not a cache.
base::Result<std::vector<std::string>> ParseLdCache(std::string_view bytes);

}  // namespace tranche::cdi
