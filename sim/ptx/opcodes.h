// The words of PTX: its instructions and its types.
//
// Threading: safe on any thread.
// Errors: none.
#pragma once

#include <string_view>

#include "sim/ptx/code.h"

namespace tranche::sim::ptx {

bool IsOpcode(std::string_view name);           // of any instruction up to PTX 9
bool LooksLikeType(std::string_view modifier);  // ".u32", and ".bf16x2" too
// kNone for a type that is not interpreted. Untyped bits are unsigned numbers.
Type TypeCalled(std::string_view dotted);
// Bytes of a type with which variables are declared; 0: it is none. ".bf16" counts.
unsigned StorageSize(std::string_view dotted);

}  // namespace tranche::sim::ptx
