// What a program is told of its memory: its pod's limit is the whole, and what the pod has not
// taken of it is free.
#include "shim/driver.h"
#include "shim/walls.h"

namespace tranche::shim {
namespace {

template <typename Size>
void Narrow(Device ordinal, Size* free, Size* total) {
  Program* program = ThisProgram();
  std::uint64_t limit = 0;
  std::uint64_t used = 0;
  if (program == nullptr || !View(*program, ordinal, &limit, &used)) return;
  if (total != nullptr && limit < *total) *total = static_cast<Size>(limit);
  const std::uint64_t left = used < limit ? limit - used : 0;
  if (free != nullptr && left < *free) *free = static_cast<Size>(left);
}

}  // namespace

// NOLINTBEGIN(readability-identifier-naming): the names are NVIDIA's.
extern "C" {

Result cuMemGetInfo(unsigned* free, unsigned* total) {
  const Result result = TRANCHE_REAL(cuMemGetInfo, free, total);
  if (result == kSuccess) Narrow(CurrentDevice(), free, total);
  return result;
}
Result cuMemGetInfo_v2(std::size_t* free, std::size_t* total) {
  const Result result = TRANCHE_REAL(cuMemGetInfo_v2, free, total);
  if (result == kSuccess) Narrow(CurrentDevice(), free, total);
  return result;
}
Result cuDeviceTotalMem(unsigned* bytes, Device dev) {
  const Result result = TRANCHE_REAL(cuDeviceTotalMem, bytes, dev);
  if (result == kSuccess) Narrow<unsigned>(dev, nullptr, bytes);
  return result;
}
Result cuDeviceTotalMem_v2(std::size_t* bytes, Device dev) {
  const Result result = TRANCHE_REAL(cuDeviceTotalMem_v2, bytes, dev);
  if (result == kSuccess) Narrow<std::size_t>(dev, nullptr, bytes);
  return result;
}

}  // extern "C"
// NOLINTEND(readability-identifier-naming)

}  // namespace tranche::shim
