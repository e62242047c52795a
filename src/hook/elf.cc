#include "hook/elf.h"

#include <bit>
#include <cstring>

namespace tranche::hook {
namespace {

#if defined(__x86_64__)
constexpr unsigned kMachine = EM_X86_64;
#elif defined(__aarch64__)
constexpr unsigned kMachine = EM_AARCH64;
#else
constexpr unsigned kMachine = EM_NONE;
#endif

constexpr std::size_t kMostDynamicEntries = 1024;  // libraries have about thirty
constexpr std::uint64_t kMostBuckets = std::uint64_t{1} << 20;

// An entry of symbols_, of which the bytes are the file's.
Elf64_Sym SymbolAt(const Memory& symbols, std::size_t i) {
  Elf64_Sym symbol;
  std::memcpy(&symbol, symbols.data() + i * sizeof symbol, sizeof symbol);
  return symbol;
}

}  // namespace

FileKind Library::Read(int descriptor) {
  descriptor_ = descriptor;
  Elf64_Ehdr header = {};
  constexpr unsigned char kData =
      std::endian::native == std::endian::little ? ELFDATA2LSB : ELFDATA2MSB;
  if (ReadAt(descriptor, 0, &header, sizeof header) != sizeof header ||
      std::memcmp(&header.e_ident[0], ELFMAG, SELFMAG) != 0 ||
      header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_type != ET_DYN) {
    return FileKind::kOther;
  }
  if (header.e_ident[EI_DATA] != kData || header.e_machine != kMachine) {
    return FileKind::kOtherMachine;
  }
  Places places;
  const bool read = ReadSegments(header) && ReadDynamic(&places) && ReadTables(places);
  descriptor_ = -1;
  return read ? FileKind::kLibrary : FileKind::kUnreadable;
}

bool Library::ReadSegments(const Elf64_Ehdr& header) {
  if (header.e_phentsize != sizeof(Elf64_Phdr)) return false;
  for (std::uint64_t i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr segment = {};
    const std::uint64_t offset = i * sizeof segment;
    if (header.e_phoff > UINT64_MAX - offset ||
        ReadAt(descriptor_, header.e_phoff + offset, &segment, sizeof segment) != sizeof segment) {
      return false;
    }
    if (segment.p_type == PT_DYNAMIC) {
      dynamic_ = segment.p_offset;
      dynamic_bytes_ = segment.p_filesz;
    }
    if (segment.p_type == PT_LOAD && !segments_.Add(segment)) return false;
  }
  return dynamic_bytes_ != 0;
}

bool Library::ReadDynamic(Places* places) {
  for (std::uint64_t i = 0; i < dynamic_bytes_ / sizeof(Elf64_Dyn); ++i) {
    Elf64_Dyn entry = {};
    if (i == kMostDynamicEntries || dynamic_ > UINT64_MAX - i * sizeof entry ||
        ReadAt(descriptor_, dynamic_ + i * sizeof entry, &entry, sizeof entry) != sizeof entry) {
      return false;
    }
    const std::uint64_t value = entry.d_un.d_val;
    switch (entry.d_tag) {
      case DT_NULL:
        return true;
      case DT_STRTAB:
        places->names = value;
        break;
      case DT_STRSZ:
        places->name_bytes = value;
        break;
      case DT_SYMTAB:
        places->symbols = value;
        break;
      case DT_HASH:
        places->hash = value;
        break;
      case DT_GNU_HASH:
        places->gnu_hash = value;
        break;
      case DT_SONAME:
        places->soname = value;
        break;
      case DT_NEEDED:
        if (!needed_.Add(value)) return false;
        break;
      default:
        break;
    }
  }
  return true;
}

bool Library::ReadTables(const Places& places) {
  std::uint64_t names = 0;
  std::uint64_t symbols = 0;
  const std::uint64_t count = CountSymbols(places);
  if (!OffsetOf(places.names, &names) || !OffsetOf(places.symbols, &symbols)) return false;
  if (names_.size() == 0 || symbols_.size() == 0) return false;
  if (count > kMostSymbols || places.name_bytes > kMostNameBytes) return false;
  const std::size_t bytes = count * sizeof(Elf64_Sym);
  if (ReadAt(descriptor_, names, names_.data(), places.name_bytes) != places.name_bytes ||
      ReadAt(descriptor_, symbols, symbols_.data(), bytes) != bytes) {
    return false;
  }
  name_bytes_ = places.name_bytes;
  symbol_count_ = count;
  if (places.soname != 0) soname_.Add(NameAt(places.soname));
  return true;
}

// Nothing in a file says it plainly: the hash tables have each symbol that can be looked up.
std::uint64_t Library::CountSymbols(const Places& places) const {
  std::uint64_t offset = 0;
  Elf64_Word head[2] = {};  // buckets, chains: one for each symbol
  if (places.hash != 0 && OffsetOf(places.hash, &offset) &&
      ReadAt(descriptor_, offset, &head, sizeof head) == sizeof head) {
    return head[1];
  }
  if (places.gnu_hash != 0 && OffsetOf(places.gnu_hash, &offset)) return CountByGnuHash(offset);
  return 0;
}

// The chain of the last bucket ends with the last symbol.
std::uint64_t Library::CountByGnuHash(std::uint64_t offset) const {
  Elf64_Word head[4] = {};  // buckets, first symbol, words of the filter, a shift
  if (ReadAt(descriptor_, offset, &head, sizeof head) != sizeof head) return 0;
  const std::uint64_t buckets = head[0];
  const std::uint64_t first = head[1];
  if (buckets > kMostBuckets || head[2] > kMostBuckets) return kMostSymbols + 1;
  const std::uint64_t table = offset + sizeof head + head[2] * std::uint64_t{8};
  std::uint64_t last = 0;
  Elf64_Word block[1024];
  for (std::uint64_t i = 0; i < buckets; i += 1024) {
    const std::uint64_t count = buckets - i < 1024 ? buckets - i : 1024;
    const std::size_t bytes = count * sizeof block[0];
    if (ReadAt(descriptor_, table + i * sizeof block[0], &block, bytes) != bytes) return 0;
    for (std::uint64_t j = 0; j < count; ++j) {
      if (block[j] > last) last = block[j];
    }
  }
  if (last < first) return first;
  const std::uint64_t chains = table + buckets * sizeof block[0];
  for (; last <= kMostSymbols; ++last) {
    Elf64_Word hash = 0;
    if (ReadAt(descriptor_, chains + (last - first) * sizeof hash, &hash, sizeof hash) !=
        sizeof hash) {
      return 0;
    }
    if ((hash & 1U) != 0) break;
  }
  return last + 1;
}

// Where in the file an address of the loaded library comes from.
bool Library::OffsetOf(std::uint64_t address, std::uint64_t* offset) const {
  for (const Elf64_Phdr& segment : segments_) {
    if (address < segment.p_vaddr || address - segment.p_vaddr >= segment.p_filesz) continue;
    if (segment.p_offset > UINT64_MAX - (address - segment.p_vaddr)) return false;
    *offset = segment.p_offset + (address - segment.p_vaddr);
    return true;
  }
  return false;
}

std::string_view Library::NameAt(std::uint64_t offset) const {
  if (offset >= name_bytes_) return {};
  const char* begin = names_.data() + offset;
  const std::size_t size = strnlen(begin, name_bytes_ - offset);
  if (size == name_bytes_ - offset) return {};  // without an end
  return {begin, size};
}

bool Library::IsFunction(std::size_t i) const {
  const Elf64_Sym symbol = SymbolAt(symbols_, i);
  const unsigned type = ELF64_ST_TYPE(symbol.st_info);
  return symbol.st_shndx != SHN_UNDEF && (type == STT_FUNC || type == STT_GNU_IFUNC) &&
         ELF64_ST_BIND(symbol.st_info) != STB_LOCAL;
}

std::string_view Library::Exported(std::size_t* next) const {
  while (*next < symbol_count_) {
    const std::size_t i = (*next)++;
    if (!IsFunction(i)) continue;
    const std::string_view name = NameAt(SymbolAt(symbols_, i).st_name);
    if (!name.empty()) return name;
  }
  return {};
}

bool Library::Exports(std::string_view function) const {
  for (std::size_t i = 0; i < symbol_count_; ++i) {
    const std::size_t name = SymbolAt(symbols_, i).st_name;
    if (name >= name_bytes_ || function.size() >= name_bytes_ - name) continue;
    const char* there = names_.data() + name;
    if (there[function.size()] != '\0') continue;
    if (std::memcmp(there, function.data(), function.size()) == 0 && IsFunction(i)) return true;
  }
  return false;
}

std::string_view Library::NeededFrom(std::string_view folder) const {
  for (const std::uint64_t name : needed_) {
    const std::string_view path = NameAt(name);
    if (path.starts_with(folder) && path.size() > folder.size() && path[folder.size()] == '/') {
      return path;
    }
  }
  return {};
}

}  // namespace tranche::hook
