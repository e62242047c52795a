// A fat binary is a container of one module in several forms: cubins for some architectures, and
// PTX text. The layout was read off files that fatbinary 13.5 wrote.
//
// Threading: safe on any thread.
// Errors: false for what is no whole container. An entry may have content that cannot be read.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace tranche::sim::ptx {

struct FatEntry {
  enum class Kind : std::uint8_t { kPtx, kCubin, kOther };
  enum class Packing : std::uint8_t { kNone, kLz4, kZstd };
  Kind kind = Kind::kOther;
  Packing packing = Packing::kNone;
  int architecture = 0;
  std::span<const std::uint8_t> bytes;
  std::uint64_t unpacked_size = 0;
};

bool IsFatbin(std::span<const std::uint8_t> bytes);  // by its first four

// 0: no container begins here. `bytes` need to hold its header only, which has 16.
std::uint64_t FatbinSize(std::span<const std::uint8_t> bytes);

bool ReadFatbin(std::span<const std::uint8_t> bytes, std::vector<FatEntry>* entries);

// The content of an entry; empty: it is broken, too large, or packed by zstd, which is not read.
std::vector<std::uint8_t> Unpack(const FatEntry& entry);

}  // namespace tranche::sim::ptx
