// Memory errors that were corrected, and those that were not.
#include "sim/nvml/ecc.h"

#include <unistd.h>

#include "sim/node/state_change.h"

namespace tranche::sim::nvml {
namespace {

using abi::EccCounterType;
using abi::EccErrorType;

std::uint64_t CountIn(const EccCount& count, EccCounterType counter) {
  return counter == abi::kEccVolatile ? count.since_load : count.ever;
}

std::uint64_t Total(const GpuState& gpu, EccErrorType type, EccCounterType counter) {
  return CountIn(gpu.ecc_errors.dram[type], counter) + CountIn(gpu.ecc_errors.sram[type], counter);
}

// body(gpu) for a GPU with ECC and a type and a counter that there are.
template <typename Out, typename Body>
Return EccCall(const char* name, abi::Device device, EccErrorType type, EccCounterType counter,
               Out* out, Body body) {
  return GpuCall(name, device, [&](const GpuState& gpu) {
    if (out == nullptr || type > abi::kEccUncorrected || counter > abi::kEccAggregate) {
      return abi::kInvalidArgument;
    }
    return gpu.ecc == 0 ? abi::kNotSupported : body(gpu);
  });
}

}  // namespace

std::optional<unsigned long long> EccField(const GpuState& gpu, unsigned field_id) {
  const EccState& ecc = gpu.ecc_errors;
  switch (field_id) {
    case abi::kFieldEccCorrectedVolatile:
      return Total(gpu, abi::kEccCorrected, abi::kEccVolatile);
    case abi::kFieldEccUncorrectedVolatile:
      return Total(gpu, abi::kEccUncorrected, abi::kEccVolatile);
    case abi::kFieldEccCorrectedAggregate:
      return Total(gpu, abi::kEccCorrected, abi::kEccAggregate);
    case abi::kFieldEccUncorrectedAggregate:
      return Total(gpu, abi::kEccUncorrected, abi::kEccAggregate);
    case abi::kFieldRemappedCorrectable:
      return ecc.remapped_rows[abi::kEccCorrected];
    case abi::kFieldRemappedUncorrectable:
      return ecc.remapped_rows[abi::kEccUncorrected];
    case abi::kFieldRemappedPending:
      return ecc.remap_pending;
    case abi::kFieldRemappedFailure:
      return ecc.remap_failed;
    default:
      return std::nullopt;
  }
}

}  // namespace tranche::sim::nvml

namespace tranche::gpu::nvml {

using sim::EccCount;
using sim::GpuState;
using sim::NodeState;
using sim::nvml::CountIn;
using sim::nvml::EccCall;
using sim::nvml::GpuCall;
using sim::nvml::Library;
using sim::nvml::Total;

extern "C" {

Return nvmlDeviceGetEccMode(Device device, EnableState* current, EnableState* pending) {
  return GpuCall(__func__, device, [&](const GpuState& gpu) {
    if (current == nullptr || pending == nullptr) return kInvalidArgument;
    if (gpu.ecc == 0) return kNotSupported;
    *current = *pending = kEnabled;
    return kSuccess;
  });
}

Return nvmlDeviceGetTotalEccErrors(Device device, EccErrorType type, EccCounterType counter,
                                   unsigned long long* count) {
  return EccCall(__func__, device, type, counter, count, [&](const GpuState& gpu) {
    *count = Total(gpu, type, counter);
    return kSuccess;
  });
}

Return nvmlDeviceGetDetailedEccErrors(Device device, EccErrorType type, EccCounterType counter,
                                      EccErrorCounts* counts) {
  return EccCall(__func__, device, type, counter, counts, [&](const GpuState& gpu) {
    *counts = {};
    counts->device_memory = CountIn(gpu.ecc_errors.dram[type], counter);
    return kSuccess;
  });
}

Return nvmlDeviceGetMemoryErrorCounter(Device device, EccErrorType type, EccCounterType counter,
                                       MemoryLocation location, unsigned long long* count) {
  return EccCall(__func__, device, type, counter, count, [&](const GpuState& gpu) {
    if (location >= kLocationCount) return kInvalidArgument;
    if (location != kLocationDram && location != kLocationSram) return kNotSupported;
    const EccCount* counts = location == kLocationDram ? gpu.ecc_errors.dram : gpu.ecc_errors.sram;
    *count = CountIn(counts[type], counter);
    return kSuccess;
  });
}

Return nvmlDeviceClearEccErrorCounts(Device device, EccCounterType counter) {
  return GpuCall(__func__, device, [&](const GpuState& gpu) {
    if (counter > kEccAggregate) return kInvalidArgument;
    if (gpu.ecc == 0) return kNotSupported;
    return Library::Get().ChangeGpu(device->slot, [&](NodeState&, GpuState& own) {
      for (EccCount* counts : {own.ecc_errors.dram, own.ecc_errors.sram}) {
        for (const unsigned type : {kEccCorrected, kEccUncorrected}) {
          (counter == kEccVolatile ? counts[type].since_load : counts[type].ever) = 0;
        }
      }
    });
  });
}

Return nvmlDeviceGetRetiredPagesPendingStatus(Device device, EnableState* pending) {
  return GpuCall(__func__, device, [&](const GpuState& gpu) {
    if (pending == nullptr) return kInvalidArgument;
    // Since Ampere rows are remapped instead.
    if (gpu.ecc == 0 || gpu.architecture >= kArchAmpere) return kNotSupported;
    *pending = gpu.ecc_errors.remap_pending != 0 ? kEnabled : kDisabled;
    return kSuccess;
  });
}

Return nvmlDeviceGetRemappedRows(Device device, unsigned* correctable, unsigned* uncorrectable,
                                 unsigned* pending, unsigned* failed) {
  return GpuCall(__func__, device, [&](const GpuState& gpu) {
    if (correctable == nullptr || uncorrectable == nullptr || pending == nullptr ||
        failed == nullptr) {
      return kInvalidArgument;
    }
    if (gpu.ecc == 0 || gpu.architecture < kArchAmpere || gpu.mig_enabled != 0) {
      return kNotSupported;
    }
    *correctable = gpu.ecc_errors.remapped_rows[kEccCorrected];
    *uncorrectable = gpu.ecc_errors.remapped_rows[kEccUncorrected];
    *pending = gpu.ecc_errors.remap_pending;
    *failed = gpu.ecc_errors.remap_failed;
    return kSuccess;
  });
}

}  // extern "C"
}  // namespace tranche::gpu::nvml
