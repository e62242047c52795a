// Takes functions of libc from their oldest version, so that the shim, built on a new glibc, is
// loaded by one of 2012 (2.17) too. Included by the file that calls them.
//
// Threading: nothing is run.
// Errors: tests/shim/symbols_test.py finds what has been forgotten.
#pragma once

#include <dlfcn.h>

namespace tranche::shim::guest {

#ifdef __x86_64__
// glibc 2.34 moved these from libdl into libc.
__asm__(".symver dlopen,dlopen@GLIBC_2.2.5");
__asm__(".symver dlsym,dlsym@GLIBC_2.2.5");
__asm__(".symver dladdr,dladdr@GLIBC_2.2.5");
#endif

}  // namespace tranche::shim::guest
