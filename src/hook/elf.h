// Library reads what decides whether a shim may stand in front of a shared library: for which
// machine it is, its soname, what it needs, and the functions that it exports.
//
// The file may be anybody's. A few bounded pieces of it are read, at places that are checked; it
// is never mapped, because somebody could shorten it meanwhile. Format: System V ABI, "Object
// Files" and "Dynamic Linking" (https://gabi.xinuos.com/), and the hash table of glibc.
//
// Threading: a plain object; one thread at a time.
// Errors: Read says what the file is.
#pragma once

#include <elf.h>

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "hook/memory.h"
#include "hook/text.h"

namespace tranche::hook {

enum class FileKind {
  kLibrary,       // for this machine, and its functions are known
  kOther,         // no ELF file of 64 bits, or none that can be loaded
  kOtherMachine,  // a library for another machine
  kUnreadable,    // larger or of another form than libraries are
};

class Library {
 public:
  static constexpr std::size_t kMostSymbols = std::size_t{1} << 16;
  static constexpr std::size_t kMostNameBytes = std::size_t{4} << 20;

  // Once for each object. The descriptor is used until then alone.
  FileKind Read(int descriptor);

  [[nodiscard]] std::string_view soname() const { return soname_.view(); }
  // The path of a library of that folder that it needs; "" where it needs none.
  [[nodiscard]] std::string_view NeededFrom(std::string_view folder) const;
  [[nodiscard]] bool Exports(std::string_view function) const;
  // The names of the functions that it exports, one after the other; "" after the last.
  [[nodiscard]] std::string_view Exported(std::size_t* next) const;

 private:
  struct Places {
    std::uint64_t names = 0;
    std::uint64_t name_bytes = 0;
    std::uint64_t symbols = 0;
    std::uint64_t hash = 0;
    std::uint64_t gnu_hash = 0;
    std::uint64_t soname = 0;
  };

  bool ReadSegments(const Elf64_Ehdr& header);
  bool ReadDynamic(Places* places);
  bool ReadTables(const Places& places);
  std::uint64_t CountSymbols(const Places& places) const;
  std::uint64_t CountByGnuHash(std::uint64_t offset) const;
  [[nodiscard]] bool OffsetOf(std::uint64_t address, std::uint64_t* offset) const;
  [[nodiscard]] std::string_view NameAt(std::uint64_t offset) const;
  [[nodiscard]] bool IsFunction(std::size_t i) const;

  int descriptor_ = -1;
  List<Elf64_Phdr, 64> segments_;
  List<std::uint64_t, 64> needed_;
  std::uint64_t dynamic_ = 0;
  std::uint64_t dynamic_bytes_ = 0;
  Memory symbols_{kMostSymbols * sizeof(Elf64_Sym)};
  Memory names_{kMostNameBytes};
  std::size_t symbol_count_ = 0;
  std::size_t name_bytes_ = 0;
  Line<255> soname_;
};

}  // namespace tranche::hook
