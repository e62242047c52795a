#include "shim/guest/pages.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

namespace tranche::shim::guest {
namespace {

constexpr int kGetSeals = 1034;  // F_GET_SEALS
constexpr int kSize = wire::kSealShrink | wire::kSealGrow;

void* Map(int descriptor, std::size_t bytes, int protection) {
  if (descriptor < 0) return nullptr;
  const int sealed = fcntl(descriptor, kGetSeals);
  if (sealed < 0 || (sealed & kSize) != kSize) return nullptr;
  if (lseek(descriptor, 0, SEEK_END) < static_cast<off_t>(bytes)) return nullptr;
  void* made = mmap(nullptr, bytes, protection, MAP_SHARED, descriptor, 0);
  if (made == MAP_FAILED) return nullptr;
  madvise(made, bytes, MADV_DONTFORK);
  return made;
}

}  // namespace

bool MapPages(const int (&descriptors)[2], Purpose purpose, Pages* pages) {
  const int writes = purpose == Purpose::kCount ? PROT_WRITE : 0;
  const Pages made = {
      .limits = static_cast<wire::Limits*>(Map(descriptors[0], sizeof(wire::Limits), PROT_READ)),
      .counters = static_cast<wire::Counters*>(
          Map(descriptors[1], sizeof(wire::Counters), PROT_READ | writes))};
  if (made.limits == nullptr || made.counters == nullptr ||
      !wire::LimitsFit(*made.limits, sizeof(wire::Limits)) ||
      !wire::CountersFit(*made.counters, sizeof(wire::Counters))) {
    UnmapPages(made);
    return false;
  }
  *pages = made;
  return true;
}

void UnmapPages(const Pages& pages) {
  if (pages.limits != nullptr) {
    munmap(const_cast<wire::Limits*>(pages.limits), sizeof(wire::Limits));
  }
  if (pages.counters != nullptr) munmap(pages.counters, sizeof(wire::Counters));
}

}  // namespace tranche::shim::guest
