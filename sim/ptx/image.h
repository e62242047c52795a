// Image is what a module of GPU code has in it, as far as a simulated driver needs to know: its
// kernels with what they take, and its variables. It is read from PTX text or from a cubin.
//
// Threading: plain data; what is shared between images (Code) never changes.
// Errors: none.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace tranche::sim::ptx {

struct Code;

struct Param {
  std::string name;  // empty in cubins
  std::uint32_t offset = 0;
  std::uint32_t size = 0;
};

struct Kernel {
  std::string name;
  std::vector<Param> params;
  std::uint32_t param_bytes = 0;
  std::uint32_t shared_bytes = 0;  // fixed by the code, beside what a launch adds
  std::uint32_t local_bytes = 0;   // of each thread
  std::uint32_t registers = 0;     // of each thread; 0: not known
  std::uint32_t max_threads = 0;   // of a block (.maxntid, .reqntid); 0: no limit of its own
  std::uint32_t required[3] = {};  // .reqntid; zeros: none
  // The parameter that is the kernel's time in nanoseconds (see cost.h).
  std::optional<std::uint32_t> cost_param;
  std::shared_ptr<const Code> code;  // none: the kernel cannot be interpreted, because …
  std::string obstacle;              // … of this
  bool has_effects = true;           // false: it writes to no memory that outlives it
};

enum class VariableSpace : std::uint8_t { kGlobal, kConst };

// An address of another variable in a variable's initial content.
struct Pointer {
  std::uint64_t at = 0;
  std::string to;
  std::uint64_t plus = 0;
};

struct Variable {
  std::string name;
  VariableSpace space = VariableSpace::kGlobal;
  bool managed = false;
  bool external = false;  // defined elsewhere
  std::uint64_t size = 0;
  std::uint64_t alignment = 1;
  std::vector<std::uint8_t> initial;  // its beginning; zeros after that
  std::vector<Pointer> pointers;
};

enum class Form : std::uint8_t { kPtx, kCubin };

struct Image {
  Form form = Form::kPtx;
  int architecture = 0;  // 80 for sm_80
  bool exact = false;    // for this architecture alone: sm_90a
  int ptx_version = 0;   // 84 for .version 8.4
  std::vector<Kernel> kernels;
  std::vector<Variable> variables;
};

}  // namespace tranche::sim::ptx
