// Cubins and fat binaries for tests, made here byte by byte.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tranche::sim::ptx::testing {

using Bytes = std::vector<std::uint8_t>;

template <typename Value>
void Append(Bytes& bytes, Value value) {
  const std::size_t at = bytes.size();
  bytes.resize(at + sizeof(value));
  std::memcpy(bytes.data() + at, &value, sizeof(value));
}

inline Bytes BytesOf(std::string_view text) { return {text.begin(), text.end()}; }

// An attribute of .nv.info with bytes of its own.
inline void AppendInfo(Bytes& info, std::uint8_t attribute,
                       std::initializer_list<std::uint32_t> words) {
  Append(info, std::uint8_t{4});
  Append(info, attribute);
  Append(info, static_cast<std::uint16_t>(words.size() * 4));
  for (const std::uint32_t word : words) Append(info, word);
}

// An ELF file of sections.
class ElfFile {
 public:
  ElfFile() { Add("", 0, {}); }
  // Its index. `size` counts for sections without content.
  std::uint16_t Add(std::string_view name, std::uint32_t type, Bytes content,
                    std::uint32_t link = 0, std::uint64_t size = 0) {
    sections_.push_back({std::string(name), type, std::move(content), link, size});
    return static_cast<std::uint16_t>(sections_.size() - 1);
  }
  Bytes Finish(std::uint8_t abi, std::uint32_t flags, std::uint16_t machine = 190) {
    Bytes names;
    std::vector<std::uint32_t> name_offsets;
    for (const Section& section : sections_) {
      name_offsets.push_back(static_cast<std::uint32_t>(names.size()));
      names.insert(names.end(), section.name.begin(), section.name.end());
      names.push_back(0);
    }
    name_offsets.push_back(0);
    sections_.push_back({"", 3, names, 0, 0});
    Bytes file(64);
    std::vector<std::uint64_t> offsets;
    for (const Section& section : sections_) {
      offsets.push_back(file.size());
      file.insert(file.end(), section.content.begin(), section.content.end());
      while (file.size() % 8 != 0) file.push_back(0);
    }
    const std::uint64_t table = file.size();
    for (std::size_t i = 0; i < sections_.size(); ++i) {
      const Section& section = sections_[i];
      for (const std::uint32_t word : {name_offsets[i], section.type}) Append(file, word);
      const std::uint64_t size = section.content.empty() ? section.size : section.content.size();
      for (const std::uint64_t word : {std::uint64_t{0}, std::uint64_t{0}, offsets[i], size}) {
        Append(file, word);
      }
      for (const std::uint32_t word : {section.link, 0U}) Append(file, word);
      for (const std::uint64_t word : {std::uint64_t{4}, std::uint64_t{0}}) Append(file, word);
    }
    Bytes header = BytesOf("\177ELF\2\1\1");
    header.resize(16);
    header[8] = abi;
    Append(header, std::uint16_t{2});
    Append(header, machine);
    Append(header, std::uint32_t{1});
    for (const std::uint64_t word : {std::uint64_t{0}, std::uint64_t{0}, table})
      Append(header, word);
    Append(header, flags);
    for (const std::size_t half : {std::size_t{64}, std::size_t{56}, std::size_t{0},
                                   std::size_t{64}, sections_.size(), sections_.size() - 1}) {
      Append(header, static_cast<std::uint16_t>(half));
    }
    std::memcpy(file.data(), header.data(), header.size());
    return file;
  }

 private:
  struct Section {
    std::string name;
    std::uint32_t type;
    Bytes content;
    std::uint32_t link;
    std::uint64_t size;
  };
  std::vector<Section> sections_;
};

// A cubin for sm_<architecture> with a kernel `k` (two parameters, 8 and 4 bytes) and two
// variables.
inline Bytes MakeCubin(std::uint32_t architecture, bool recent) {
  ElfFile file;
  Bytes names(1);
  const auto name = [&](std::string_view text) {
    const auto at = static_cast<std::uint32_t>(names.size());
    names.insert(names.end(), text.begin(), text.end());
    names.push_back(0);
    return at;
  };
  const std::uint16_t text = file.Add(".text.k", 1, Bytes(16));
  const std::uint16_t initial = file.Add(".nv.global.init", 1, {1, 2, 3, 4});
  const std::uint16_t constant = file.Add(".nv.constant3", 1, Bytes(8, 9));
  Bytes symbols(24);
  const auto symbol = [&](std::string_view text_of, std::uint8_t info, std::uint16_t section,
                          std::uint64_t value, std::uint64_t size) {
    Append(symbols, name(text_of));
    Append(symbols, info);
    Append(symbols, std::uint8_t{0});
    Append(symbols, section);
    Append(symbols, value);
    Append(symbols, size);
  };
  symbol("k", 0x12, text, 0, 16);
  symbol("counter", 0x11, initial, 0, 4);
  symbol("scale", 0x11, constant, 0, 8);
  const std::uint16_t strings = file.Add(".strtab", 3, names);
  file.Add(".symtab", 2, symbols, strings);
  Bytes all;
  AppendInfo(all, 0x2F, {1, 24});
  file.Add(".nv.info", 0x70000000, all);
  Bytes info;
  AppendInfo(info, 0x17, {0, 1 | (8U << 16U), 4U << 18U});
  AppendInfo(info, 0x17, {0, 0, 8U << 18U});
  AppendInfo(info, 0x05, {128, 2, 1});
  Append(info, std::uint8_t{3});
  Append(info, std::uint8_t{0x19});
  Append(info, std::uint16_t{12});
  file.Add(".nv.info.k", 0x70000000, info);
  file.Add(".nv.shared.k", 8, {}, 0, 512);
  return file.Finish(recent ? 8 : 7, recent ? 0x06000002 | (architecture << 8U) : architecture);
}

struct FatPart {
  std::uint16_t kind = 1;  // 1: PTX, 2: cubin
  std::uint32_t architecture = 80;
  Bytes content;
  std::uint64_t flags = 0x11;
  std::uint64_t unpacked = 0;
};
inline Bytes MakeFatbin(std::span<const FatPart> parts) {
  Bytes body;
  for (const FatPart& part : parts) {
    Append(body, part.kind);
    Append(body, std::uint16_t{0x101});
    Append(body, std::uint32_t{64});
    const std::uint64_t padded = (part.content.size() + 7) / 8 * 8;
    Append(body, padded);
    const bool packed = (part.flags & 0xA000) != 0;
    Append(body, static_cast<std::uint32_t>(packed ? part.content.size() : 0));
    for (const std::uint32_t word : {0U, 0x00010008U, part.architecture, 0U, 0U})
      Append(body, word);
    for (const std::uint64_t word : {part.flags, std::uint64_t{0}, part.unpacked})
      Append(body, word);
    body.insert(body.end(), part.content.begin(), part.content.end());
    body.resize(body.size() + padded - part.content.size());
  }
  Bytes file;
  Append(file, std::uint32_t{0xBA55ED50});
  Append(file, std::uint16_t{1});
  Append(file, std::uint16_t{16});
  Append(file, std::uint64_t{body.size()});
  file.insert(file.end(), body.begin(), body.end());
  return file;
}

}  // namespace tranche::sim::ptx::testing
