#include "cdi/elf.h"

#include <elf.h>
#include <fcntl.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <cstring>
#include <limits>
#include <optional>
#include <vector>

#include "base/file.h"

namespace tranche::cdi {
namespace {

using base::Code;
using base::Result;
using base::Status;

constexpr std::size_t kMostSegments = 128;         // libraries have about ten
constexpr std::size_t kMostDynamicEntries = 4096;  // and about thirty of these
constexpr std::size_t kLongestSoname = 256;        // a file name, NAME_MAX and its zero

class ElfFile {
 public:
  static Result<ElfFile> Open(const std::string& path) {
    ElfFile file(path);
    file.fd_ = base::UniqueFd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (!file.fd_.valid()) return base::ErrnoStatus(errno, "open " + path);
    TRANCHE_TRY(file.ReadSegments());
    return file;
  }

  [[nodiscard]] Result<std::string> Soname() const {
    for (const Elf64_Phdr& segment : segments_) {
      if (segment.p_type == PT_DYNAMIC) return SonameOf(segment);
    }
    return std::string();
  }

 private:
  explicit ElfFile(const std::string& path) : path_(path) {}

  [[nodiscard]] Status Broken(const char* why) const {
    return {Code::kInvalidArgument, path_ + ": " + why};
  }

  // The number of bytes read, less than `size` only at the end of the file or after an error.
  std::size_t ReadAt(std::uint64_t offset, void* to, std::size_t size) const {
    if (offset > static_cast<std::uint64_t>(std::numeric_limits<off_t>::max())) return 0;
    std::size_t have = 0;
    while (have < size) {
      const ssize_t got = pread(fd_.get(), static_cast<char*>(to) + have, size - have,
                                static_cast<off_t>(offset + have));
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) break;
      have += static_cast<std::size_t>(got);
    }
    return have;
  }

  Status ReadSegments() {
    Elf64_Ehdr header{};
    constexpr unsigned char kData =
        std::endian::native == std::endian::little ? ELFDATA2LSB : ELFDATA2MSB;
    if (ReadAt(0, &header, sizeof header) != sizeof header ||
        std::memcmp(&header.e_ident[0], ELFMAG, SELFMAG) != 0 ||
        header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != kData) {
      return Broken("not a 64-bit ELF file");
    }
    if (header.e_phnum == 0) return Status::Ok();
    if (header.e_phnum > kMostSegments || header.e_phentsize != sizeof(Elf64_Phdr)) {
      return Broken("program headers of an unknown form");
    }
    segments_.resize(header.e_phnum);
    const std::size_t bytes = segments_.size() * sizeof(Elf64_Phdr);
    if (ReadAt(header.e_phoff, segments_.data(), bytes) != bytes) return Broken("cut short");
    return Status::Ok();
  }

  [[nodiscard]] Result<std::string> SonameOf(const Elf64_Phdr& dynamic) const {
    const std::size_t count = dynamic.p_filesz / sizeof(Elf64_Dyn);
    if (count > kMostDynamicEntries) return Broken("dynamic section too long");
    std::vector<Elf64_Dyn> entries(count);
    const std::size_t bytes = count * sizeof(Elf64_Dyn);
    if (ReadAt(dynamic.p_offset, entries.data(), bytes) != bytes) return Broken("cut short");
    std::optional<std::uint64_t> strings;
    std::optional<std::uint64_t> soname;
    for (const Elf64_Dyn& entry : entries) {
      if (entry.d_tag == DT_NULL) break;
      if (entry.d_tag == DT_STRTAB) strings = entry.d_un.d_ptr;
      if (entry.d_tag == DT_SONAME) soname = entry.d_un.d_val;
    }
    if (!soname) return std::string();
    const std::optional<std::uint64_t> offset = strings ? OffsetOf(*strings) : std::nullopt;
    if (!offset || *soname > std::numeric_limits<std::uint32_t>::max()) {
      return Broken("no string table");
    }
    return ReadName(*offset + *soname);
  }

  // Where in the file an address of the loaded library comes from.
  [[nodiscard]] std::optional<std::uint64_t> OffsetOf(std::uint64_t address) const {
    for (const Elf64_Phdr& segment : segments_) {
      if (segment.p_type == PT_LOAD && address >= segment.p_vaddr &&
          address - segment.p_vaddr < segment.p_filesz) {
        return segment.p_offset + (address - segment.p_vaddr);
      }
    }
    return std::nullopt;
  }

  [[nodiscard]] Result<std::string> ReadName(std::uint64_t offset) const {
    std::string name(kLongestSoname, '\0');
    name.resize(ReadAt(offset, name.data(), name.size()));
    const std::size_t end = name.find('\0');
    if (end == std::string::npos) return Broken("SONAME too long or cut short");
    name.resize(end);
    if (name.find('/') != std::string::npos) return Broken("SONAME is a path");
    return name;
  }

  std::string path_;
  base::UniqueFd fd_;
  std::vector<Elf64_Phdr> segments_;
};

}  // namespace

Result<std::string> ReadSoname(const std::string& path) {
  Result<ElfFile> file = ElfFile::Open(path);
  if (!file.ok()) return file.status();
  return file->Soname();
}

}  // namespace tranche::cdi
