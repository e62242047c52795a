// Who is running on a GPU.
#include "sim/nvml/library.h"
#include "sim/nvml/memory.h"

namespace tranche::gpu::nvml {
namespace {

using sim::ProcessKind;
using sim::ProcessState;
using sim::nvml::BelongsTo;
using sim::nvml::DeviceCall;
using sim::nvml::Target;

void Fill(const ProcessState& process, ProcessInfoV1* info) {
  *info = {.pid = process.pid, .used_gpu_memory = process.memory_bytes};
}
void Fill(const ProcessState& process, ProcessInfo* info) {
  *info = {.pid = process.pid,
           .used_gpu_memory = process.memory_bytes,
           .gpu_instance_id = process.gpu_instance,
           .compute_instance_id = process.compute_instance};
}

// Writes those of `kind` that fit; the count says how many there are.
template <typename Info>
Return List(const char* name, Device device, unsigned* count, Info* infos, ProcessKind kind) {
  return DeviceCall(name, device, [&](const Target& target) {
    if (count == nullptr) return kInvalidArgument;
    const unsigned room = infos == nullptr ? 0 : *count;
    unsigned found = 0;
    for (unsigned i = 0; i < target.gpu->process_count; ++i) {
      const ProcessState& process = target.gpu->processes[i];
      if (process.kind != kind || !BelongsTo(process, target)) continue;
      if (found < room) Fill(process, &infos[found]);
      ++found;
    }
    *count = found;
    return found > room ? kInsufficientSize : kSuccess;
  });
}

}  // namespace

extern "C" {

Return nvmlDeviceGetComputeRunningProcesses(Device device, unsigned* count, ProcessInfoV1* infos) {
  return List(__func__, device, count, infos, ProcessKind::kCompute);
}
Return nvmlDeviceGetComputeRunningProcesses_v2(Device device, unsigned* count, ProcessInfo* infos) {
  return List(__func__, device, count, infos, ProcessKind::kCompute);
}
Return nvmlDeviceGetComputeRunningProcesses_v3(Device device, unsigned* count, ProcessInfo* infos) {
  return List(__func__, device, count, infos, ProcessKind::kCompute);
}
Return nvmlDeviceGetGraphicsRunningProcesses(Device device, unsigned* count, ProcessInfoV1* infos) {
  return List(__func__, device, count, infos, ProcessKind::kGraphics);
}
Return nvmlDeviceGetGraphicsRunningProcesses_v2(Device device, unsigned* count,
                                                ProcessInfo* infos) {
  return List(__func__, device, count, infos, ProcessKind::kGraphics);
}
Return nvmlDeviceGetGraphicsRunningProcesses_v3(Device device, unsigned* count,
                                                ProcessInfo* infos) {
  return List(__func__, device, count, infos, ProcessKind::kGraphics);
}
Return nvmlDeviceGetMPSComputeRunningProcesses(Device device, unsigned* count,
                                               ProcessInfoV1* infos) {
  return List(__func__, device, count, infos, ProcessKind::kMps);
}
Return nvmlDeviceGetMPSComputeRunningProcesses_v2(Device device, unsigned* count,
                                                  ProcessInfo* infos) {
  return List(__func__, device, count, infos, ProcessKind::kMps);
}
Return nvmlDeviceGetMPSComputeRunningProcesses_v3(Device device, unsigned* count,
                                                  ProcessInfo* infos) {
  return List(__func__, device, count, infos, ProcessKind::kMps);
}

Return nvmlDeviceGetRunningProcessDetailList(Device device, ProcessDetailList* list) {
  return DeviceCall(__func__, device, [&](const Target& target) {
    constexpr unsigned kAllKinds = 3;
    if (list == nullptr || list->mode > kAllKinds) return kInvalidArgument;
    if (list->version != StructVersion<ProcessDetailList>(1)) return kArgumentVersionMismatch;
    const unsigned room = list->processes == nullptr ? 0 : list->count;
    unsigned found = 0;
    for (unsigned i = 0; i < target.gpu->process_count; ++i) {
      const ProcessState& process = target.gpu->processes[i];
      const bool wanted =
          list->mode == kAllKinds || static_cast<unsigned>(process.kind) == list->mode;
      if (!wanted || !BelongsTo(process, target)) continue;
      if (found < room) {
        list->processes[found] = {.pid = process.pid,
                                  .used_gpu_memory = process.memory_bytes,
                                  .gpu_instance_id = process.gpu_instance,
                                  .compute_instance_id = process.compute_instance,
                                  .used_gpu_cc_protected_memory = 0};
      }
      ++found;
    }
    list->count = found;
    return found > room ? kInsufficientSize : kSuccess;
  });
}

}  // extern "C"
}  // namespace tranche::gpu::nvml
