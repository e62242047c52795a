#include "shim/share.h"

#include "shim/freeing.h"
#include "shim/pool_share.h"
#include "wire/hash.h"
#include "wire/shares.h"

namespace tranche::shim {
namespace {

wire::Share* ShareAt(const Attachment* pages, unsigned share) {
  if (pages == nullptr || share == 0 || share > wire::kMaxShares) return nullptr;
  return &pages->counters->shares[share - 1];
}

const Attachment* PagesOf(const Program& program) {
  return program.attachment.load(std::memory_order_acquire);
}

}  // namespace

std::uint64_t KeyOf(const void* handle, std::size_t bytes) {
  const std::uint64_t hash = wire::HashOf(handle, bytes);
  return hash == 0 ? 1 : hash;
}

void NoteExport(Program& program, Kind kind, std::uint64_t handle, std::uint64_t key) {
  Record record;
  if (!program.table.Look(kind, handle, &record)) return;
  const Attachment* pages = PagesOf(program);
  if (pages == nullptr || record.share != 0 || record.device >= wire::kMaxDevices) return;
  const unsigned index = wire::AddShare(*pages->counters, wire::ShareKind::kExport, pages->slot,
                                        record.device, key, record.bytes);
  if (index == wire::kNoShare) {
    CountTrouble(program);
  } else if (!program.table.SetShare(kind, handle, index + 1)) {
    wire::DropShare(*pages->counters, wire::ShareKind::kExport, pages->slot, index);
  }
}

unsigned NoteImport(Program& program, std::uint64_t key) {
  const Attachment* pages = PagesOf(program);
  if (pages == nullptr) return 0;
  const unsigned index = wire::AddShare(*pages->counters, wire::ShareKind::kImport, pages->slot,
                                        wire::kAnyDevice, key, wire::kUnknownBytes);
  if (index == wire::kNoShare) CountTrouble(program);
  return index == wire::kNoShare ? 0 : index + 1;
}

void DropImport(Program& program, unsigned share) {
  const Attachment* pages = PagesOf(program);
  if (ShareAt(pages, share) != nullptr) wire::EndImport(*pages->counters, pages->slot, share - 1);
}

void ImportIs(Program& program, unsigned share, std::uint64_t bytes) {
  wire::Share* note = ShareAt(PagesOf(program), share);
  std::uint64_t unknown = wire::kUnknownBytes;
  if (note != nullptr) note->bytes.compare_exchange_strong(unknown, bytes);
}

void ImportIsOn(Program& program, unsigned share, unsigned device) {
  wire::Share* note = ShareAt(PagesOf(program), share);
  if (note != nullptr) note->device.store(device);
}

std::uint64_t EndShare(Program& program, const Record& record) {
  const Attachment* pages = PagesOf(program);
  if (ShareAt(pages, record.share) == nullptr) return 0;
  wire::EndImport(*pages->counters, pages->slot, record.share - 1);
  return wire::EndExport(*pages->counters, pages->slot, record.share - 1, record.bytes);
}

void GiveBack(Program& program, const Record& record) {
  if (record.kind == Kind::kFreeing || record.kind == Kind::kFreeingPointer) {
    NoLongerFreeing(program, record);
  }
  if (record.kind == Kind::kPoolPointer || record.kind == Kind::kFreeingPointer) {
    EndPoolUse(program, record.share);
    program.pointers.fetch_sub(1);
    return;
  }
  const std::uint64_t kept = record.share == 0 ? 0 : EndShare(program, record);
  Give(program, record.device, record.bytes - kept);
}

}  // namespace tranche::shim
