// Who runs on a device: the pod's own programs. Those that compute are told from the pod's pages,
// which know their pids inside the pod, whatever the driver lets a container see. Of those that
// draw, or share a context by MPS, the driver's list is reduced to them.
#include "shim/nvml/filter.h"
#include "shim/nvml/real.h"
#include "shim/nvml/view.h"

namespace tranche::shim::nvml {
namespace {

void Fill(const WalledDevice& /*device*/, unsigned pid, std::uint64_t bytes, ProcessInfoV1* info) {
  *info = {.pid = pid, .used_gpu_memory = bytes};
}
void Fill(const WalledDevice& device, unsigned pid, std::uint64_t bytes, ProcessInfo* info) {
  *info = {.pid = pid,
           .used_gpu_memory = bytes,
           .gpu_instance_id = device.gpu_instance,
           .compute_instance_id = device.compute_instance};
}
void Fill(const WalledDevice& device, unsigned pid, std::uint64_t bytes, ProcessDetail* info) {
  *info = {.pid = pid,
           .used_gpu_memory = bytes,
           .gpu_instance_id = device.gpu_instance,
           .compute_instance_id = device.compute_instance,
           .used_gpu_cc_protected_memory = 0};
}

// Those that hold something, as many as there is room for; how many there are.
template <typename Info>
unsigned ListHolders(const View& view, unsigned room, Info* infos) {
  unsigned found = 0;
  const unsigned slots = SlotsUsed(view.pages);
  for (unsigned i = 0; i < view.count; ++i) {
    for (unsigned slot = 0; slot < slots; ++slot) {
      const wire::Slot& program = view.pages.counters->slots[slot];
      const std::uint64_t bytes = BytesOf(program, view.devices[i].wall);
      unsigned pid = 0;
      if (bytes == 0 || !IsHere(program, &pid)) continue;
      if (found < room) Fill(view.devices[i], pid, bytes, &infos[found]);
      ++found;
    }
  }
  return found;
}

bool Listed(Return result) { return result == kSuccess || result == kInsufficientSize; }

// `real` lists with entries of this type. It is asked for its own list's length alone, for what it
// says of the device and of the arguments.
template <typename Info, typename Real>
Return ListCompute(Device device, unsigned* count, Info* infos, Real real) {
  View view;
  if (count == nullptr || !FindWalls(device, &view)) return real(device, count, infos);
  unsigned length = infos == nullptr ? *count : 0;
  const Return result = real(device, &length, static_cast<Info*>(nullptr));
  if (!Listed(result)) return result;
  const unsigned room = infos == nullptr ? 0 : *count;
  *count = ListHolders(view, room, infos);
  return *count > room ? kInsufficientSize : kSuccess;
}

template <typename Info, typename Real>
Return ListOthers(Device device, unsigned* count, Info* infos, Real real) {
  View view;
  if (count == nullptr || !FindWalls(device, &view)) return real(device, count, infos);
  WholeList<Info> list;
  Return result = kSuccess;
  const auto ask = [&](unsigned* room, Info* entries) { return real(device, room, entries); };
  if (!list.Fetched(ask, &result)) return real(device, count, infos);
  if (result != kSuccess) return result;
  list.KeepOwn(view.pages);
  return list.CopyTo(count, infos);
}

// Drivers that were the first of CUDA 12.2 have a longer entry under the name of _v3. They can be
// told as clients tell them: by what they have and have not.
bool LongEntries() {
  return RealAddress(Function::nvmlDeviceGetConfComputeMemSizeInfo) != nullptr &&
         RealAddress(Function::nvmlDeviceGetRunningProcessDetailList) == nullptr;
}

template <typename Info>
auto RealList(Function function) {
  return [function](Device device, unsigned* count, Info* infos) {
    void* real = RealAddress(function);
    if (real == nullptr) return kFunctionNotFound;
    return reinterpret_cast<Return (*)(Device, unsigned*, Info*)>(real)(device, count, infos);
  };
}

Return ListComputeV3(Function function, Device device, unsigned* count, ProcessInfo* infos) {
  if (!LongEntries()) return ListCompute(device, count, infos, RealList<ProcessInfo>(function));
  auto* longer = reinterpret_cast<ProcessDetail*>(infos);
  return ListCompute(device, count, longer, RealList<ProcessDetail>(function));
}

Return ListOthersV3(Function function, Device device, unsigned* count, ProcessInfo* infos) {
  if (!LongEntries()) return ListOthers(device, count, infos, RealList<ProcessInfo>(function));
  auto* longer = reinterpret_cast<ProcessDetail*>(infos);
  return ListOthers(device, count, longer, RealList<ProcessDetail>(function));
}

constexpr unsigned kModeCompute = 0;  // of ProcessDetailList
constexpr unsigned kModeAll = 3;

}  // namespace

// NOLINTBEGIN(readability-identifier-naming): the names are NVIDIA's.
extern "C" {

Return nvmlDeviceGetComputeRunningProcesses(Device device, unsigned* count, ProcessInfoV1* infos) {
  return ListCompute(device, count, infos,
                     RealList<ProcessInfoV1>(Function::nvmlDeviceGetComputeRunningProcesses));
}
Return nvmlDeviceGetComputeRunningProcesses_v2(Device device, unsigned* count, ProcessInfo* infos) {
  return ListCompute(device, count, infos,
                     RealList<ProcessInfo>(Function::nvmlDeviceGetComputeRunningProcesses_v2));
}
Return nvmlDeviceGetComputeRunningProcesses_v3(Device device, unsigned* count, ProcessInfo* infos) {
  return ListComputeV3(Function::nvmlDeviceGetComputeRunningProcesses_v3, device, count, infos);
}

Return nvmlDeviceGetGraphicsRunningProcesses(Device device, unsigned* count, ProcessInfoV1* infos) {
  return ListOthers(device, count, infos,
                    RealList<ProcessInfoV1>(Function::nvmlDeviceGetGraphicsRunningProcesses));
}
Return nvmlDeviceGetGraphicsRunningProcesses_v2(Device device, unsigned* count,
                                                ProcessInfo* infos) {
  return ListOthers(device, count, infos,
                    RealList<ProcessInfo>(Function::nvmlDeviceGetGraphicsRunningProcesses_v2));
}
Return nvmlDeviceGetGraphicsRunningProcesses_v3(Device device, unsigned* count,
                                                ProcessInfo* infos) {
  return ListOthersV3(Function::nvmlDeviceGetGraphicsRunningProcesses_v3, device, count, infos);
}

Return nvmlDeviceGetMPSComputeRunningProcesses(Device device, unsigned* count,
                                               ProcessInfoV1* infos) {
  return ListOthers(device, count, infos,
                    RealList<ProcessInfoV1>(Function::nvmlDeviceGetMPSComputeRunningProcesses));
}
Return nvmlDeviceGetMPSComputeRunningProcesses_v2(Device device, unsigned* count,
                                                  ProcessInfo* infos) {
  return ListOthers(device, count, infos,
                    RealList<ProcessInfo>(Function::nvmlDeviceGetMPSComputeRunningProcesses_v2));
}
Return nvmlDeviceGetMPSComputeRunningProcesses_v3(Device device, unsigned* count,
                                                  ProcessInfo* infos) {
  return ListOthersV3(Function::nvmlDeviceGetMPSComputeRunningProcesses_v3, device, count, infos);
}

Return nvmlDeviceGetRunningProcessDetailList(Device device, ProcessDetailList* list) {
  if (list == nullptr || list->version != StructVersion<ProcessDetailList>(1)) {
    return TRANCHE_NVML_REAL(nvmlDeviceGetRunningProcessDetailList, device, list);
  }
  const auto real = [list](Device asked, unsigned* count, ProcessDetail* processes) {
    ProcessDetailList copy = {
        .version = list->version, .mode = list->mode, .count = *count, .processes = processes};
    const Return result = TRANCHE_NVML_REAL(nvmlDeviceGetRunningProcessDetailList, asked, &copy);
    *count = copy.count;
    return result;
  };
  if (list->mode == kModeCompute || list->mode == kModeAll) {
    return ListCompute(device, &list->count, list->processes, real);
  }
  return ListOthers(device, &list->count, list->processes, real);
}

}  // extern "C"
// NOLINTEND(readability-identifier-naming)

}  // namespace tranche::shim::nvml
