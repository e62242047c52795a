#include "sim/ptx/cubin.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tranche::sim::ptx {
namespace {

constexpr std::uint16_t kMachineCuda = 190;
constexpr std::uint32_t kSymbolTable = 2;
constexpr std::uint32_t kNoBits = 8;
constexpr std::uint32_t kInfo = 0x70000000;
constexpr std::size_t kMaxSymbols = 1U << 18U;
constexpr std::uint64_t kMaxVariable = 1ULL << 40U;

struct FileHeader {
  std::uint8_t identity[16];
  std::uint16_t type, machine;
  std::uint32_t version;
  std::uint64_t entry, program_offset, section_offset;
  std::uint32_t flags;
  std::uint16_t header_size, program_size, program_count, section_size, section_count, names;
};
static_assert(sizeof(FileHeader) == 64);

struct Section {
  std::uint32_t name, type;
  std::uint64_t flags, address, offset, size;
  std::uint32_t link, info;
  std::uint64_t alignment, entry_size;
};
static_assert(sizeof(Section) == 64);

struct SymbolEntry {
  std::uint32_t name;
  std::uint8_t info, other;
  std::uint16_t section;
  std::uint64_t value, size;
};
static_assert(sizeof(SymbolEntry) == 24);

// Attributes of .nv.info: a format, a number and, by the format, a value or a size and bytes.
enum class Attribute : std::uint8_t {
  kMaxThreads = 0x05,  // three numbers of 32 bits
  kParam = 0x17,       // index, ordinal, offset, bits with the size from the 18th on
  kParamBytes = 0x19,  // the value
  kRegisters = 0x2F,   // symbol, count
  kRequired = 0x10,    // three numbers of 32 bits
  kFrameBytes = 0x11,  // symbol, bytes
};
constexpr std::uint8_t kFormatBytes = 4;

class Reader {
 public:
  Reader(std::span<const std::uint8_t> bytes, Image& image) : bytes_(bytes), image_(image) {}

  bool Read() {
    FileHeader header;
    if (!Get(0, &header) || !IsElf(bytes_) || header.machine != kMachineCuda) return false;
    if (header.identity[4] != 2 || header.section_size != sizeof(Section)) return false;
    // Since version 8 of the ABI the architecture is in the second byte of the flags.
    const bool recent = header.identity[8] >= 8;
    image_.form = Form::kCubin;
    image_.architecture = static_cast<int>((recent ? header.flags >> 8U : header.flags) & 0xFF);
    if (!Sections(header)) return false;
    for (const Section& section : sections_) {
      if (section.type == kSymbolTable && !Symbols(section)) return false;
    }
    for (const Section& section : sections_) {
      if (section.type == kInfo && !Info(section)) return false;
    }
    Shared();
    Finish();
    return true;
  }

 private:
  template <typename Value>
  bool Get(std::uint64_t at, Value* value) const {
    if (at > bytes_.size() || bytes_.size() - at < sizeof(Value)) return false;
    std::memcpy(value, bytes_.data() + at, sizeof(Value));
    return true;
  }

  bool Sections(const FileHeader& header) {
    sections_.resize(header.section_count);
    std::uint64_t at = header.section_offset;
    for (Section& section : sections_) {
      if (!Get(at, &section)) return false;
      at += sizeof(Section);
      const bool has_content = section.type != kNoBits && section.type != 0;
      if (has_content &&
          (section.offset > bytes_.size() || section.size > bytes_.size() - section.offset)) {
        return false;
      }
    }
    if (header.names >= sections_.size()) return false;
    for (const Section& section : sections_) {
      names_.push_back(Text(sections_[header.names], section.name));
    }
    return true;
  }

  [[nodiscard]] std::string_view Text(const Section& table, std::uint64_t at) const {
    if (table.type == kNoBits || table.type == 0 || at >= table.size) return {};
    const auto* begin = reinterpret_cast<const char*>(bytes_.data()) + table.offset + at;
    return {begin, strnlen(begin, table.size - at)};
  }

  bool Symbols(const Section& table) {
    if (table.link >= sections_.size()) return false;
    const std::uint64_t count =
        std::min<std::uint64_t>(table.size / sizeof(SymbolEntry), kMaxSymbols);
    for (std::uint64_t index = 0; index < count; ++index) {
      SymbolEntry symbol;
      if (!Get(table.offset + index * sizeof(SymbolEntry), &symbol)) return false;
      const std::string_view name = Text(sections_[table.link], symbol.name);
      if (name.empty() || symbol.section >= sections_.size()) continue;
      const std::string_view section = names_[symbol.section];
      const bool is_function = (symbol.info & 15U) == 2;
      const bool is_variable = (symbol.info & 15U) == 1;
      if (is_function && section.starts_with(".text.") && section.substr(6) == name) {
        by_symbol_[static_cast<std::uint32_t>(index)] = image_.kernels.size();
        by_name_.emplace(std::string(name), image_.kernels.size());
        image_.kernels.push_back({.name = std::string(name), .obstacle = "it is machine code"});
      } else if (is_variable && symbol.size <= kMaxVariable) {
        Variable(name, symbol);
      }
    }
    return true;
  }

  void Variable(std::string_view name, const SymbolEntry& symbol) {
    const std::string_view section_name = names_[symbol.section];
    const Section& section = sections_[symbol.section];
    const bool constant = section_name == ".nv.constant3";
    if (!constant && section_name != ".nv.global" && section_name != ".nv.global.init") return;
    ptx::Variable variable{.name = std::string(name),
                           .space = constant ? VariableSpace::kConst : VariableSpace::kGlobal,
                           .size = symbol.size,
                           .alignment = std::clamp<std::uint64_t>(section.alignment, 1, 4096)};
    if (section.type != kNoBits && section.type != 0 && symbol.value < section.size) {
      const std::uint64_t size = std::min(symbol.size, section.size - symbol.value);
      const std::uint8_t* begin = bytes_.data() + section.offset + symbol.value;
      variable.initial.assign(begin, begin + size);
    }
    image_.variables.push_back(std::move(variable));
  }

  Kernel* KernelCalled(std::string_view name) {
    const auto found = by_name_.find(name);
    return found == by_name_.end() ? nullptr : &image_.kernels[found->second];
  }

  // A section about the whole file, or about one kernel.
  bool Info(const Section& section) {
    const std::string_view name = names_[static_cast<std::size_t>(&section - sections_.data())];
    constexpr std::string_view kBegin = ".nv.info.";
    Kernel* const kernel =
        name.starts_with(kBegin) ? KernelCalled(name.substr(kBegin.size())) : nullptr;
    std::uint64_t at = section.offset;
    const std::uint64_t end = at + section.size;
    while (end - at >= 4) {
      const std::uint8_t format = bytes_[at];
      const auto attribute = static_cast<Attribute>(bytes_[at + 1]);
      std::uint16_t value = 0;
      if (!Get(at + 2, &value)) return false;
      at += 4;
      const std::uint64_t size = format == kFormatBytes ? value : 0;
      if (size > end - at) return false;
      Apply(attribute, value, bytes_.subspan(at, size), kernel);
      at += size;
    }
    return true;
  }

  static std::uint32_t Number(std::span<const std::uint8_t> bytes, std::size_t index) {
    std::uint32_t number = 0;
    if ((index + 1) * 4 <= bytes.size()) std::memcpy(&number, bytes.data() + index * 4, 4);
    return number;
  }

  void Apply(Attribute attribute, std::uint16_t value, std::span<const std::uint8_t> bytes,
             Kernel* kernel) {
    if (attribute == Attribute::kRegisters || attribute == Attribute::kFrameBytes) {
      const auto found = by_symbol_.find(Number(bytes, 0));
      if (found == by_symbol_.end()) return;
      Kernel& one = image_.kernels[found->second];
      (attribute == Attribute::kRegisters ? one.registers : one.local_bytes) = Number(bytes, 1);
      return;
    }
    if (kernel == nullptr) return;
    if (attribute == Attribute::kParamBytes) kernel->param_bytes = value;
    if (attribute == Attribute::kParam && bytes.size() == 12) {
      const std::uint32_t ordinal = Number(bytes, 1) & 0xFFFF;
      if (ordinal >= kernel->params.size()) {
        if (ordinal >= 4096) return;
        kernel->params.resize(ordinal + 1);
      }
      kernel->params[ordinal] = {
          .name = {}, .offset = Number(bytes, 1) >> 16U, .size = Number(bytes, 2) >> 18U};
    }
    if (attribute == Attribute::kMaxThreads || attribute == Attribute::kRequired) {
      std::uint64_t product = 1;
      for (std::size_t i = 0; i < 3; ++i) {
        product *= std::clamp<std::uint64_t>(Number(bytes, i), 1, 1U << 20U);
        if (attribute == Attribute::kRequired) kernel->required[i] = Number(bytes, i);
      }
      kernel->max_threads = static_cast<std::uint32_t>(std::min<std::uint64_t>(product, 1024));
    }
  }

  void Shared() {
    constexpr std::string_view kBegin = ".nv.shared.";
    for (std::size_t i = 0; i < sections_.size(); ++i) {
      if (!names_[i].starts_with(kBegin)) continue;
      Kernel* const kernel = KernelCalled(names_[i].substr(kBegin.size()));
      if (kernel == nullptr) continue;
      kernel->shared_bytes =
          static_cast<std::uint32_t>(std::min<std::uint64_t>(sections_[i].size, 0x7FFFFFFF));
    }
  }

  void Finish() {
    for (Kernel& kernel : image_.kernels) {
      for (const Param& param : kernel.params) {
        kernel.param_bytes = std::max(kernel.param_bytes, param.offset + param.size);
      }
    }
    // ptxas writes them last to first.
    std::reverse(image_.kernels.begin(), image_.kernels.end());
  }

  std::span<const std::uint8_t> bytes_;
  Image& image_;
  std::vector<Section> sections_;
  std::vector<std::string_view> names_;  // of sections
  std::map<std::uint32_t, std::size_t> by_symbol_;
  std::map<std::string, std::size_t, std::less<>> by_name_;
};

}  // namespace

bool IsElf(std::span<const std::uint8_t> bytes) {
  return bytes.size() >= 4 && std::memcmp(bytes.data(), "\177ELF", 4) == 0;
}

std::uint64_t ElfSize(std::span<const std::uint8_t> bytes) {
  FileHeader header;
  if (bytes.size() < sizeof(header) || !IsElf(bytes)) return 0;
  std::memcpy(&header, bytes.data(), sizeof(header));
  // Section headers and program headers lie at the end, in either order.
  constexpr std::uint64_t kMost = 1ULL << 40U;
  if (header.section_offset > kMost || header.program_offset > kMost) return 0;
  const std::uint64_t sections =
      header.section_offset + std::uint64_t{header.section_size} * header.section_count;
  const std::uint64_t programs =
      header.program_offset + std::uint64_t{header.program_size} * header.program_count;
  return std::max({sections, programs, std::uint64_t{sizeof(header)}});
}

bool ReadCubin(std::span<const std::uint8_t> bytes, Image* image) {
  *image = {};
  return Reader(bytes, *image).Read();
}

}  // namespace tranche::sim::ptx
