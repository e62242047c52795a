// cuMemset in all widths.
#include "sim/cuda/capture.h"
#include "sim/cuda/copy.h"
#include "sim/cuda/declarations.h"
#include "sim/cuda/library.h"
#include "sim/cuda/work.h"

namespace tranche::sim::cuda {

namespace {

// The synchronous forms do not wait for the device either, unless the memory is the host's.
Result FillNow(const Entry& entry, const Fill& fill) {
  return StreamCall(entry, nullptr, [&](StreamObject& stream) {
    const Result allowed = AllowsUnsafeCall(Process::Get());
    if (allowed != kSuccess) return allowed;
    const Result result = EnqueueFill(stream, fill);
    const Allocation* memory = Process::Get().memory().Find(fill.address);
    const bool on_host = memory != nullptr && memory->on_host();
    return result == kSuccess && on_host ? Synchronize(stream) : result;
  });
}

Result FillLater(const Entry& entry, const Fill& fill, Stream stream) {
  return StreamCall(entry, stream, [&](StreamObject& found) { return EnqueueFill(found, fill); });
}

}  // namespace

// NOLINTBEGIN(readability-identifier-naming): the names are NVIDIA's.

#define TRANCHE_CUDA_FILL(bits, type)                                                           \
  TRANCHE_CUDA_EXPORT_TWICE(cuMemsetD##bits##_v2, cuMemsetD##bits##_v2_ptds, FillNow,           \
                            (DevicePtr dst, type value, std::size_t n),                         \
                            Fill{dst, 0, value, (bits) / 8, n, 1})                              \
  TRANCHE_CUDA_EXPORT_TWICE(cuMemsetD##bits##Async, cuMemsetD##bits##Async_ptsz, FillLater,     \
                            (DevicePtr dst, type value, std::size_t n, Stream stream),          \
                            Fill{dst, 0, value, (bits) / 8, n, 1}, stream)                      \
  TRANCHE_CUDA_EXPORT_TWICE(                                                                    \
      cuMemsetD2D##bits##_v2, cuMemsetD2D##bits##_v2_ptds, FillNow,                             \
      (DevicePtr dst, std::size_t pitch, type value, std::size_t width, std::size_t height),    \
      Fill{dst, pitch, value, (bits) / 8, width, height})                                       \
  TRANCHE_CUDA_EXPORT_TWICE(cuMemsetD2D##bits##Async, cuMemsetD2D##bits##Async_ptsz, FillLater, \
                            (DevicePtr dst, std::size_t pitch, type value, std::size_t width,   \
                             std::size_t height, Stream stream),                                \
                            Fill{dst, pitch, value, (bits) / 8, width, height}, stream)
TRANCHE_CUDA_FILL(8, unsigned char)
TRANCHE_CUDA_FILL(16, unsigned short)
TRANCHE_CUDA_FILL(32, unsigned)
#undef TRANCHE_CUDA_FILL

// NOLINTEND(readability-identifier-naming)

}  // namespace tranche::sim::cuda
