// What /etc/ld.so.cache says: where the dynamic linker finds a library that a program asks for by
// its name alone.
//
// Format: as ldconfig of glibc 2.2 and later writes it, behind the older format or without it
// (sysdeps/generic/dl-cache.h there).
//
// Threading: plain functions.
// Errors: "" where the cache has no such library, or is none.
#pragma once

#include <cstddef>
#include <string_view>

#include "hook/root.h"
#include "hook/text.h"

namespace tranche::check {

// In the text of a cache.
std::string_view InCache(std::string_view cache, std::string_view library);

// In the cache of the container.
hook::Path FindInCache(const hook::Root& root, std::string_view library);

}  // namespace tranche::check
