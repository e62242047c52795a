// Parses the dynamic linker's cache, /etc/ld.so.cache, which lists where a system keeps its 64-bit
// libraries.
//
// It is read only when a driver library is in none of the usual directories. Format: glibc's
// sysdeps/generic/dl-cache.h ("glibc-ld.so.cache1.1", alone or after the old "ld.so-1.7.0" part).
//
// Threading: a plain function, safe on any thread.
// Errors: kInvalidArgument where the bytes are not a cache; entries that point outside the data are
// left out.
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
