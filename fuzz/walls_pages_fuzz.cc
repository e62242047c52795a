// What a pod may have written into its counters (src/wire/pages.h) while the node program works on
// them: any word at any place, between any two steps. Each step ends, what a pod is allowed stays
// what it was, and another pod's pages stay as they were, to the byte.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "node/walls/pod_ledger.h"
#include "wire/shares.h"

namespace {

namespace walls = tranche::node::walls;
namespace wire = tranche::wire;

constexpr std::uint64_t kLimit = 4ULL << 30U;
constexpr unsigned kDevices = 2;
constexpr unsigned kPrograms = 16;

std::unique_ptr<walls::PodLedger> NewLedger() {
  const std::vector<walls::WalledDevice> devices{
      {.device = "GPU-0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9", .limit_bytes = kLimit},
      {.device = "GPU-0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8fa", .limit_bytes = kLimit}};
  auto pages = walls::PodPages::New(devices, walls::Away::kOpen);
  if (!pages.ok()) std::abort();
  return std::make_unique<walls::PodLedger>(std::move(*pages), devices);
}

class Bytes {
 public:
  Bytes(const std::uint8_t* data, std::size_t size) : data_(data), left_(size) {}
  [[nodiscard]] bool empty() const { return left_ == 0; }
  std::uint64_t Take(std::size_t bytes) {
    std::uint64_t value = 0;
    const std::size_t taken = bytes < left_ ? bytes : left_;
    std::memcpy(&value, data_, taken);
    data_ += taken;
    left_ -= taken;
    return value;
  }

 private:
  const std::uint8_t* data_;
  std::size_t left_;
};

// A place that matters: the first words, those of the first slots, and those of the notes.
std::size_t PlaceOf(std::uint64_t word, std::uint64_t where) {
  constexpr std::size_t kAll = sizeof(wire::Counters) / sizeof(wire::Word);
  constexpr std::size_t kSlots = offsetof(wire::Counters, slots) / sizeof(wire::Word);
  constexpr std::size_t kShares = offsetof(wire::Counters, shares) / sizeof(wire::Word);
  switch (where % 3) {
    case 0:
      return word % kAll;
    case 1:
      return word % (kSlots + kPrograms * sizeof(wire::Slot) / sizeof(wire::Word));
    default:
      return kShares + word % (kAll - kShares);
  }
}

void Step(walls::PodLedger& ledger, Bytes& bytes) {
  const std::uint64_t what = bytes.Take(1);
  const auto slot = static_cast<unsigned>(bytes.Take(1) % kPrograms);
  const unsigned device = slot % kDevices;
  switch (what % 10) {
    case 0:
    case 1:
    case 2: {
      auto* words = reinterpret_cast<wire::Word*>(&ledger.pages().counters());
      const std::size_t place = PlaceOf(bytes.Take(4), what / 10);
      words[place].store(bytes.Take(8));
      break;
    }
    case 3:
      static_cast<void>(ledger.Attach({.pid = 100 + slot, .image = bytes.Take(1)}));
      break;
    case 4:
      ledger.Leave(slot);
      break;
    case 5:
      static_cast<void>(ledger.Settle());
      break;
    case 6:
      ledger.SweepOrphans();
      break;
    case 7:
      ledger.NoteChanges();
      break;
    case 8:
      if (slot < ledger.slots().size()) ledger.LearnContext(slot, device, bytes.Take(8));
      break;
    default:
      ledger.SettleLater();
      static_cast<void>(ledger.UseOf(device));
      static_cast<void>(ledger.OrphansOn(device));
      static_cast<void>(ledger.PassedThrough());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::unique_ptr<walls::PodLedger> neighbour = NewLedger();
  static std::unique_ptr<wire::Counters> as_it_was;
  if (as_it_was == nullptr) {
    const auto slot = neighbour->Attach({.pid = 1, .image = 1});
    if (!slot || !wire::Reserve(neighbour->pages().counters(), *slot, 0, wire::Part::kHeld, 1 << 20,
                                kLimit)) {
      std::abort();
    }
    as_it_was = std::make_unique<wire::Counters>();
    std::memcpy(static_cast<void*>(as_it_was.get()), &neighbour->pages().counters(),
                sizeof(wire::Counters));
  }
  const std::unique_ptr<walls::PodLedger> ledger = NewLedger();
  for (Bytes bytes(data, size); !bytes.empty();) Step(*ledger, bytes);
  if (ledger->programs() > kPrograms) std::abort();
  for (unsigned device = 0; device < kDevices; ++device) {
    if (ledger->pages().LimitOf(device) != kLimit) std::abort();
    if (neighbour->pages().LimitOf(device) != kLimit) std::abort();
  }
  if (std::memcmp(as_it_was.get(), &neighbour->pages().counters(), sizeof(wire::Counters)) != 0) {
    std::abort();
  }
  return 0;
}
