#include "shim/nvml/programs.h"

#include <errno.h>  // NOLINT(modernize-deprecated-headers): without the C++ library
#include <fcntl.h>
#include <stdio.h>  // NOLINT(modernize-deprecated-headers)
#include <unistd.h>

#include "shim/nvml/start_ticks.h"

namespace tranche::shim::nvml {
namespace {

bool StartOf(unsigned pid, std::uint64_t* ticks) {
  const int error = errno;
  char path[32];
  snprintf(path, sizeof path, "/proc/%u/stat", pid);
  const int file = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
  bool known = false;
  if (file >= 0) {
    char text[1024];
    const ssize_t length = read(file, text, sizeof text);
    known = length > 0 && ReadStartTicks(text, static_cast<std::size_t>(length), ticks);
    close(file);
  }
  errno = error;
  return known;
}

}  // namespace

unsigned SlotsUsed(const guest::Pages& pages) {
  const unsigned used = pages.counters->slots_used.load();
  return used < wire::kMaxSlots ? used : wire::kMaxSlots;
}

bool IsHere(const wire::Slot& slot, unsigned* pid) {
  if (slot.taken.load() == 0) return false;
  const unsigned inside = slot.pid_inside != 0 ? slot.pid_inside : slot.pid;
  std::uint64_t start = 0;
  if (!StartOf(inside, &start) || start != slot.start_ticks) return false;
  *pid = inside;
  return true;
}

std::uint64_t BytesOf(const wire::Slot& slot, unsigned device) {
  const wire::Holding& holding = slot.holdings[device];
  return holding.held_bytes.load() + holding.context_bytes.load();
}

bool FindOwn(const guest::Pages& pages, Names names, unsigned driver_pid, unsigned* pid) {
  const unsigned used = SlotsUsed(pages);
  for (unsigned i = 0; i < used; ++i) {
    const wire::Slot& slot = pages.counters->slots[i];
    const unsigned named = names == Names::kOfTheNode ? slot.pid : slot.pid_inside;
    if (named == driver_pid && IsHere(slot, pid)) return true;
  }
  return false;
}

bool FindOnNode(const guest::Pages& pages, unsigned pid, unsigned* node_pid) {
  const unsigned used = SlotsUsed(pages);
  for (unsigned i = 0; i < used; ++i) {
    const wire::Slot& slot = pages.counters->slots[i];
    unsigned inside = 0;
    if (slot.pid_inside != pid || !IsHere(slot, &inside)) continue;
    *node_pid = slot.pid;
    return true;
  }
  return false;
}

}  // namespace tranche::shim::nvml
