// Takes functions of libc from their oldest version, so that a program that is built on a new glibc
// runs on one of 2012 (2.17) too. A file that calls one of them includes this header; what else a
// program needs for it is in old_glibc.cc.
//
// Threading: nothing is run.
// Errors: tests/workloads/symbols_test.py finds what has been forgotten.
#pragma once

namespace tranche::sim::workloads {

#ifdef __x86_64__
// glibc 2.34 moved these two from libdl into libc, and 2.29 gave those of libm a new version.
__asm__(".symver dlopen,dlopen@GLIBC_2.2.5");
__asm__(".symver dlsym,dlsym@GLIBC_2.2.5");
__asm__(".symver dlerror,dlerror@GLIBC_2.2.5");
__asm__(".symver exp,exp@GLIBC_2.2.5");
__asm__(".symver log,log@GLIBC_2.2.5");
#endif

}  // namespace tranche::sim::workloads
