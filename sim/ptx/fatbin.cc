#include "sim/ptx/fatbin.h"

#include <cstddef>
#include <cstring>

namespace tranche::sim::ptx {
namespace {

constexpr std::uint32_t kMagic = 0xBA55ED50;
constexpr std::uint64_t kMaxBytes = 1ULL << 30U;
constexpr std::uint64_t kMaxUnpacked = 256U << 20U;
constexpr std::size_t kMaxEntries = 4096;

struct Header {
  std::uint32_t magic;
  std::uint16_t version, header_size;
  std::uint64_t bytes;  // after this header
};
static_assert(sizeof(Header) == 16);

struct EntryHeader {
  std::uint16_t kind, version;
  std::uint32_t header_size;
  std::uint64_t bytes;  // with padding
  std::uint32_t packed_size, name_offset;
  std::uint16_t minor, major;
  std::uint32_t architecture;
  std::uint32_t name_size, reserved;
  std::uint64_t flags;
  std::uint64_t unknown;
  std::uint64_t unpacked_size;
};
static_assert(sizeof(EntryHeader) == 64);
constexpr std::uint64_t kLz4 = 0x2000;
constexpr std::uint64_t kZstd = 0x8000;

// A block of LZ4: literals, and copies of what has been written.
class Lz4 {
 public:
  Lz4(std::span<const std::uint8_t> from, std::uint64_t size) : from_(from), size_(size) {}

  bool Unpack(std::vector<std::uint8_t>* to) {
    while (at_ < from_.size()) {
      const std::uint8_t token = from_[at_++];
      std::uint64_t count = token >> 4U;
      if (!Length(&count) || count > from_.size() - at_ || count > size_ - to->size()) return false;
      to->insert(to->end(), from_.begin() + static_cast<std::ptrdiff_t>(at_),
                 from_.begin() + static_cast<std::ptrdiff_t>(at_ + count));
      at_ += count;
      if (at_ == from_.size()) break;  // the last one has literals only
      if (from_.size() - at_ < 2) return false;
      const std::uint64_t back = from_[at_] | (std::uint64_t{from_[at_ + 1]} << 8U);
      at_ += 2;
      count = token & 15U;
      if (!Length(&count)) return false;
      count += 4;
      if (back == 0 || back > to->size() || count > size_ - to->size()) return false;
      // What is copied may be part of the copy.
      for (; count > 0; --count) to->push_back((*to)[to->size() - back]);
    }
    return to->size() == size_;
  }

 private:
  // A length of 15 goes on in bytes, up to one that is not 255.
  bool Length(std::uint64_t* count) {
    if (*count != 15) return true;
    for (;;) {
      if (at_ >= from_.size()) return false;
      const std::uint8_t more = from_[at_++];
      *count += more;
      if (more != 255) return true;
    }
  }

  std::span<const std::uint8_t> from_;
  std::uint64_t size_;
  std::size_t at_ = 0;
};

FatEntry::Kind KindOf(std::uint16_t kind) {
  if (kind == 1) return FatEntry::Kind::kPtx;
  return kind == 2 ? FatEntry::Kind::kCubin : FatEntry::Kind::kOther;
}

}  // namespace

bool IsFatbin(std::span<const std::uint8_t> bytes) {
  return bytes.size() >= sizeof(kMagic) && std::memcmp(bytes.data(), &kMagic, sizeof(kMagic)) == 0;
}

std::uint64_t FatbinSize(std::span<const std::uint8_t> bytes) {
  Header header;
  if (bytes.size() < sizeof(header)) return 0;
  std::memcpy(&header, bytes.data(), sizeof(header));
  if (header.magic != kMagic || header.version != 1 || header.header_size < sizeof(header) ||
      header.bytes > kMaxBytes) {
    return 0;
  }
  return header.header_size + header.bytes;
}

bool ReadFatbin(std::span<const std::uint8_t> bytes, std::vector<FatEntry>* entries) {
  entries->clear();
  const std::uint64_t size = FatbinSize(bytes);
  if (size == 0 || size > bytes.size()) return false;
  std::uint16_t header_size = 0;
  std::memcpy(&header_size, bytes.data() + offsetof(Header, header_size), sizeof(header_size));
  std::uint64_t at = header_size;
  while (size - at >= sizeof(EntryHeader)) {
    EntryHeader header;
    std::memcpy(&header, bytes.data() + at, sizeof(header));
    if (header.header_size < sizeof(header) || header.header_size > size - at ||
        header.bytes > size - at - header.header_size || entries->size() >= kMaxEntries) {
      return false;
    }
    FatEntry entry{.kind = KindOf(header.kind),
                   .architecture = static_cast<int>(header.architecture & 0xFFFF),
                   .bytes = bytes.subspan(at + header.header_size, header.bytes),
                   .unpacked_size = header.bytes};
    if ((header.flags & (kLz4 | kZstd)) != 0) {
      entry.packing =
          (header.flags & kLz4) != 0 ? FatEntry::Packing::kLz4 : FatEntry::Packing::kZstd;
      if (header.packed_size > header.bytes) return false;
      entry.bytes = entry.bytes.first(header.packed_size);
      entry.unpacked_size = header.unpacked_size;
    }
    entries->push_back(entry);
    at += header.header_size + header.bytes;
  }
  return true;
}

std::vector<std::uint8_t> Unpack(const FatEntry& entry) {
  if (entry.packing == FatEntry::Packing::kZstd || entry.unpacked_size > kMaxUnpacked) return {};
  if (entry.packing == FatEntry::Packing::kNone) return {entry.bytes.begin(), entry.bytes.end()};
  std::vector<std::uint8_t> unpacked;
  if (!Lz4(entry.bytes, entry.unpacked_size).Unpack(&unpacked)) return {};
  return unpacked;
}

}  // namespace tranche::sim::ptx
