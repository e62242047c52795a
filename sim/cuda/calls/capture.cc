// The functions of stream capture.
#include "sim/cuda/graph/capture.h"

#include "sim/cuda/declarations.h"
#include "sim/cuda/library.h"
#include "sim/cuda/lookup.h"

namespace tranche::sim::cuda {
namespace {

bool IsMode(CaptureMode mode) {
  return mode == kCaptureGlobal || mode == kCaptureThreadLocal || mode == kCaptureRelaxed;
}

Result Begin(const Entry& entry, Stream stream, CaptureMode mode) {
  if (!IsMode(mode)) return kInvalidValue;
  return StreamCall(entry, stream, [&](StreamObject& found) {
    return BeginCapture(found, mode, nullptr, nullptr, 0);
  });
}

Result BeginToGraph(const Entry& entry, Stream stream, Graph graph, const GraphNode* dependencies,
                    const GraphEdgeData* /*data*/, std::size_t count, CaptureMode mode) {
  if (graph == nullptr || !IsMode(mode) || (count != 0 && dependencies == nullptr)) {
    return kInvalidValue;
  }
  return StreamCall(entry, stream, [&](StreamObject& found) -> Result {
    auto into = Graphs().Share(graph);
    if (into == nullptr) return kInvalidValue;
    return BeginCapture(found, mode, std::move(into), dependencies, count);
  });
}

// 12.2 looks at the pointer first.
Result End(const Entry& entry, Stream stream, Graph* graph) {
  if (graph == nullptr && kLibraryVersion < 12040) return kInvalidValue;
  return StreamCall(entry, stream, [&](StreamObject& found) -> Result {
    if (graph == nullptr) return kInvalidValue;
    const Result ended = EndCapture(found, graph);
    DestroyUserObjects();
    return ended;
  });
}

CaptureStatus StatusOf(const StreamObject& stream) {
  if (stream.capture == nullptr) return kCaptureNone;
  return stream.capture->invalidated ? kCaptureInvalidated : kCaptureActive;
}

struct Info {
  std::uint64_t* id = nullptr;
  Graph* graph = nullptr;
  const GraphNode** dependencies = nullptr;
  const GraphEdgeData** edges = nullptr;
  std::size_t* count = nullptr;
};

// The default stream is not captured, but asking it is an error while it could not be used.
Result GetInfo(const Entry& entry, Stream stream, CaptureStatus* status, const Info& info) {
  if (status == nullptr) return kInvalidValue;
  return StreamCall(entry, stream, [&](StreamObject& found) -> Result {
    if (found.kind == StreamKind::kLegacy) {
      for (const StreamObject* const other : found.context->streams) {
        if (other->kind == StreamKind::kBlocking && other->capture != nullptr) {
          return kStreamCaptureImplicit;
        }
      }
    }
    *status = StatusOf(found);
    if (*status != kCaptureActive) return kSuccess;
    CaptureSession& session = *found.capture;
    const CaptureSession::Tips& tips = session.streams[&found];
    session.edges.assign(tips.size(), GraphEdgeData{});
    if (info.id != nullptr) *info.id = session.id;
    if (info.graph != nullptr) *info.graph = session.graph->handle;
    if (info.dependencies != nullptr) *info.dependencies = tips.data();
    if (info.edges != nullptr) *info.edges = session.edges.data();
    if (info.count != nullptr) *info.count = tips.size();
    return kSuccess;
  });
}

Result Update(const Entry& entry, Stream stream, const GraphNode* dependencies, std::size_t count,
              unsigned flags) {
  return StreamCall(entry, stream, [&](StreamObject& found) -> Result {
    if (found.capture == nullptr) return kIllegalState;
    if (found.capture->invalidated) return kStreamCaptureInvalidated;
    if (flags > kCaptureSetDependencies || (count != 0 && dependencies == nullptr)) {
      return kInvalidValue;
    }
    for (std::size_t i = 0; i < count; ++i) {
      const NodeObject* const node = Nodes().Find(dependencies[i]);
      if (node == nullptr || node->graph != found.capture->graph.get()) return kInvalidValue;
    }
    CaptureSession::Tips& tips = found.capture->streams[&found];
    if (flags == kCaptureSetDependencies) tips.clear();
    for (std::size_t i = 0; i < count; ++i) {
      if (std::find(tips.begin(), tips.end(), dependencies[i]) == tips.end()) {
        tips.push_back(dependencies[i]);
      }
    }
    return kSuccess;
  });
}

}  // namespace

// NOLINTBEGIN(readability-identifier-naming): the names are NVIDIA's.
TRANCHE_CUDA_EXPORT_TWICE(cuStreamBeginCapture, cuStreamBeginCapture_ptsz, Begin, (Stream stream),
                          stream, kCaptureGlobal)
TRANCHE_CUDA_EXPORT_TWICE(cuStreamBeginCapture_v2, cuStreamBeginCapture_v2_ptsz, Begin,
                          (Stream stream, CaptureMode mode), stream, mode)
TRANCHE_CUDA_EXPORT_TWICE(cuStreamBeginCaptureToGraph, cuStreamBeginCaptureToGraph_ptsz,
                          BeginToGraph,
                          (Stream stream, Graph graph, const GraphNode* dependencies,
                           const GraphEdgeData* data, std::size_t count, CaptureMode mode),
                          stream, graph, dependencies, data, count, mode)
TRANCHE_CUDA_EXPORT_TWICE(cuStreamEndCapture, cuStreamEndCapture_ptsz, End,
                          (Stream stream, Graph* graph), stream, graph)
TRANCHE_CUDA_EXPORT_TWICE(cuStreamIsCapturing, cuStreamIsCapturing_ptsz, GetInfo,
                          (Stream stream, CaptureStatus* status), stream, status, Info{})
TRANCHE_CUDA_EXPORT_TWICE(cuStreamGetCaptureInfo, cuStreamGetCaptureInfo_ptsz, GetInfo,
                          (Stream stream, CaptureStatus* status, std::uint64_t* id), stream, status,
                          Info{.id = id})
TRANCHE_CUDA_EXPORT_TWICE(
    cuStreamGetCaptureInfo_v2, cuStreamGetCaptureInfo_v2_ptsz, GetInfo,
    (Stream stream, CaptureStatus* status, std::uint64_t* id, Graph* graph,
     const GraphNode** dependencies, std::size_t* count),
    stream, status, Info{.id = id, .graph = graph, .dependencies = dependencies, .count = count})
TRANCHE_CUDA_EXPORT_TWICE(
    cuStreamGetCaptureInfo_v3, cuStreamGetCaptureInfo_v3_ptsz, GetInfo,
    (Stream stream, CaptureStatus* status, std::uint64_t* id, Graph* graph,
     const GraphNode** dependencies, const GraphEdgeData** edges, std::size_t* count),
    stream, status,
    Info{.id = id, .graph = graph, .dependencies = dependencies, .edges = edges, .count = count})
TRANCHE_CUDA_EXPORT_TWICE(cuStreamUpdateCaptureDependencies, cuStreamUpdateCaptureDependencies_ptsz,
                          Update,
                          (Stream stream, GraphNode* dependencies, std::size_t count,
                           unsigned flags),
                          stream, dependencies, count, flags)
TRANCHE_CUDA_EXPORT_TWICE(cuStreamUpdateCaptureDependencies_v2,
                          cuStreamUpdateCaptureDependencies_v2_ptsz, Update,
                          (Stream stream, GraphNode* dependencies, const GraphEdgeData* /*data*/,
                           std::size_t count, unsigned flags),
                          stream, dependencies, count, flags)

extern "C" Result cuThreadExchangeStreamCaptureMode(CaptureMode* mode) {
  return Call("cuThreadExchangeStreamCaptureMode", [&](Process& process) -> Result {
    if (process.phase() == Phase::kNever) return kNotInitialized;
    if (mode == nullptr || !IsMode(*mode)) return kInvalidValue;
    std::swap(*mode, ModeOfThread());
    return kSuccess;
  });
}
// NOLINTEND(readability-identifier-naming)

}  // namespace tranche::sim::cuda
