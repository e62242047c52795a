// Node is a simulated node, with all that can happen to it.
//
// It changes the shared state that the node's libraries show to every process. Any number of
// objects and processes may work on one node.
//
// Threading: one object belongs to one thread.
// Errors: a change that does not make sense (no such GPU, a layout that does not fit) is
// kInvalidArgument, kNotFound or kFailedPrecondition, and leaves the node as it was.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "sim/node/files.h"
#include "sim/node/home.h"
#include "sim/node/profile.h"
#include "sim/node/state.h"
#include "sim/node/state_reader.h"
#include "sim/node/state_writer.h"

namespace tranche::sim {

// Makes a driver root of `profile` in `root`. kAlreadyExists where there is a node in it.
base::Result<DeviceNodes> CreateNode(const SimHome& home, const NodeProfile& profile,
                                     const std::string& root);

// A GPU (slot), or a MIG device of it.
struct DeviceRef {
  unsigned slot = 0;
  std::uint32_t gpu_instance = kWholeGpu;
  std::uint32_t compute_instance = kWholeGpu;
};

struct Readings {
  std::optional<unsigned> utilization_percent;
  std::optional<unsigned> memory_utilization_percent;
  std::optional<std::uint64_t> memory_used_bytes;  // beside the processes
  std::optional<unsigned> temperature_celsius;
  std::optional<unsigned> power_milliwatts;
};

// Added to what there is of them.
struct MemoryErrors {
  unsigned corrected = 0;
  unsigned uncorrected = 0;
  bool sram = false;                // these were in on-chip memory, not in DRAM
  unsigned remapped_corrected = 0;  // rows, because of corrected errors
  unsigned remapped_uncorrected = 0;
  bool remap_pending = false;
  bool remap_failed = false;
};

struct Fault {
  std::string call;  // as sim/node/trouble.h says
  bool hang = false;
  std::uint32_t code = 999;           // NVML_ERROR_UNKNOWN, and CUDA_ERROR_UNKNOWN
  unsigned count = 0;                 // the next calls of each process; 0: all
  std::optional<unsigned> slot;       // only for this GPU
  std::chrono::nanoseconds lasts{0};  // 0: until healed
};

class Node {
 public:
  static base::Result<std::unique_ptr<Node>> Open(const std::string& root);
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  [[nodiscard]] const std::string& root() const { return root_; }
  [[nodiscard]] NodeSnapshot Read() const;

  // Slots of the GPUs that are plugged in, in the driver's order (by bus id).
  static std::vector<unsigned> Order(const NodeSnapshot& node);
  // "1", "GPU-…", "1:0", "MIG-…".
  [[nodiscard]] base::Result<DeviceRef> Find(std::string_view device) const;

  // `pid`: of the process whose fault it is; 0: of none. kNotFound where it is not on the GPU.
  base::Status RaiseXid(const DeviceRef& device, std::uint64_t xid, std::uint32_t pid = 0);
  base::Status AddMemoryErrors(unsigned slot, const MemoryErrors& errors);
  base::Status ForgetMemoryErrors(unsigned slot);
  base::Status Lose(unsigned slot);  // XID 79, and every call about it fails from now on
  base::Status Return(unsigned slot);
  // `what`: a model, or "PROFILE/index" for a GPU of a profile with its place and UUID. Gives the
  // UUID. A process sees it at its next nvmlInit.
  base::Result<std::string> Plug(const SimHome& home, const std::string& what);
  base::Status Unplug(unsigned slot);
  base::Status SetMig(unsigned slot, std::string_view layout);
  base::Status SetReadings(unsigned slot, const Readings& readings);
  base::Status AddProcess(const DeviceRef& device, ProcessState process);  // same pid: replaced
  base::Status RemoveProcess(unsigned slot, std::uint32_t pid);
  base::Status Break(const Fault& fault);
  base::Status Heal(std::string_view call);  // "": everything, duplicates included
  base::Status Duplicate(unsigned slot);     // NVML lists it once more
  base::Status ShowOnlyDeviceNodes(bool only);

 private:
  Node(std::string root, std::unique_ptr<StateWriter> state)
      : root_(std::move(root)), state_(std::move(state)) {}
  base::Status EditGpu(unsigned slot, const std::function<base::Status(GpuState&)>& change);
  base::Status WriteMig();

  std::string root_;
  std::unique_ptr<StateWriter> state_;
};

}  // namespace tranche::sim
