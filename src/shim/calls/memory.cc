// Memory that has an address from the start: taken before the driver is asked, given back once the
// driver has freed it.
#include "shim/driver.h"
#include "shim/freeing.h"
#include "shim/pools.h"
#include "shim/share.h"
#include "shim/walls.h"

namespace tranche::shim {
namespace {

// Takes, calls the driver, and remembers. `call(&address)` is the driver's.
template <typename Address, typename Call>
Result Allocate(std::uint64_t bytes, Address* address, Call call) {
  Program* program = ThisProgram();
  if (program == nullptr || address == nullptr || bytes == 0) return call();
  const std::uint64_t charged = Rounded(bytes);
  const Taking taking = Take(*program, CurrentDevice(), charged);
  if (taking.verdict == Verdict::kRefused) return kOutOfMemory;
  const Result result = call();
  if (taking.verdict == Verdict::kUnwalled) return result;
  if (result != kSuccess) {
    Give(*program, taking.device, charged);
    return result;
  }
  Remember(*program, {.kind = Kind::kAddress,
                      .handle = *address,
                      .bytes = charged,
                      .device = taking.device,
                      .owner = CurrentContext()});
  return result;
}

// Takes the entry out first: once the driver has freed it, the address may be another's.
template <typename Call>
Result Free(std::uint64_t address, Call call) {
  Program* program = ThisProgram();
  Record record;
  if (program == nullptr || !TakeFreed(*program, address, &record)) return call();
  const UnderWay under_way(*program, record.device);
  const Result result = call();
  if (result == kSuccess) {
    GiveBack(*program, record);
  } else {
    Remember(*program, record);
  }
  return result;
}

// The stream may have much to do before it comes to it.
template <typename Call>
Result FreeInOrder(std::uint64_t address, Stream stream, Call call) {
  Program* program = ThisProgram();
  Record record;
  if (program == nullptr || !TakeFreed(*program, address, &record)) return call();
  const UnderWay under_way(*program, record.device);
  const bool captured = IsCapturing(stream);  // then nothing is freed yet
  const Result result = call();
  if (result == kSuccess && !captured) {
    FreeLater(*program, record, stream);
  } else {
    Remember(*program, record);
  }
  return result;
}

// What a stream of no name is to functions of the ending _ptsz: CU_STREAM_PER_THREAD.
Stream OfThread(Stream stream) {
  return stream != nullptr ? stream : reinterpret_cast<Stream>(std::uintptr_t{2});  // NOLINT
}

// A row is no longer than this, whatever the device: what pitches are multiples of.
constexpr std::uint64_t kPitch = 512;

std::uint64_t PitchedBytes(std::uint64_t width, std::uint64_t height) {
  if (width == 0 || height == 0) return 0;
  const std::uint64_t row =
      width > UINT64_MAX - kPitch ? width : (width + kPitch - 1) / kPitch * kPitch;
  return row > UINT64_MAX / height ? UINT64_MAX / 2 : row * height;
}

}  // namespace

// NOLINTBEGIN(readability-identifier-naming): the names are NVIDIA's.
extern "C" {

Result cuMemAlloc(OldDevicePtr* dptr, unsigned bytesize) {
  return Allocate(bytesize, dptr, [&] { return TRANCHE_REAL(cuMemAlloc, dptr, bytesize); });
}
Result cuMemAlloc_v2(DevicePtr* dptr, std::size_t bytesize) {
  return Allocate(bytesize, dptr, [&] { return TRANCHE_REAL(cuMemAlloc_v2, dptr, bytesize); });
}
Result cuMemAllocPitch(OldDevicePtr* dptr, unsigned* pitch, unsigned width_in_bytes,
                       unsigned height, unsigned element_size_bytes) {
  return Allocate(PitchedBytes(width_in_bytes, height), dptr, [&] {
    return TRANCHE_REAL(cuMemAllocPitch, dptr, pitch, width_in_bytes, height, element_size_bytes);
  });
}
Result cuMemAllocPitch_v2(DevicePtr* dptr, std::size_t* pitch, std::size_t width_in_bytes,
                          std::size_t height, unsigned element_size_bytes) {
  return Allocate(PitchedBytes(width_in_bytes, height), dptr, [&] {
    return TRANCHE_REAL(cuMemAllocPitch_v2, dptr, pitch, width_in_bytes, height,
                        element_size_bytes);
  });
}
// In full: all of it may come to lie on the device.
Result cuMemAllocManaged(DevicePtr* dptr, std::size_t bytesize, unsigned flags) {
  return Allocate(bytesize, dptr,
                  [&] { return TRANCHE_REAL(cuMemAllocManaged, dptr, bytesize, flags); });
}

Result cuMemFree(OldDevicePtr dptr) {
  return Free(dptr, [&] { return TRANCHE_REAL(cuMemFree, dptr); });
}
Result cuMemFree_v2(DevicePtr dptr) {
  return Free(dptr, [&] { return TRANCHE_REAL(cuMemFree_v2, dptr); });
}
// Of the memory of this program's pools nothing is remembered; other memory may be freed so, too.
Result cuMemFreeAsync(DevicePtr dptr, Stream stream) {
  return FreeInOrder(dptr, stream, [&] { return TRANCHE_REAL(cuMemFreeAsync, dptr, stream); });
}
Result cuMemFreeAsync_ptsz(DevicePtr dptr, Stream stream) {
  return FreeInOrder(dptr, OfThread(stream),
                     [&] { return TRANCHE_REAL(cuMemFreeAsync_ptsz, dptr, stream); });
}

}  // extern "C"
// NOLINTEND(readability-identifier-naming)

}  // namespace tranche::shim
