#include "shim/guest/library.h"

#include "shim/guest/old_glibc.h"

namespace tranche::shim::guest {

const char* RealPath(const void* inside, const char* plain) {
  Dl_info own;
  if (dladdr(inside, &own) == 0) return nullptr;
  void* self = dlopen(own.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
  if (self == nullptr) return nullptr;
  // Through our own dependencies, of which the real library is the first.
  const void* function = dlsym(self, plain);
  Dl_info real;
  if (function == nullptr || dladdr(function, &real) == 0) return nullptr;
  return real.dli_fbase == own.dli_fbase ? nullptr : real.dli_fname;
}

void* RealLibrary(const void* inside, const char* plain) {
  const char* path = RealPath(inside, plain);
  return path == nullptr ? nullptr : dlopen(path, RTLD_LAZY | RTLD_NOLOAD);
}

}  // namespace tranche::shim::guest
