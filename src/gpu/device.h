// The facts about the GPUs and MIG devices of this node, as read once from the driver.
//
// A device is identified by its UUID; its index is its place in the driver's list and may change
// when devices come and go. Memory is in bytes.
//
// Threading: plain values.
// Errors: none; a GPU that could not be read is a BrokenGpu with the driver's error, and what could
// not be read about a GPU is an Unread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tranche::gpu {

// One MIG device (a compute instance inside a GPU instance).
struct MigDevice {
  std::string uuid;                      // "MIG-…"
  int index = 0;                         // j of "i:j"
  std::optional<unsigned> gpu_instance;  // absent where the driver does not tell it
  std::optional<unsigned> compute_instance;
  std::string profile;          // "1g.10gb", "1c.2g.20gb", "1g.10gb+me"
  unsigned gpu_slices = 0;      // G
  unsigned compute_slices = 0;  // C; C < G has its own profile text
  std::uint64_t memory_bytes = 0;
  unsigned multiprocessors = 0;
  unsigned copy_engines = 0;  // these and the following may be shared between instances
  unsigned decoders = 0;
  unsigned encoders = 0;
  unsigned jpegs = 0;
  unsigned ofas = 0;                      // optical flow accelerators
  std::vector<std::string> device_paths;  // /dev/nvidia<minor>, the two /dev/nvidia-caps nodes
  friend bool operator==(const MigDevice&, const MigDevice&) = default;
};

// The NVLink fabric of several nodes that a GPU has joined.
struct Fabric {
  std::string cluster;  // a UUID, never the one of zeros
  unsigned clique = 0;
  friend bool operator==(const Fabric&, const Fabric&) = default;
};

struct Gpu {
  std::string uuid;  // "GPU-…"
  unsigned index = 0;
  unsigned minor = 0;      // /dev/nvidia<minor>
  std::string name;        // "NVIDIA A100-SXM4-80GB"
  std::string pci_bus_id;  // "0000:07:00.0": lower case, four-digit domain, as under /sys
  std::uint64_t memory_bytes = 0;
  int compute_major = 0;
  int compute_minor = 0;
  std::optional<int> numa_node;       // absent where /sys has none or a negative one
  std::optional<unsigned> pci_class;  // 0x030000 VGA, 0x030200 3D; absent where /sys has none
  std::optional<Fabric> fabric;       // once joined
  bool mig_capable = false;
  bool mig_enabled = false;
  std::vector<MigDevice> mig_devices;
  std::vector<std::string> device_paths;  // /dev/nvidia<minor>
  friend bool operator==(const Gpu&, const Gpu&) = default;
};

// A GPU or MIG device that the driver lists but fails to describe. It is not advertised; the rest
// of the node is.
struct BrokenGpu {
  unsigned index = 0;
  std::optional<int> mig;  // j of "i:j" where it is a MIG device
  std::string uuid;        // "" where even that failed
  std::string error;
  // A call has failed, which says nothing about the device itself, and may pass. Otherwise the
  // driver has said that it is lost, or has told nonsense.
  bool call_failed = false;
  friend bool operator==(const BrokenGpu&, const BrokenGpu&) = default;
};

// What a GPU can do without: not to know it costs a label or a detail.
enum class Detail {
  kDriverVersion,
  kCudaVersion,
  kName,
  kPci,
  kMemory,
  kCompute,
  kFabric,
  kMig,            // whether it is cut, and into what
  kMigCount,       // how many MIG devices there may be
  kMigInstance,    // the ids of a MIG device's instances, and with them its device nodes
  kMigAttributes,  // the sizes of a MIG device
};

// A detail that the driver failed to tell.
struct Unread {
  Detail detail = Detail::kName;
  std::string uuid;   // of the GPU or MIG device; "" for the driver's own
  std::string error;  // the call, what it costs, and what can be done
  friend bool operator==(const Unread&, const Unread&) = default;
};

struct Inventory {
  std::string driver_version;  // "570.172.08"
  int cuda_major = 0;          // of the driver's CUDA version
  int cuda_minor = 0;
  std::vector<Gpu> gpus;  // by index; each UUID once
  std::vector<BrokenGpu> broken;
  std::vector<Unread> unread;
  friend bool operator==(const Inventory&, const Inventory&) = default;
};

// How well two GPUs of a node are connected, upstream's pair score: PCIe class 10…60 plus 100 per
// NVLink (docs: go-gpuallocator's besteffort policy). Symmetric; row and column follow
// Inventory::gpus by UUID.
struct Topology {
  std::vector<std::string> uuids;
  std::vector<std::vector<int>> pair_score;
};

// Something the driver reported about a device.
struct HealthEvent {
  enum class Kind { kXid, kWaitFailed, kWaitWorks };  // the last: again, after it had failed
  Kind kind = Kind::kXid;
  std::uint64_t xid = 0;
  std::string uuid;  // parent GPU; "" when the driver could not say (all devices are suspect)
  std::optional<unsigned> gpu_instance;      // MIG
  std::optional<unsigned> compute_instance;  // MIG
  std::string error;                         // kWaitFailed
  friend bool operator==(const HealthEvent&, const HealthEvent&) = default;
};

}  // namespace tranche::gpu
