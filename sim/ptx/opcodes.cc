#include "sim/ptx/opcodes.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace tranche::sim::ptx {
namespace {

// In alphabetical order. From the chapter "Instruction Set" of NVIDIA's PTX ISA reference.
constexpr std::string_view kOpcodes[] = {
    "abs",          "activemask",    "add",       "addc",       "alloca",
    "and",          "applypriority", "atom",      "bar",        "barrier",
    "bfe",          "bfi",           "bfind",     "bmsk",       "bra",
    "brev",         "brkpt",         "brx",       "call",       "clusterlaunchcontrol",
    "clz",          "cnot",          "copysign",  "cos",        "cp",
    "createpolicy", "cvt",           "cvta",      "discard",    "div",
    "dp2a",         "dp4a",          "elect",     "ex2",        "exit",
    "fence",        "fma",           "fns",       "getctarank", "griddepcontrol",
    "isspacep",     "istypep",       "ld",        "ldmatrix",   "ldu",
    "lg2",          "lop3",          "mad",       "mad24",      "madc",
    "mapa",         "match",         "max",       "mbarrier",   "membar",
    "min",          "mma",           "mov",       "movmatrix",  "mul",
    "mul24",        "multimem",      "nanosleep", "neg",        "not",
    "or",           "pmevent",       "popc",      "prefetch",   "prefetchu",
    "prmt",         "rcp",           "red",       "redux",      "rem",
    "ret",          "rsqrt",         "sad",       "selp",       "set",
    "setmaxnreg",   "setp",          "shf",       "shfl",       "shl",
    "shr",          "sin",           "slct",      "sqrt",       "st",
    "stackrestore", "stacksave",     "stmatrix",  "sub",        "subc",
    "suld",         "suq",           "sured",     "sust",       "szext",
    "tanh",         "tcgen05",       "tensormap", "testp",      "tex",
    "tld4",         "trap",          "txq",       "vabsdiff",   "vabsdiff2",
    "vabsdiff4",    "vadd",          "vadd2",     "vadd4",      "vavrg2",
    "vavrg4",       "vmad",          "vmax",      "vmax2",      "vmax4",
    "vmin",         "vmin2",         "vmin4",     "vote",       "vset",
    "vset2",        "vset4",         "vshl",      "vshr",       "vsub",
    "vsub2",        "vsub4",         "wgmma",     "wmma",       "xor",
};

constexpr std::pair<std::string_view, Type> kTypes[] = {
    {".pred", Type::kPred}, {".b8", Type::kU8},   {".b16", Type::kU16}, {".b32", Type::kU32},
    {".b64", Type::kU64},   {".u8", Type::kU8},   {".u16", Type::kU16}, {".u32", Type::kU32},
    {".u64", Type::kU64},   {".s8", Type::kS8},   {".s16", Type::kS16}, {".s32", Type::kS32},
    {".s64", Type::kS64},   {".f32", Type::kF32}, {".f64", Type::kF64}};

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

bool IsOpcode(std::string_view name) {
  return std::binary_search(std::begin(kOpcodes), std::end(kOpcodes), name);
}

bool LooksLikeType(std::string_view modifier) {
  if (modifier == ".pred") return true;
  std::string_view rest = modifier;
  for (const std::string_view stem : {".bf", ".tf", ".b", ".u", ".s", ".f", ".e"}) {
    if (!rest.starts_with(stem)) continue;
    rest.remove_prefix(stem.size());
    return !rest.empty() && IsDigit(rest[0]);
  }
  return false;
}

Type TypeCalled(std::string_view dotted) {
  for (const auto& [name, type] : kTypes) {
    if (name == dotted) return type;
  }
  return Type::kNone;
}

unsigned StorageSize(std::string_view dotted) {
  if (dotted == ".f16" || dotted == ".bf16") return 2;
  if (dotted == ".f16x2" || dotted == ".bf16x2" || dotted == ".tf32") return 4;
  if (dotted == ".b128") return 16;
  return SizeOf(TypeCalled(dotted));
}

}  // namespace tranche::sim::ptx
