// The data that libcuda.so.1 exports for debuggers (cudbg…). No debugger can attach to a simulated
// GPU: the variables are there, are zero and are never read.

// NOLINTBEGIN(readability-identifier-naming,bugprone-macro-parentheses): the names are NVIDIA's.
#define EXPORT(name, base, version, flavour, driver)
#define DATA(name, bytes, driver) alignas((bytes) < 16 ? (bytes) : 16) unsigned char name[bytes];
extern "C" {
#include "sim/cuda/exports/exports.def"
}
// NOLINTEND(readability-identifier-naming,bugprone-macro-parentheses)
