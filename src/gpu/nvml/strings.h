// Parses the texts of NVML and /proc into values, and names NVML's results.
//
// Threading: plain functions, safe on any thread.
// Errors: an empty optional for text that is not understood. All input is treated as hostile: it is
// bounded, and neither a terminator nor a character set is assumed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>

#include "base/status.h"
#include "gpu/nvml/abi.h"

namespace tranche::gpu::nvml {

// What a call left in a buffer of `size` bytes: up to its NUL, or all of it.
std::string_view BufferText(const char* buffer, std::size_t size);

// The name of a product without what is no printable ASCII: a driver's other bytes would break
// lines of the log and make no JSON, and labels do not have them either.
std::string ParseProductName(std::string_view text);

// "GPU-…", "MIG-…", also "MIG-GPU-…/1/0" of drivers before 470. Letters, digits, '-', '/', '.' and
// '_' only: it becomes part of ids ("::k"), of comma-separated lists and of paths.
std::optional<std::string> ParseUuid(std::string_view text);

// "00000000:07:00.0" or "0000:07:00.0" to "0000:07:00.0", the name under /sys/bus/pci/devices.
std::optional<std::string> ParseBusId(std::string_view text);

// The display-only GPU of a DGX Station, which takes no compute work; upstream skips it as well.
bool IsDisplayGpu(std::string_view name);

// "[<C>c.]<G>g.<MEM>gb[+attribute|-attribute]", e.g. "1g.10gb+me".
struct MigProfile {
  unsigned compute_slices = 0;
  unsigned gpu_slices = 0;
  unsigned memory_gb = 0;
  std::string attribute;  // with its sign: "+me", "-me", "+me.all", "+gfx"
  friend bool operator==(const MigProfile&, const MigProfile&) = default;
};
std::optional<MigProfile> ParseMigProfile(std::string_view text);
std::string FormatMigProfile(const MigProfile& profile);

// The profile at the end of a MIG device's name, "NVIDIA A100-SXM4-80GB MIG 1g.10gb".
std::optional<MigProfile> ProfileInName(std::string_view name);

// The memory figure of a profile: the instance's part of the GPU, rounded up to eighths, of the
// GPU's size in GiB rounded up (what nvidia-smi and upstream print). 0 where the numbers make no
// sense.
unsigned MigMemoryGb(std::uint64_t device_bytes, std::uint64_t instance_mib);

// /proc/driver/nvidia-caps/mig-minors: lines "gpu0/gi1/access 12", "gpu0/gi1/ci0/access 13"
// (NVIDIA's "MIG User Guide", Device Nodes and Capabilities). Lines that are something else are
// skipped.
struct MigMinors {
  // (GPU minor, GPU instance) and (GPU minor, GPU instance, compute instance)
  std::map<std::tuple<unsigned, unsigned>, unsigned> gpu_instances;
  std::map<std::tuple<unsigned, unsigned, unsigned>, unsigned> compute_instances;
};
MigMinors ParseMigMinors(std::string_view text);

// A NUMA node as /sys writes it; nothing for a negative one or for something that is no number.
std::optional<int> ParseNumaNode(std::string_view text);

// A PCI class as /sys writes it, "0x030200".
std::optional<unsigned> ParsePciClass(std::string_view text);

// 16 bytes as a UUID is written; nothing where all are zero.
std::optional<std::string> FabricUuid(const unsigned char* bytes);

// NVML's own words for a result, as its reference guide has them.
std::string_view ReturnText(Return result);
// OK for kSuccess; kDataLoss where the GPU is lost, kUnimplemented where something is not
// supported.
base::Status ReturnStatus(Return result, std::string_view call);

}  // namespace tranche::gpu::nvml
