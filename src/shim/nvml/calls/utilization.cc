// How busy processes keep a device: the driver's figures of the pod's own programs. How busy the
// device is as a whole is passed by.
#include "shim/nvml/filter.h"
#include "shim/nvml/real.h"
#include "shim/nvml/view.h"

namespace tranche::shim::nvml {
namespace {

// As the driver: no samples are kNotFound.
template <typename Sample, typename Real>
Return ListSamples(Device device, unsigned* count, Sample* samples, Real real) {
  View view;
  if (count == nullptr || !FindWalls(device, &view)) return real(count, samples);
  WholeList<Sample> list;
  Return result = kSuccess;
  if (!list.Fetched(real, &result)) return real(count, samples);
  if (result != kSuccess) return result;
  if (list.KeepOwn(view.pages) == 0) {
    *count = 0;
    return kNotFound;
  }
  return list.CopyTo(count, samples);
}

}  // namespace

// NOLINTBEGIN(readability-identifier-naming): the names are NVIDIA's.
extern "C" {

Return nvmlDeviceGetProcessUtilization(Device device, ProcessUtilizationSample* samples,
                                       unsigned* count, unsigned long long last_seen) {
  const auto real = [&](unsigned* room, ProcessUtilizationSample* entries) {
    return TRANCHE_NVML_REAL(nvmlDeviceGetProcessUtilization, device, entries, room, last_seen);
  };
  return ListSamples(device, count, samples, real);
}

Return nvmlDeviceGetProcessesUtilizationInfo(Device device, ProcessesUtilizationInfo* info) {
  if (info == nullptr || info->version != StructVersion<ProcessesUtilizationInfo>(1)) {
    return TRANCHE_NVML_REAL(nvmlDeviceGetProcessesUtilizationInfo, device, info);
  }
  const auto real = [&](unsigned* room, ProcessUtilizationInfo* entries) {
    ProcessesUtilizationInfo copy = *info;
    copy.count = *room;
    copy.samples = entries;
    const Return result = TRANCHE_NVML_REAL(nvmlDeviceGetProcessesUtilizationInfo, device, &copy);
    *room = copy.count;
    return result;
  };
  return ListSamples(device, &info->count, info->samples, real);
}

}  // extern "C"
// NOLINTEND(readability-identifier-naming)

}  // namespace tranche::shim::nvml
