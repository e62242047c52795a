// What processes have used over their lives, where the driver keeps account: of the pod's own that
// run. Whose those are that have ended, nobody can tell any more, and they are left out.
#include "shim/nvml/filter.h"
#include "shim/nvml/real.h"
#include "shim/nvml/view.h"

namespace tranche::shim::nvml {

// NOLINTBEGIN(readability-identifier-naming): the names are NVIDIA's.
extern "C" {

Return nvmlDeviceGetAccountingPids(Device device, unsigned* count, unsigned* pids) {
  const auto real = [device](unsigned* room, unsigned* entries) {
    return TRANCHE_NVML_REAL(nvmlDeviceGetAccountingPids, device, room, entries);
  };
  View view;
  if (count == nullptr || !FindWalls(device, &view)) return real(count, pids);
  WholeList<unsigned> list;
  Return result = kSuccess;
  if (!list.Fetched(real, &result)) return real(count, pids);
  if (result != kSuccess) return result;
  list.KeepOwn(view.pages);
  return list.CopyTo(count, pids);
}

Return nvmlDeviceGetAccountingStats(Device device, unsigned pid, AccountingStats* stats) {
  View view;
  if (stats == nullptr || !FindWalls(device, &view)) {
    return TRANCHE_NVML_REAL(nvmlDeviceGetAccountingStats, device, pid, stats);
  }
  AccountingStats found = {};
  unsigned node_pid = pid;
  const bool own = FindOnNode(view.pages, pid, &node_pid);
  Return result = TRANCHE_NVML_REAL(nvmlDeviceGetAccountingStats, device, node_pid, &found);
  // A driver that names processes as the pod does.
  if (own && result == kNotFound && node_pid != pid) {
    result = TRANCHE_NVML_REAL(nvmlDeviceGetAccountingStats, device, pid, &found);
  }
  if (result != kSuccess) return result;
  if (!own) return kNotFound;
  *stats = found;
  return kSuccess;
}

}  // extern "C"
// NOLINTEND(readability-identifier-naming)

}  // namespace tranche::shim::nvml
