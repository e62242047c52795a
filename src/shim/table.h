// What the program has on its devices, by address or handle: how many bytes, and on which device.
// A table that grows, without a lock and without malloc, so that it can be used at any instant, in
// a program that forks as well.
//
// An entry is taken out before the driver is asked to free what it stands for, and put back where
// the driver would not: an address that the driver gives again at once is so never mixed up.
//
// Threading: any thread. Entries with one key come one after another, as addresses do.
// Errors: Put is false where there is no memory for the table.
#pragma once

#include <atomic>
#include <cstdint>

namespace tranche::shim {

enum class Kind : std::uint64_t {
  kAddress = 1,
  kArray,
  kMipmap,
  kPhysical,  // of cuMemCreate
  kMapping,   // an address at which such a one is mapped: `owner` is its handle
  kContext,
};

struct Record {
  Kind kind;
  std::uint64_t handle;
  std::uint64_t bytes;
  unsigned device;      // index into Limits::devices, or kNoWall
  std::uint64_t owner;  // the context with which it ends; of a mapping, the handle
};
inline constexpr unsigned kNoWall = 0xFF;

class Table {
 public:
  bool Put(const Record& record);
  // Takes an entry out; false where there is none, which is nothing unusual.
  bool Take(Kind kind, std::uint64_t handle, Record* record);
  // One more or one less use of an entry; 0 where that was the last, which takes it out into
  // `record`, and -1 where there is none. Put counts as the first use.
  int Change(Kind kind, std::uint64_t handle, int by, Record* record);
  // Takes any entry out that ends with a context; false where there is none left.
  bool TakeOf(std::uint64_t context, Record* record);
  // The mapping that holds an address.
  bool FindMapping(std::uint64_t address, Record* record);

 private:
  struct Entry {
    std::atomic<std::uint64_t> key;
    std::atomic<std::uint64_t> bytes;
    std::atomic<std::uint64_t> owner;
    std::atomic<std::int32_t> uses;
    std::atomic<std::uint32_t> device;
  };
  static constexpr unsigned kSegments = 16;
  static constexpr unsigned kProbes = 64;

  static std::uint64_t Entries(unsigned segment) { return std::uint64_t{2048} << segment; }
  Entry* Segment(unsigned index);
  Entry* Find(std::uint64_t key);
  static bool TakeEntry(Entry& entry, std::uint64_t key, Record* record);

  std::atomic<Entry*> segments_[kSegments];
};

}  // namespace tranche::shim
