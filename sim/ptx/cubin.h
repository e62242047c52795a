// ReadCubin reads what a driver must know of a cubin: an ELF file for a GPU, as ptxas writes it.
//
// The layout of the file is that of ELF; what the sections .nv.info hold was read off files that
// ptxas 12.4 and 13.5 wrote. The instructions are machine code, which is not interpreted.
//
// Threading: safe on any thread.
// Errors: false for what is no whole cubin.
#pragma once

#include <cstdint>
#include <span>

#include "sim/ptx/image.h"

namespace tranche::sim::ptx {

bool IsElf(std::span<const std::uint8_t> bytes);

// How many bytes the ELF file that begins here has, by its headers; 0: it is none. `bytes` need to
// hold its file header only.
std::uint64_t ElfSize(std::span<const std::uint8_t> bytes);

bool ReadCubin(std::span<const std::uint8_t> bytes, Image* image);

}  // namespace tranche::sim::ptx
