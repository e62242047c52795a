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
  kPhysical,     // of cuMemCreate
  kMapping,      // an address at which such a one is mapped: `owner` is its handle
  kContext,      // `bytes` are what it was charged
  kExec,         // a graph that takes memory when it is launched (shim/graphs.h)
  kImport,       // an address at which another program's memory was opened
  kPoolPointer,  // an address of another program's pool: `share` is one more than the pool's place
  kFreeing,      // an event, after which memory is free (shim/freeing.h)
  kFreeingPointer,  // the same of an address of another program's pool
};

struct Record {
  Kind kind;
  std::uint64_t handle;
  std::uint64_t bytes;
  unsigned device;      // index into Limits::devices, or kNoWall
  std::uint64_t owner;  // the context with which it ends; of a mapping, the handle
  unsigned share = 0;   // one more than its place among wire::Counters::shares; 0: it has none
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
  // What an entry says, which stays where it is.
  bool Look(Kind kind, std::uint64_t handle, Record* record);
  void SetOwner(Kind kind, std::uint64_t handle, std::uint64_t owner);
  // False where the entry has a share already, or there is no such entry.
  bool SetShare(Kind kind, std::uint64_t handle, unsigned share);
  // Takes any entry out that ends with a context; false where there is none left.
  bool TakeOf(std::uint64_t context, Record* record);
  // Takes any allocation out that lies on a device and ends with some context.
  bool TakeOn(unsigned device, Record* record);
  // The first entry of a kind from a place on, which becomes the one behind it; false where there
  // is none. Places begin at 0.
  bool Next(Kind kind, std::uint64_t* place, Record* record);
  // The mapping that holds an address.
  bool FindMapping(std::uint64_t address, Record* record);

 private:
  struct Entry {
    std::atomic<std::uint64_t> key;
    std::atomic<std::uint64_t> bytes;
    std::atomic<std::uint64_t> owner;
    std::atomic<std::int32_t> uses;
    std::atomic<std::uint32_t> device;  // and above its eight bits the share
  };
  static constexpr unsigned kSegments = 16;
  static constexpr unsigned kProbes = 64;

  static std::uint64_t Entries(unsigned segment) { return std::uint64_t{2048} << segment; }
  Entry* Segment(unsigned index);
  Entry* Find(std::uint64_t key);
  static void Read(const Entry& entry, std::uint64_t key, Record* record);
  template <typename Fits>
  bool TakeAny(Fits fits, Record* record);
  static bool TakeEntry(Entry& entry, std::uint64_t key, Record* record);

  std::atomic<Entry*> segments_[kSegments];
};

}  // namespace tranche::shim
