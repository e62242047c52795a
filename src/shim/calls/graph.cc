// Graphs: what those with allocation nodes take when they are launched.
#include <sys/syscall.h>
#include <unistd.h>

#include "shim/driver.h"
#include "shim/graphs.h"

namespace tranche::shim {
namespace {

// A number for a stream, by which it is told from others. The default streams of threads have one
// handle for all of them.
enum class Default : bool { kOfDevice, kOfThread };
std::uint64_t NumberOf(Stream stream, Default if_none) {
  constexpr std::uintptr_t kOfThread = 2;  // CU_STREAM_PER_THREAD
  const auto number = reinterpret_cast<std::uintptr_t>(stream);
  const bool of_thread = number == kOfThread || (number == 0 && if_none == Default::kOfThread);
  return of_thread ? static_cast<std::uint64_t>(syscall(SYS_gettid)) << 8U | kOfThread : number;
}

template <typename Call>
Result Instantiate(GraphExec* exec, Graph graph, Call call) {
  const Result result = call();
  Program* program = ThisProgram();
  if (result == kSuccess && program != nullptr) LearnGraph(*program, *exec, graph);
  return result;
}

template <typename Call>
Result InstantiateWith(GraphExec* exec, Graph graph, const InstantiateParams* params,
                       Default if_none, Call call) {
  Program* program = ThisProgram();
  const bool uploads = params != nullptr && (params->flags & kInstantiateUpload) != 0;
  if (!uploads || program == nullptr || program->attachment.load() == nullptr) {
    return Instantiate(exec, graph, call);
  }
  GraphLaunch upload(*program, graph, NumberOf(params->upload_stream, if_none));
  if (upload.refused()) return kOutOfMemory;
  const Result result = Instantiate(exec, graph, call);
  upload.Done(result == kSuccess ? *exec : nullptr, result);
  return result;
}

// A launch into a captured stream becomes a node.
template <typename Call>
Result Launch(GraphExec exec, Stream stream, Default if_none, Call call) {
  Program* program = ThisProgram();
  if (program == nullptr || program->graphs.devices.load(std::memory_order_relaxed) == 0) [[likely]]
    return call();
  if (IsCapturing(stream)) return call();
  GraphLaunch launch(*program, exec, NumberOf(stream, if_none));
  if (launch.refused()) return kOutOfMemory;
  if (launch.outlives()) {
    const GraphTaking taking(*program);
    const Result result = call();
    launch.Done(exec, result);
    return result;
  }
  const Result result = call();
  launch.Done(exec, result);
  return result;
}

template <typename Call>
Result Update(GraphExec exec, Graph graph, Call call) {
  const Result result = call();
  Program* program = ThisProgram();
  const bool may_have = program != nullptr && program->graphs.devices.load() != 0;
  if (result == kSuccess && may_have) LearnGraph(*program, exec, graph);
  return result;
}

}  // namespace

// NOLINTBEGIN(readability-identifier-naming): the names are NVIDIA's.
extern "C" {

Result cuGraphInstantiate(GraphExec* exec, Graph graph, GraphNode* error_node, char* log,
                          std::size_t log_bytes) {
  return Instantiate(exec, graph, [&] {
    return TRANCHE_REAL(cuGraphInstantiate, exec, graph, error_node, log, log_bytes);
  });
}
Result cuGraphInstantiate_v2(GraphExec* exec, Graph graph, GraphNode* error_node, char* log,
                             std::size_t log_bytes) {
  return Instantiate(exec, graph, [&] {
    return TRANCHE_REAL(cuGraphInstantiate_v2, exec, graph, error_node, log, log_bytes);
  });
}
Result cuGraphInstantiateWithFlags(GraphExec* exec, Graph graph, Flags flags) {
  return Instantiate(exec, graph,
                     [&] { return TRANCHE_REAL(cuGraphInstantiateWithFlags, exec, graph, flags); });
}
Result cuGraphInstantiateWithParams(GraphExec* exec, Graph graph, InstantiateParams* params) {
  return InstantiateWith(exec, graph, params, Default::kOfDevice, [&] {
    return TRANCHE_REAL(cuGraphInstantiateWithParams, exec, graph, params);
  });
}
Result cuGraphInstantiateWithParams_ptsz(GraphExec* exec, Graph graph, InstantiateParams* params) {
  return InstantiateWith(exec, graph, params, Default::kOfThread, [&] {
    return TRANCHE_REAL(cuGraphInstantiateWithParams_ptsz, exec, graph, params);
  });
}

Result cuGraphExecUpdate(GraphExec exec, Graph graph, GraphNode* error_node, int* update_result) {
  return Update(exec, graph, [&] {
    return TRANCHE_REAL(cuGraphExecUpdate, exec, graph, error_node, update_result);
  });
}
Result cuGraphExecUpdate_v2(GraphExec exec, Graph graph, void* result_info) {
  return Update(exec, graph,
                [&] { return TRANCHE_REAL(cuGraphExecUpdate_v2, exec, graph, result_info); });
}
// Its handle may be another's afterwards.
Result cuGraphExecDestroy(GraphExec exec) {
  Program* program = ThisProgram();
  if (program == nullptr || program->graphs.devices.load() == 0) {
    return TRANCHE_REAL(cuGraphExecDestroy, exec);
  }
  Record known[kMostGraphDevices];
  const unsigned count = ForgetGraph(*program, exec, known);
  const Result result = TRANCHE_REAL(cuGraphExecDestroy, exec);
  for (unsigned i = 0; i < count && result != kSuccess; ++i) Remember(*program, known[i]);
  return result;
}

Result cuGraphUpload(GraphExec exec, Stream stream) {
  return Launch(exec, stream, Default::kOfDevice,
                [&] { return TRANCHE_REAL(cuGraphUpload, exec, stream); });
}
Result cuGraphUpload_ptsz(GraphExec exec, Stream stream) {
  return Launch(exec, stream, Default::kOfThread,
                [&] { return TRANCHE_REAL(cuGraphUpload_ptsz, exec, stream); });
}
Result cuGraphLaunch(GraphExec exec, Stream stream) {
  return Launch(exec, stream, Default::kOfDevice,
                [&] { return TRANCHE_REAL(cuGraphLaunch, exec, stream); });
}
Result cuGraphLaunch_ptsz(GraphExec exec, Stream stream) {
  return Launch(exec, stream, Default::kOfThread,
                [&] { return TRANCHE_REAL(cuGraphLaunch_ptsz, exec, stream); });
}

Result cuDeviceGraphMemTrim(Device dev) {
  Program* program = ThisProgram();
  if (program == nullptr || program->graphs.devices.load() == 0) {
    return TRANCHE_REAL(cuDeviceGraphMemTrim, dev);
  }
  const GraphTaking taking(*program);
  const Result result = TRANCHE_REAL(cuDeviceGraphMemTrim, dev);
  SettlePools(*program);
  return result;
}

}  // extern "C"
// NOLINTEND(readability-identifier-naming)

}  // namespace tranche::shim
