#include "gpu/nvml/inventory.h"

#include <algorithm>
#include <utility>

#include "base/file.h"
#include "base/log.h"

namespace tranche::gpu::nvml {
namespace {

using base::Code;
using base::Result;
using base::Status;

// Counts come from the library and size loops: none is believed beyond these.
constexpr unsigned kMostGpus = 1024;
constexpr unsigned kMostMigDevices = 64;  // per GPU; seven instances of seven at most today

constexpr std::size_t kMostMinorsBytes = 4U << 20U;

bool Unsupported(Return result) {
  return result == nvml::kNotSupported || result == nvml::kFunctionNotFound;
}

std::string NodePath(unsigned minor) { return "/dev/nvidia" + std::to_string(minor); }
std::string CapPath(unsigned minor) {
  return "/dev/nvidia-caps/nvidia-cap" + std::to_string(minor);
}

template <class Info>
std::optional<Fabric> FabricOf(const Info& info) {
  if (info.state != kFabricCompleted || info.status != nvml::kSuccess) return std::nullopt;
  const auto cluster = FabricUuid(info.cluster_uuid);
  if (!cluster) return std::nullopt;
  return Fabric{.cluster = *cluster, .clique = info.clique_id};
}

}  // namespace

Result<Inventory> NvmlInventory::Read() {
  unsigned count = 0;
  const Return result = CallNewest(table_.nvmlDeviceGetCount_v2, table_.nvmlDeviceGetCount, &count);
  if (result != nvml::kSuccess) return ReturnStatus(result, "nvmlDeviceGetCount");
  ReadVersions();
  out_.driver_version = session_.driver_version;
  out_.cuda_major = session_.cuda_major;
  out_.cuda_minor = session_.cuda_minor;
  for (unsigned index = 0; index < std::min(count, kMostGpus); ++index) ReadGpu(index);
  return std::move(out_);
}

void NvmlInventory::ReadVersions() {
  if (std::exchange(session_.versions_known, true)) return;
  char version[kVersionBufferSize] = {};
  if (Call(table_.nvmlSystemGetDriverVersion, version, kVersionBufferSize) == nvml::kSuccess) {
    // It becomes part of file names (libcuda.so.<version>): digits and dots or nothing.
    const std::string_view text = BufferText(version, sizeof version);
    if (text.find_first_not_of("0123456789.") == std::string_view::npos) {
      session_.driver_version = text;
    }
  }
  int cuda = 0;
  const Return result = CallNewest(table_.nvmlSystemGetCudaDriverVersion_v2,
                                   table_.nvmlSystemGetCudaDriverVersion, &cuda);
  if (result != nvml::kSuccess || cuda < 0) return;
  // NVML_CUDA_DRIVER_VERSION_MAJOR and _MINOR: 12080 is 12.8
  session_.cuda_major = cuda / 1000;
  session_.cuda_minor = cuda % 1000 / 10;
}

void NvmlInventory::AddBroken(unsigned index, const std::string& uuid, const Status& why) {
  out_.broken.push_back({.index = index, .uuid = uuid, .error = why.message()});
}

std::string NvmlInventory::ReadName(Device device, Status& status) {
  char name[kNameBufferSize] = {};
  status = ReturnStatus(Call(table_.nvmlDeviceGetName, device, name, kNameBufferSize),
                        "nvmlDeviceGetName");
  return ParseProductName(BufferText(name, sizeof name));
}

Status NvmlInventory::ReadUuid(Device device, std::string& uuid) {
  char buffer[kUuidBufferSize] = {};
  TRANCHE_TRY(ReturnStatus(Call(table_.nvmlDeviceGetUUID, device, buffer, kUuidBufferSize),
                           "nvmlDeviceGetUUID"));
  const std::string_view text = BufferText(buffer, sizeof buffer);
  auto parsed = ParseUuid(text);
  if (!parsed)
    return {Code::kInternal, "the driver's UUID '" + base::Printable(text) + "' is none"};
  uuid = std::move(*parsed);
  return Status::Ok();
}

void NvmlInventory::ReadGpu(unsigned index) {
  Device device = nullptr;
  const Return result = CallNewest(table_.nvmlDeviceGetHandleByIndex_v2,
                                   table_.nvmlDeviceGetHandleByIndex, index, &device);
  if (result != nvml::kSuccess) {
    const auto known = session_.uuid_at.find(index);
    return AddBroken(index, known == session_.uuid_at.end() ? "" : known->second,
                     ReturnStatus(result, "nvmlDeviceGetHandleByIndex"));
  }
  std::string uuid;
  std::string name;
  if (const auto known = session_.uuids.find(device); known != session_.uuids.end()) {
    uuid = known->second;
  } else {
    Status status;
    name = ReadName(device, status);
    if (status.ok() && IsDisplayGpu(name)) return;
    if (status.ok()) status = ReadUuid(device, uuid);
    if (!status.ok()) return AddBroken(index, "", status);
  }
  session_.uuid_at[index] = uuid;
  for (const Gpu& other : out_.gpus) {
    if (other.uuid != uuid) continue;
    return AddBroken(index, uuid,
                     {Code::kAlreadyExists,
                      "listed twice: GPU " + std::to_string(other.index) + " has the same UUID"});
  }
  Status status = KnownFacts(device, uuid, name);
  if (!status.ok()) return AddBroken(index, uuid, status);
  Gpu gpu = session_.facts[uuid];
  gpu.index = index;
  gpu.fabric = ReadFabric(device);
  status = ReadMig(device, gpu);
  if (!status.ok()) return AddBroken(index, uuid, status);
  out_.gpus.push_back(std::move(gpu));
}

// Sees to it that the session knows this GPU's facts.
Status NvmlInventory::KnownFacts(Device device, const std::string& uuid, const std::string& name) {
  if (!session_.facts.contains(uuid)) {
    Gpu gpu;
    gpu.uuid = uuid;
    gpu.name = name;
    TRANCHE_TRY(ReadFacts(device, gpu));
    session_.facts[uuid] = std::move(gpu);
  }
  session_.handles[uuid] = device;
  session_.uuids[device] = uuid;
  return Status::Ok();
}

Status NvmlInventory::ReadFacts(Device device, Gpu& gpu) {
  TRANCHE_TRY(ReturnStatus(Call(table_.nvmlDeviceGetMinorNumber, device, &gpu.minor),
                           "nvmlDeviceGetMinorNumber"));
  gpu.device_paths = {NodePath(gpu.minor)};
  TRANCHE_TRY(ReadPci(device, gpu));
  Memory memory{};
  const Return memory_result = Call(table_.nvmlDeviceGetMemoryInfo, device, &memory);
  // GPUs that share the CPU's memory have none of their own to report.
  if (memory_result != nvml::kSuccess && !Unsupported(memory_result)) {
    return ReturnStatus(memory_result, "nvmlDeviceGetMemoryInfo");
  }
  gpu.memory_bytes = memory.total;
  const Return result = Call(table_.nvmlDeviceGetCudaComputeCapability, device, &gpu.compute_major,
                             &gpu.compute_minor);
  return Unsupported(result) ? Status::Ok()
                             : ReturnStatus(result, "nvmlDeviceGetCudaComputeCapability");
}

Status NvmlInventory::ReadPci(Device device, Gpu& gpu) {
  PciInfo pci{};
  const auto newest = table_.nvmlDeviceGetPciInfo_v3 != nullptr ? table_.nvmlDeviceGetPciInfo_v3
                                                                : table_.nvmlDeviceGetPciInfo_v2;
  TRANCHE_TRY(ReturnStatus(CallNewest(newest, table_.nvmlDeviceGetPciInfo, device, &pci),
                           "nvmlDeviceGetPciInfo"));
  auto bus_id = ParseBusId(BufferText(pci.bus_id, sizeof pci.bus_id));
  if (!bus_id) bus_id = ParseBusId(BufferText(pci.bus_id_legacy, sizeof pci.bus_id_legacy));
  if (!bus_id) {
    return {Code::kInternal, "the driver's PCI address '" +
                                 base::Printable(BufferText(pci.bus_id, sizeof pci.bus_id)) +
                                 "' is none"};
  }
  gpu.pci_bus_id = *bus_id;
  const std::string directory = sys_root_ + "/sys/bus/pci/devices/" + *bus_id;
  if (const auto numa = base::ReadFile(directory + "/numa_node", 64); numa.ok()) {
    gpu.numa_node = ParseNumaNode(*numa);
  }
  if (const auto pci_class = base::ReadFile(directory + "/class", 64); pci_class.ok()) {
    gpu.pci_class = ParsePciClass(*pci_class);
  }
  return Status::Ok();
}

// Asked at each look: a GPU joins its fabric some time after the driver is there. No answer is no
// fabric.
std::optional<Fabric> NvmlInventory::ReadFabric(Device device) const {
  FabricInfo first{};
  if (table_.nvmlDeviceGetGpuFabricInfo != nullptr) {
    if (table_.nvmlDeviceGetGpuFabricInfo(device, &first) != nvml::kSuccess) return std::nullopt;
    return FabricOf(first);
  }
  // The function's argument is the newest of its structs; this is an earlier one, and shorter.
  FabricInfoV3 newer{};
  newer.version = StructVersion<FabricInfoV2>(2);
  if (Call(table_.nvmlDeviceGetGpuFabricInfoV, device, &newer) != nvml::kSuccess) {
    return std::nullopt;
  }
  return FabricOf(newer);
}

Status NvmlInventory::ReadMig(Device device, Gpu& gpu) {
  unsigned current = 0;
  unsigned pending = 0;
  const Return result = Call(table_.nvmlDeviceGetMigMode, device, &current, &pending);
  if (Unsupported(result)) return Status::Ok();
  TRANCHE_TRY(ReturnStatus(result, "nvmlDeviceGetMigMode"));
  gpu.mig_capable = true;
  gpu.mig_enabled = current == nvml::kEnabled;
  if (!gpu.mig_enabled) return Status::Ok();
  unsigned count = 0;
  TRANCHE_TRY(ReturnStatus(Call(table_.nvmlDeviceGetMaxMigDeviceCount, device, &count),
                           "nvmlDeviceGetMaxMigDeviceCount"));
  for (unsigned j = 0; j < std::min(count, kMostMigDevices); ++j) {
    Device mig = nullptr;
    const Return found = Call(table_.nvmlDeviceGetMigDeviceHandleByIndex, device, j, &mig);
    if (found == nvml::kNotFound || found == nvml::kInvalidArgument) continue;  // not cut
    MigDevice out;
    out.index = static_cast<int>(j);
    Status status = ReturnStatus(found, "nvmlDeviceGetMigDeviceHandleByIndex");
    if (status.ok()) status = ReadMigDevice(mig, gpu, out);
    if (status.code() == Code::kDataLoss) return status;  // the whole GPU
    if (status.ok()) {
      gpu.mig_devices.push_back(std::move(out));
    } else {
      AddBroken(gpu.index, out.uuid, status.Wrap("MIG device " + std::to_string(j)));
    }
  }
  return Status::Ok();
}

Status NvmlInventory::ReadMigDevice(Device mig, const Gpu& gpu, MigDevice& out) {
  TRANCHE_TRY(ReadUuid(mig, out.uuid));
  for (const MigDevice& other : gpu.mig_devices) {
    if (other.uuid == out.uuid) return {Code::kAlreadyExists, "listed twice"};
  }
  TRANCHE_TRY(ReturnStatus(Call(table_.nvmlDeviceGetGpuInstanceId, mig, &out.gpu_instance),
                           "nvmlDeviceGetGpuInstanceId"));
  TRANCHE_TRY(ReturnStatus(Call(table_.nvmlDeviceGetComputeInstanceId, mig, &out.compute_instance),
                           "nvmlDeviceGetComputeInstanceId"));
  TRANCHE_TRY(ReadMigProfile(mig, gpu, out));
  return ReadMigPaths(gpu, out);
}

// The sizes are in the attributes; an attribute like "+me" is only in the name (or behind some
// twenty more calls to compare profile ids).
Status NvmlInventory::ReadMigProfile(Device mig, const Gpu& gpu, MigDevice& out) {
  DeviceAttributes attributes{};
  TRANCHE_TRY(ReturnStatus(CallNewest(table_.nvmlDeviceGetAttributes_v2,
                                      table_.nvmlDeviceGetAttributes, mig, &attributes),
                           "nvmlDeviceGetAttributes"));
  MigProfile profile{.compute_slices = attributes.compute_instance_slice_count,
                     .gpu_slices = attributes.gpu_instance_slice_count,
                     .memory_gb = MigMemoryGb(gpu.memory_bytes, attributes.memory_size_mb),
                     .attribute = ""};
  Status name_status;
  const auto named = ProfileInName(ReadName(mig, name_status));
  if (name_status.ok() && named) profile.attribute = named->attribute;
  const std::string text = FormatMigProfile(profile);
  if (ParseMigProfile(text) != profile) {
    return {Code::kInternal, "the driver's MIG profile '" + text + "' makes no sense"};
  }
  out.profile = text;
  out.gpu_slices = profile.gpu_slices;
  out.compute_slices = profile.compute_slices;
  out.memory_bytes = std::min<std::uint64_t>(attributes.memory_size_mb, 1ULL << 40U) << 20U;
  out.multiprocessors = attributes.multiprocessor_count;
  out.copy_engines = attributes.shared_copy_engine_count;
  out.decoders = attributes.shared_decoder_count;
  out.encoders = attributes.shared_encoder_count;
  out.jpegs = attributes.shared_jpeg_count;
  out.ofas = attributes.shared_ofa_count;
  return Status::Ok();
}

// Without the file (it is not mounted everywhere) the instance is still served: only device specs
// would name its nodes. A file that leaves the instance out is an error.
Status NvmlInventory::ReadMigPaths(const Gpu& gpu, MigDevice& out) {
  out.device_paths = gpu.device_paths;
  if (!std::exchange(minors_read_, true)) {
    auto text = base::ReadFile(sys_root_ + "/proc/driver/nvidia-caps/mig-minors", kMostMinorsBytes);
    if (text.ok()) minors_ = ParseMigMinors(*text);
  }
  if (!minors_) return Status::Ok();
  const auto gi = minors_->gpu_instances.find({gpu.minor, out.gpu_instance});
  const auto ci =
      minors_->compute_instances.find({gpu.minor, out.gpu_instance, out.compute_instance});
  if (gi == minors_->gpu_instances.end() || ci == minors_->compute_instances.end()) {
    return {Code::kNotFound, "mig-minors does not name its device nodes"};
  }
  out.device_paths.push_back(CapPath(gi->second));
  out.device_paths.push_back(CapPath(ci->second));
  return Status::Ok();
}

}  // namespace tranche::gpu::nvml
