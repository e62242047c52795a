#include "sim/node/node.h"

#include <algorithm>
#include <charconv>
#include <climits>
#include <cstdio>
#include <cstring>
#include <tuple>
#include <utility>

#include "sim/node/mig.h"
#include "sim/node/model.h"
#include "sim/node/processes.h"

namespace tranche::sim {
namespace {

using base::Code;
using base::Result;
using base::Status;

std::optional<unsigned> ParseIndex(std::string_view text) {
  unsigned number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// MIG devices of a GPU in the driver's order.
std::vector<DeviceRef> MigDevices(const GpuState& gpu, unsigned slot) {
  std::vector<DeviceRef> devices;
  for (unsigned i = 0; i < gpu.gpu_instance_count; ++i) {
    const GpuInstanceState& instance = gpu.gpu_instances[i];
    for (unsigned j = 0; j < instance.compute_instance_count; ++j) {
      devices.push_back({slot, instance.id, instance.compute_instances[j].id});
    }
  }
  return devices;
}

const ComputeInstanceState* FindCompute(const GpuState& gpu, const DeviceRef& device) {
  for (const GpuInstanceState& instance : gpu.gpu_instances) {
    for (unsigned j = 0; j < instance.compute_instance_count; ++j) {
      if (instance.id == device.gpu_instance &&
          instance.compute_instances[j].id == device.compute_instance) {
        return &instance.compute_instances[j];
      }
    }
  }
  return nullptr;
}

// The smallest number that no plugged GPU has for `value`.
template <typename Value>
unsigned Free(const NodeState& state, Value value) {
  for (unsigned number = 0;; ++number) {
    const auto* end = state.gpus + state.header.slot_count;
    if (std::none_of(state.gpus, end,
                     [&](const GpuState& gpu) { return gpu.present && value(gpu) == number; })) {
      return number;
    }
  }
}

// A place for one more GPU of a bare model: the first free of buses 0x40, 0x41, …
Status FindPlace(const NodeState& state, GpuState* gpu) {
  const unsigned bus = Free(state, [](const GpuState& other) {
    return other.pci_domain == 0 && other.pci_bus >= 0x40 ? other.pci_bus - 0x40 : UINT_MAX;
  });
  char place[32];
  std::snprintf(place, sizeof place, "0000:%02x:00.0", 0x40 + bus);
  const std::string seed =
      std::string("plugged/") + gpu->model + place + "/" + std::to_string(state.header.slot_count);
  gpu->pcie_switch = gpu->host_bridge = 1000 + state.header.slot_count;  // its own
  return PlaceGpu(place, DeriveUuid("GPU-", seed), gpu);
}

Status CheckDistinct(const NodeState& state, const GpuState& gpu) {
  for (unsigned slot = 0; slot < state.header.slot_count; ++slot) {
    const GpuState& other = state.gpus[slot];
    if (!other.present) continue;
    if (std::strcmp(other.uuid, gpu.uuid) == 0 || SysBusId(other) == SysBusId(gpu)) {
      return {Code::kAlreadyExists, std::string(gpu.uuid) + " is plugged in already"};
    }
  }
  return Status::Ok();
}

// The slot for one more GPU: one never used, so that an old handle does not come to mean a new GPU;
// when those are used up, one that is empty.
Result<unsigned> FreeSlot(const NodeState& state) {
  if (state.header.slot_count < kMaxGpus) return state.header.slot_count;
  for (unsigned slot = 0; slot < kMaxGpus; ++slot) {
    if (!state.gpus[slot].present) return slot;
  }
  return Status(Code::kResourceExhausted, "a node takes 32 GPUs");
}

// "MODEL" or "PROFILE/index".
Result<GpuState> LoadWhat(const SimHome& home, const std::string& what) {
  const auto slash = what.rfind('/');
  if (slash == std::string::npos) {
    Result<std::vector<GpuState>> models = LoadModels(home.profiles());
    if (!models.ok()) return models.status();
    const GpuState* model = FindModel(*models, what);
    if (model == nullptr) return Status(Code::kNotFound, "no such model: " + what);
    return *model;
  }
  Result<NodeProfile> profile = LoadProfile(home.profiles(), what.substr(0, slash));
  if (!profile.ok()) return profile.status();
  const auto index = ParseIndex(std::string_view(what).substr(slash + 1));
  if (!index || *index >= profile->gpus.size()) {
    return Status(Code::kNotFound, "the profile has no GPU " + what.substr(slash + 1));
  }
  return profile->gpus[*index];
}

void FillState(const NodeProfile& profile, NodeState* state) {
  NodeHeader& header = state->header;
  header.magic = kStateMagic;
  header.layout_version = kLayoutVersion;
  header.file_size = sizeof(NodeState);
  header.created_ns = MonotonicNs();
  header.driver_loaded = profile.driver_loaded ? 1 : 0;
  header.cuda_version = profile.cuda_version;
  header.only_device_nodes = profile.only_device_nodes ? 1 : 0;
  header.slot_count = static_cast<std::uint32_t>(profile.gpus.size());
  SetText(header.driver_version, profile.driver_version);
  SetText(header.profile, profile.name);
  std::copy(profile.gpus.begin(), profile.gpus.end(), state->gpus);
}

}  // namespace

Result<DeviceNodes> CreateNode(const SimHome& home, const NodeProfile& profile,
                               const std::string& root) {
  if (StatePath(root).ok()) return Status(Code::kAlreadyExists, root + " holds a node already");
  Result<DeviceNodes> nodes = WriteNodeFiles(home, profile, root);
  if (!nodes.ok()) return nodes;
  const auto state = std::make_unique<NodeState>();
  FillState(profile, state.get());
  const std::string_view bytes(reinterpret_cast<const char*>(state.get()), sizeof *state);
  TRANCHE_TRY(base::WriteFileAtomic(StatePathFor(root, profile.driver_version), bytes, 0644));
  return nodes;
}

Result<std::unique_ptr<Node>> Node::Open(const std::string& root) {
  Result<std::string> path = StatePath(root);
  if (!path.ok()) return path.status();
  Result<std::unique_ptr<StateWriter>> state = StateWriter::Open(*path);
  if (!state.ok()) return state.status();
  return std::unique_ptr<Node>(new Node(root, std::move(state).value()));
}

NodeSnapshot Node::Read() const {
  NodeSnapshot snapshot;
  if (const auto reader = StateReader::Open(StatePath(root_).ok() ? *StatePath(root_) : "")) {
    reader->Read(&snapshot);
  }
  return snapshot;
}

Status Node::EditGpu(unsigned slot, const std::function<Status(GpuState&)>& change) {
  return state_->Edit([&](NodeState& state) -> Status {
    if (slot >= state.header.slot_count || !state.gpus[slot].present) {
      return {Code::kNotFound, "no such GPU"};
    }
    return change(state.gpus[slot]);
  });
}

std::vector<unsigned> Node::Order(const NodeSnapshot& node) {
  std::vector<unsigned> slots;
  for (unsigned slot = 0; slot < node.gpus.size(); ++slot) {
    if (node.gpus[slot].present) slots.push_back(slot);
  }
  const auto place = [&](unsigned slot) {
    const GpuState& gpu = node.gpus[slot];
    return std::tuple(gpu.pci_domain, gpu.pci_bus, gpu.pci_device);
  };
  std::sort(slots.begin(), slots.end(),
            [&](unsigned a, unsigned b) { return place(a) < place(b); });
  return slots;
}

Result<DeviceRef> Node::Find(std::string_view device) const {
  const Status missing(Code::kNotFound, "no such device: " + std::string(device));
  const NodeSnapshot node = Read();
  const std::vector<unsigned> order = Order(node);
  const auto colon = device.find(':');
  if (const auto index = ParseIndex(device.substr(0, colon))) {
    if (*index >= order.size()) return missing;
    const unsigned slot = order[*index];
    if (colon == std::string_view::npos) return DeviceRef{.slot = slot};
    const auto mig = ParseIndex(device.substr(colon + 1));
    const std::vector<DeviceRef> devices = MigDevices(node.gpus[slot], slot);
    if (!mig || *mig >= devices.size()) return missing;
    return devices[*mig];
  }
  for (const unsigned slot : order) {
    const GpuState& gpu = node.gpus[slot];
    if (device == gpu.uuid) return DeviceRef{.slot = slot};
    for (const DeviceRef& mig : MigDevices(gpu, slot)) {
      if (device == FindCompute(gpu, mig)->uuid) return mig;
    }
  }
  return missing;
}

Result<std::string> Node::Plug(const SimHome& home, const std::string& what) {
  Result<GpuState> loaded = LoadWhat(home, what);
  if (!loaded.ok()) return loaded.status();
  GpuState& gpu = *loaded;
  TRANCHE_TRY(state_->Edit([&](NodeState& state) -> Status {
    Result<unsigned> slot = FreeSlot(state);
    if (!slot.ok()) return slot.status();
    Status placed = gpu.present ? Status::Ok() : FindPlace(state, &gpu);
    if (placed.ok()) placed = CheckDistinct(state, gpu);
    if (!placed.ok()) return placed;
    gpu.present = 1;
    gpu.minor = Free(state, [](const GpuState& other) { return other.minor; });
    gpu.module_id = *slot + 1;
    // The device node first: the driver makes it before it lists the GPU.
    if (Status files = WriteGpuFiles(gpu, root_); !files.ok()) return files;
    state.gpus[*slot] = gpu;
    state.header.slot_count = std::max(state.header.slot_count, *slot + 1);
    return Status::Ok();
  }));
  TRANCHE_TRY(WriteMig());
  return std::string(gpu.uuid);
}

Status Node::Unplug(unsigned slot) {
  TRANCHE_TRY(EditGpu(slot, [&](GpuState& gpu) {
    gpu.present = 0;
    return RemoveGpuFiles(gpu, root_);
  }));
  return WriteMig();
}

Status Node::SetMig(unsigned slot, std::string_view layout) {
  TRANCHE_TRY(EditGpu(slot, [&](GpuState& gpu) -> Status {
    if (gpu.process_count > 0) {
      return {Code::kFailedPrecondition, "the GPU is in use by processes"};
    }
    return ApplyMigLayout(layout, &gpu);
  }));
  return WriteMig();
}

Status Node::WriteMig() { return WriteMigFiles(Read().gpus, root_); }

Status Node::SetReadings(unsigned slot, const Readings& readings) {
  return EditGpu(slot, [&](GpuState& gpu) -> Status {
    if (readings.utilization_percent.value_or(0) > 100 ||
        readings.memory_utilization_percent.value_or(0) > 100) {
      return {Code::kInvalidArgument, "a utilisation is 0 to 100"};
    }
    if (readings.memory_used_bytes.value_or(0) > gpu.memory_total - gpu.memory_reserved) {
      return {Code::kInvalidArgument, "more memory than the GPU has"};
    }
    const auto set = [](const auto& from, auto* to) {
      if (from) *to = *from;
    };
    set(readings.utilization_percent, &gpu.gpu_percent);
    set(readings.memory_utilization_percent, &gpu.memory_percent);
    set(readings.memory_used_bytes, &gpu.memory_used);
    set(readings.temperature_celsius, &gpu.temperature);
    set(readings.power_milliwatts, &gpu.power_milliwatts);
    return Status::Ok();
  });
}

Status Node::AddProcess(const DeviceRef& device, ProcessState process) {
  process.gpu_instance = device.gpu_instance;
  process.compute_instance = device.compute_instance;
  return EditGpu(device.slot, [&](GpuState& gpu) -> Status {
    if (gpu.mig_enabled && device.gpu_instance == kWholeGpu) {
      return {Code::kFailedPrecondition, "this GPU is cut by MIG: name one of its devices"};
    }
    if (PutProcess(gpu, process, RealtimeUs())) return Status::Ok();
    return {Code::kResourceExhausted, "a GPU takes 128 processes"};
  });
}

Status Node::RemoveProcess(unsigned slot, std::uint32_t pid) {
  return state_->Edit([&](NodeState& state) -> Status {
    if (EndProcess(state, slot, pid, RealtimeUs())) return Status::Ok();
    return {Code::kNotFound, "no such process on this GPU"};
  });
}

Status Node::ShowOnlyDeviceNodes(bool only) {
  return state_->Edit([&](NodeState& state) {
    state.header.only_device_nodes = only ? 1 : 0;
    return Status::Ok();
  });
}

}  // namespace tranche::sim
