#include "hook/elf.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <link.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <functional>
#include <string>
#include <vector>

namespace tranche::hook {
namespace {

// A shared library of a few hundred bytes: one segment at address 0x1000, which is all of the file.
class Made {
 public:
  static constexpr std::uint64_t kBase = 0x1000;

  Made() {
    Append(sizeof(Elf64_Ehdr) + 2 * sizeof(Elf64_Phdr));
    Add("libcuda.so.1", &soname_);
    Add("/run/tranche/real/0/libcuda.so.1", &needed_);
    symbols_.push_back({});
    AddSymbol("cuInit", STT_FUNC, 1);
    AddSymbol("cudbgData", STT_OBJECT, 1);
    AddSymbol("malloc", STT_FUNC, SHN_UNDEF);
  }

  void AddSymbol(const char* name, unsigned type, Elf64_Half section) {
    Elf64_Sym symbol = {};
    Add(name, &symbol.st_name);
    symbol.st_info = ELF64_ST_INFO(STB_GLOBAL, type);
    symbol.st_shndx = section;
    symbols_.push_back(symbol);
  }

  // `change` may spoil what was made.
  std::string Bytes(const std::function<void(Elf64_Ehdr&, Elf64_Phdr&, std::vector<Elf64_Dyn>&)>&
                        change = nullptr) {
    std::string file = head_;
    const std::uint64_t strings = Put(file, strings_.data(), strings_.size());
    const std::uint64_t symbols =
        Put(file, symbols_.data(), symbols_.size() * sizeof symbols_.front());
    const Elf64_Word hash[2] = {1, static_cast<Elf64_Word>(symbols_.size())};
    const std::uint64_t hashes = Put(file, &hash[0], sizeof hash);
    std::vector<Elf64_Dyn> dynamic = {
        Entry(DT_SONAME, soname_),         Entry(DT_NEEDED, needed_),
        Entry(DT_STRTAB, kBase + strings), Entry(DT_STRSZ, strings_.size()),
        Entry(DT_SYMTAB, kBase + symbols), Entry(DT_HASH, kBase + hashes)};
    Elf64_Ehdr header = {};
    std::memcpy(&header.e_ident[0], ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;
    header.e_ident[EI_DATA] = ELFDATA2LSB;
    header.e_type = ET_DYN;
#ifdef __x86_64__
    header.e_machine = EM_X86_64;
#else
    header.e_machine = EM_AARCH64;
#endif
    header.e_phoff = sizeof header;
    header.e_phentsize = sizeof(Elf64_Phdr);
    header.e_phnum = 2;
    Elf64_Phdr load = {};
    load.p_type = PT_LOAD;
    load.p_vaddr = kBase;
    if (change) change(header, load, dynamic);
    dynamic.push_back(Entry(DT_NULL, 0));
    Elf64_Phdr dynamic_segment = {};
    dynamic_segment.p_type = PT_DYNAMIC;
    dynamic_segment.p_filesz = dynamic.size() * sizeof dynamic.front();
    dynamic_segment.p_offset = Put(file, dynamic.data(), dynamic_segment.p_filesz);
    if (load.p_filesz == 0) load.p_filesz = file.size();
    std::memcpy(file.data(), &header, sizeof header);
    std::memcpy(file.data() + sizeof header, &load, sizeof load);
    std::memcpy(file.data() + sizeof header + sizeof load, &dynamic_segment,
                sizeof dynamic_segment);
    return file;
  }

 private:
  static Elf64_Dyn Entry(Elf64_Sxword tag, std::uint64_t value) {
    Elf64_Dyn entry = {};
    entry.d_tag = tag;
    entry.d_un.d_val = value;
    return entry;
  }
  static std::uint64_t Put(std::string& file, const void* bytes, std::size_t size) {
    while (file.size() % 8 != 0) file.push_back('\0');
    const std::uint64_t at = file.size();
    file.append(static_cast<const char*>(bytes), size);
    return at;
  }
  void Append(std::size_t bytes) { head_.append(bytes, '\0'); }
  template <typename Number>
  void Add(const char* text, Number* at) {
    *at = static_cast<Number>(strings_.size());
    strings_ += text;
    strings_.push_back('\0');
  }

  std::string head_;
  std::string strings_ = std::string(1, '\0');
  std::vector<Elf64_Sym> symbols_;
  std::uint64_t soname_ = 0;
  std::uint64_t needed_ = 0;
};

class ElfTest : public testing::Test {
 protected:
  static FileKind Read(const std::string& bytes, Library* library) {
    const Descriptor file(memfd_create("library", MFD_CLOEXEC));
    EXPECT_EQ(write(file.get(), bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
    return library->Read(file.get());
  }
  static FileKind Kind(const std::string& bytes) {
    Library library;
    return Read(bytes, &library);
  }
};

TEST_F(ElfTest, SaysWhatALibraryExportsAndNeeds) {
  Library library;
  ASSERT_EQ(Read(Made().Bytes(), &library), FileKind::kLibrary);
  EXPECT_EQ(library.soname(), "libcuda.so.1");
  EXPECT_TRUE(library.Exports("cuInit"));
  EXPECT_FALSE(library.Exports("cuIni"));
  EXPECT_FALSE(library.Exports("cudbgData")) << "no function";
  EXPECT_FALSE(library.Exports("malloc")) << "it is needed, not exported";
  EXPECT_EQ(library.NeededFrom("/run/tranche/real"), "/run/tranche/real/0/libcuda.so.1");
  EXPECT_EQ(library.NeededFrom("/run/tranche/rea"), "");
  std::size_t next = 0;
  EXPECT_EQ(library.Exported(&next), "cuInit");
  EXPECT_EQ(library.Exported(&next), "");
}

TEST_F(ElfTest, ReadsTheLibraryOfThisMachinesLibc) {
  void* libc = dlopen("libc.so.6", RTLD_LAZY);
  link_map* map = nullptr;
  ASSERT_EQ(dlinfo(libc, RTLD_DI_LINKMAP, &map), 0);
  const Descriptor file(open(map->l_name, O_RDONLY | O_CLOEXEC));
  Library library;
  ASSERT_EQ(library.Read(file.get()), FileKind::kLibrary);
  EXPECT_EQ(library.soname(), "libc.so.6");
  for (const char* name : {"malloc", "strlen", "open", "qsort", "clone"}) {
    EXPECT_TRUE(library.Exports(name)) << name;
  }
  EXPECT_FALSE(library.Exports("cuInit"));
  dlclose(libc);
}

TEST_F(ElfTest, OtherFilesAreNoLibraries) {
  EXPECT_EQ(Kind(""), FileKind::kOther);
  EXPECT_EQ(Kind("#!/bin/sh\n"), FileKind::kOther);
  EXPECT_EQ(
      Kind(Made().Bytes([](auto& header, auto&, auto&) { header.e_ident[EI_CLASS] = ELFCLASS32; })),
      FileKind::kOther);
  EXPECT_EQ(Kind(Made().Bytes([](auto& header, auto&, auto&) { header.e_type = ET_EXEC; })),
            FileKind::kOther);
  EXPECT_EQ(Kind(Made().Bytes([](auto& header, auto&, auto&) { header.e_machine = EM_PPC64; })),
            FileKind::kOtherMachine);
}

TEST_F(ElfTest, TablesThatAreNotInTheFileAreRefused) {
  for (const std::size_t entry : {2U, 3U, 4U, 5U}) {  // names, their size, symbols, hash table
    for (const std::uint64_t value : {std::uint64_t{1} << 40, UINT64_MAX, UINT64_MAX - 8}) {
      const FileKind kind = Kind(
          Made().Bytes([&](auto&, auto&, auto& dynamic) { dynamic[entry].d_un.d_val = value; }));
      // Without a hash table a library exports nothing that can be found.
      EXPECT_EQ(kind, entry == 5 ? FileKind::kLibrary : FileKind::kUnreadable)
          << entry << " " << value;
    }
  }
  EXPECT_EQ(Kind(Made().Bytes([](auto& header, auto&, auto&) { header.e_phnum = 60000; })),
            FileKind::kUnreadable);
  EXPECT_EQ(Kind(Made().Bytes([](auto& header, auto&, auto&) { header.e_phoff = UINT64_MAX; })),
            FileKind::kUnreadable);
  EXPECT_EQ(Kind(Made().Bytes([](auto&, auto& load, auto&) { load.p_offset = UINT64_MAX - 4; })),
            FileKind::kUnreadable);
}

TEST_F(ElfTest, MoreThanALibraryHasIsRefused) {
  Made made;
  for (std::size_t i = 0; i < Library::kMostSymbols; ++i) made.AddSymbol("x", STT_FUNC, 1);
  EXPECT_EQ(Kind(made.Bytes()), FileKind::kUnreadable);
}

TEST_F(ElfTest, EveryShorterFileIsReadWithoutHarm) {
  const std::string whole = Made().Bytes();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_NE(Kind(whole.substr(0, size)), FileKind::kLibrary) << size;
  }
}

}  // namespace
}  // namespace tranche::hook
