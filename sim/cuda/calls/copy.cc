// cuMemcpy in its forms for plain memory.
#include "sim/cuda/copy.h"

#include "sim/cuda/capture.h"
#include "sim/cuda/declarations.h"
#include "sim/cuda/library.h"
#include "sim/cuda/lookup.h"
#include "sim/cuda/work.h"

namespace tranche::sim::cuda {
namespace {

constexpr auto kHost = CopySide::Place::kHost;
constexpr auto kDevice = CopySide::Place::kDevice;
constexpr auto kAny = CopySide::Place::kAny;

Copy Line(CopySide::Place to_place, DevicePtr to, CopySide::Place from_place, DevicePtr from,
          std::size_t bytes) {
  return {.to = {.place = to_place, .address = to},
          .from = {.place = from_place, .address = from},
          .width = bytes};
}

Result CopyNow(const Entry& entry, const Copy& copy) {
  return StreamCall(entry, nullptr, [&](StreamObject& stream) {
    const Result allowed = AllowsUnsafeCall(Process::Get());
    return allowed == kSuccess ? EnqueueCopy(stream, copy, Wait::kUntilDone) : allowed;
  });
}

// Other than most calls for a stream, a copy first looks whether CUDA is initialised.
Result CopyLater(const Entry& entry, const Copy& copy, Stream stream) {
  if (!Initialised()) return kNotInitialized;
  return StreamCall(entry, stream,
                    [&](StreamObject& found) { return EnqueueCopy(found, copy, Wait::kUnpinned); });
}

bool IsContext(Context context) {
  const ContextObject* found = Process::Get().contexts().Find(context);
  return found != nullptr && found->alive;
}

// Between contexts, which unified addressing has made a copy like any other.
Result PeerNow(const Entry& entry, Context to, Context from, const Copy& copy) {
  return StreamCall(entry, nullptr, [&](StreamObject& stream) {
    if (!IsContext(to) || !IsContext(from)) return kInvalidContext;
    const Result allowed = AllowsUnsafeCall(Process::Get());
    return allowed == kSuccess ? EnqueueCopy(stream, copy, Wait::kUntilDone) : allowed;
  });
}
Result PeerLater(const Entry& entry, Context to, Context from, const Copy& copy, Stream stream) {
  if (!Initialised()) return kNotInitialized;
  return StreamCall(entry, stream, [&](StreamObject& found) {
    if (!IsContext(to) || !IsContext(from)) return kInvalidContext;
    return EnqueueCopy(found, copy, Wait::kUnpinned);
  });
}

template <typename Given>
Result GivenNow(const Entry& entry, const Given* given) {
  return StreamCall(entry, nullptr, [&](StreamObject& stream) {
    if (given == nullptr) return kInvalidValue;
    const Result allowed = AllowsUnsafeCall(Process::Get());
    if (allowed != kSuccess) return allowed;
    Copy copy;
    const Result meant = CopyOf(*given, &copy);
    return meant == kSuccess ? EnqueueCopy(stream, copy, Wait::kUntilDone) : meant;
  });
}

template <typename Given>
Result GivenLater(const Entry& entry, const Given* given, Stream stream) {
  if (!Initialised()) return kNotInitialized;
  return StreamCall(entry, stream, [&](StreamObject& found) {
    if (given == nullptr) return kInvalidValue;
    Copy copy;
    const Result meant = CopyOf(*given, &copy);
    return meant == kSuccess ? EnqueueCopy(found, copy, Wait::kUnpinned) : meant;
  });
}

}  // namespace

// NOLINTBEGIN(readability-identifier-naming): the names are NVIDIA's.

TRANCHE_CUDA_EXPORT_TWICE(cuMemcpy, cuMemcpy_ptds, CopyNow,
                          (DevicePtr dst, DevicePtr src, std::size_t byte_count),
                          Line(kAny, dst, kAny, src, byte_count))
TRANCHE_CUDA_EXPORT_TWICE(cuMemcpyHtoD_v2, cuMemcpyHtoD_v2_ptds, CopyNow,
                          (DevicePtr dst, const void* src, std::size_t byte_count),
                          Line(kDevice, dst, kHost, AddressOf(src), byte_count))
TRANCHE_CUDA_EXPORT_TWICE(cuMemcpyDtoH_v2, cuMemcpyDtoH_v2_ptds, CopyNow,
                          (void* dst, DevicePtr src, std::size_t byte_count),
                          Line(kHost, AddressOf(dst), kDevice, src, byte_count))
TRANCHE_CUDA_EXPORT_TWICE(cuMemcpyDtoD_v2, cuMemcpyDtoD_v2_ptds, CopyNow,
                          (DevicePtr dst, DevicePtr src, std::size_t byte_count),
                          Line(kDevice, dst, kDevice, src, byte_count))
TRANCHE_CUDA_EXPORT_TWICE(cuMemcpyPeer, cuMemcpyPeer_ptds, PeerNow,
                          (DevicePtr dst, Context dst_context, DevicePtr src, Context src_context,
                           std::size_t byte_count),
                          dst_context, src_context, Line(kAny, dst, kAny, src, byte_count))

TRANCHE_CUDA_EXPORT_TWICE(cuMemcpyAsync, cuMemcpyAsync_ptsz, CopyLater,
                          (DevicePtr dst, DevicePtr src, std::size_t byte_count, Stream stream),
                          Line(kAny, dst, kAny, src, byte_count), stream)
TRANCHE_CUDA_EXPORT_TWICE(cuMemcpyHtoDAsync_v2, cuMemcpyHtoDAsync_v2_ptsz, CopyLater,
                          (DevicePtr dst, const void* src, std::size_t byte_count, Stream stream),
                          Line(kDevice, dst, kHost, AddressOf(src), byte_count), stream)
TRANCHE_CUDA_EXPORT_TWICE(cuMemcpyDtoHAsync_v2, cuMemcpyDtoHAsync_v2_ptsz, CopyLater,
                          (void* dst, DevicePtr src, std::size_t byte_count, Stream stream),
                          Line(kHost, AddressOf(dst), kDevice, src, byte_count), stream)
TRANCHE_CUDA_EXPORT_TWICE(cuMemcpyDtoDAsync_v2, cuMemcpyDtoDAsync_v2_ptsz, CopyLater,
                          (DevicePtr dst, DevicePtr src, std::size_t byte_count, Stream stream),
                          Line(kDevice, dst, kDevice, src, byte_count), stream)
TRANCHE_CUDA_EXPORT_TWICE(cuMemcpyPeerAsync, cuMemcpyPeerAsync_ptsz, PeerLater,
                          (DevicePtr dst, Context dst_context, DevicePtr src, Context src_context,
                           std::size_t byte_count, Stream stream),
                          dst_context, src_context, Line(kAny, dst, kAny, src, byte_count), stream)

TRANCHE_CUDA_EXPORT_TWICE(cuMemcpy2D_v2, cuMemcpy2D_v2_ptds, GivenNow, (const Memcpy2d* copy), copy)
TRANCHE_CUDA_EXPORT_TWICE(cuMemcpy2DUnaligned_v2, cuMemcpy2DUnaligned_v2_ptds, GivenNow,
                          (const Memcpy2d* copy), copy)
TRANCHE_CUDA_EXPORT_TWICE(cuMemcpy3D_v2, cuMemcpy3D_v2_ptds, GivenNow, (const Memcpy3d* copy), copy)
TRANCHE_CUDA_EXPORT_TWICE(cuMemcpy3DPeer, cuMemcpy3DPeer_ptds, GivenNow, (const Memcpy3d* copy),
                          copy)
TRANCHE_CUDA_EXPORT_TWICE(cuMemcpy2DAsync_v2, cuMemcpy2DAsync_v2_ptsz, GivenLater,
                          (const Memcpy2d* copy, Stream stream), copy, stream)
TRANCHE_CUDA_EXPORT_TWICE(cuMemcpy3DAsync_v2, cuMemcpy3DAsync_v2_ptsz, GivenLater,
                          (const Memcpy3d* copy, Stream stream), copy, stream)
TRANCHE_CUDA_EXPORT_TWICE(cuMemcpy3DPeerAsync, cuMemcpy3DPeerAsync_ptsz, GivenLater,
                          (const Memcpy3d* copy, Stream stream), copy, stream)

// NOLINTEND(readability-identifier-naming)

}  // namespace tranche::sim::cuda
