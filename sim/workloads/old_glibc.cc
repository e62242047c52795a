#include "sim/workloads/old_glibc.h"

// What start files and libgcc.a of a new distribution ask of glibc that an old one does not have.
// The program is linked without the start files, and has one thread and no exceptions.
#include <cstdint>

#define TRANCHE_HIDDEN __attribute__((visibility("hidden")))

__asm__(".symver __libc_start_main,__libc_start_main@GLIBC_2.2.5");

// NOLINTBEGIN(bugprone-reserved-identifier,readability-identifier-naming): the names are glibc's.
extern "C" {

using Initialiser = void (*)(int, char**, char**);
TRANCHE_HIDDEN extern const Initialiser __init_array_start[];
TRANCHE_HIDDEN extern const Initialiser __init_array_end[];

// Up to 2.33 the program itself ran its initialisers; later glibc does so only where it is told to.
TRANCHE_HIDDEN void TrancheInitialise(int argc, char** argv, char** environment) {
  for (const Initialiser* run = __init_array_start; run != __init_array_end; ++run) {
    (*run)(argc, argv, environment);
  }
}

// As the psABI has it: the arguments lie on the stack, %rdx is the loader's function for the end.
__asm__(R"(
  .globl _start
  .type _start, @function
_start:
  xorl %ebp, %ebp
  movq %rdx, %r9
  popq %rsi
  movq %rsp, %rdx
  andq $-16, %rsp
  pushq %rax
  pushq %rsp
  xorl %r8d, %r8d
  leaq TrancheInitialise(%rip), %rcx
  leaq main(%rip), %rdi
  callq *__libc_start_main@GOTPCREL(%rip)
  hlt
)");

// crtbegin.o's, for destructors at the end of the program.
TRANCHE_HIDDEN void* __dso_handle = nullptr;

// 2.32: whether there is one thread. False is always right.
TRANCHE_HIDDEN char __libc_single_threaded = 0;

// 2.35: the unwinder's way to an object's tables. Nothing is thrown, so nothing is found.
TRANCHE_HIDDEN int _dl_find_object(void*, void*) { return -1; }

// libgcc.a takes these from libc, where 2.34 moved them to.
TRANCHE_HIDDEN int pthread_once(int* done, void (*run)()) {
  if (*done == 0) {
    *done = 1;
    run();
  }
  return 0;
}
TRANCHE_HIDDEN int __pthread_key_create(unsigned*, void (*)(void*)) { return 0; }

}  // extern "C"
// NOLINTEND(bugprone-reserved-identifier,readability-identifier-naming)
