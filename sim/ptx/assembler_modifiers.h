// Assembler::Modifiers, for the files that are the Assembler.
//
// Threading: one thread.
// Errors: none.
#pragma once

#include <algorithm>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "sim/ptx/assembler.h"
#include "sim/ptx/opcodes.h"

namespace tranche::sim::ptx {

inline bool IsFloat(Type type) { return type == Type::kF32 || type == Type::kF64; }

Fault NotInterpreted(const Statement& statement);

// The modifiers of an instruction: its types in order, and the others, each of which whoever
// understands it takes out.
struct Assembler::Modifiers {
  explicit Modifiers(const Statement& statement) {
    for (const std::string_view modifier : statement.modifiers) {
      if (!LooksLikeType(modifier)) {
        others.push_back(modifier);
      } else if (const Type type = TypeCalled(modifier); type != Type::kNone) {
        types.push_back(type);
      } else {
        odd = true;
      }
    }
  }
  bool Take(std::string_view name) {
    const auto found = std::find(others.begin(), others.end(), name);
    if (found == others.end()) return false;
    others.erase(found);
    return true;
  }
  void TakeAll(std::initializer_list<std::string_view> names) {
    for (const std::string_view name : names) Take(name);
  }
  [[nodiscard]] bool Done(std::size_t type_count) const {
    return !odd && others.empty() && types.size() == type_count;
  }

  std::vector<Type> types;
  std::vector<std::string_view> others;
  bool odd = false;  // a type that is not interpreted
};

}  // namespace tranche::sim::ptx
