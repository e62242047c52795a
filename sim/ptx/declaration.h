// Declaration is a directive of PTX that declares variables.
//
// Threading: plain data.
// Errors: none.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sim/ptx/image.h"

namespace tranche::sim::ptx {

struct DeclaredName {
  std::string name;
  std::uint64_t size = 0;
  std::vector<std::uint8_t> initial;
  std::vector<Pointer> pointers;
};

struct Declaration {
  std::string_view space;  // ".global"
  std::uint64_t alignment = 1;
  bool external = false;
  bool managed = false;
  std::vector<DeclaredName> names;
};

}  // namespace tranche::sim::ptx
