#include "gpu/nvml/inventory.h"

#include <algorithm>
#include <utility>

#include "base/file.h"
#include "base/log.h"
#include "gpu/nvml/remedy.h"

namespace tranche::gpu::nvml {
namespace {

using base::Code;
using base::Result;
using base::Status;

// Counts come from the library and size loops: none is believed beyond these.
constexpr unsigned kMostGpus = 1024;
constexpr unsigned kMostMigDevices = 64;  // per GPU; seven instances of seven at most today
constexpr unsigned kUsualMigDevices = 7;  // where the driver does not tell how many

constexpr std::size_t kMostMinorsBytes = 4U << 20U;

// The driver's word that a GPU has no such thing, where some GPUs have none: GPUs that share the
// CPU's memory have none of their own, and many have neither a fabric nor MIG.
bool HasNone(Detail detail, const Status& status) {
  const bool may_lack =
      detail == Detail::kMemory || detail == Detail::kFabric || detail == Detail::kMig;
  return may_lack && status.code() == Code::kUnimplemented;
}

// Whether a call has failed; otherwise the device is lost, or what was told of it makes no sense.
bool CallFailed(const Status& status) {
  switch (status.code()) {
    case Code::kDataLoss:
    case Code::kInternal:
    case Code::kAlreadyExists:
    case Code::kFailedPrecondition:
      return false;
    default:
      return true;
  }
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
  for (unsigned index = 0; index < std::min(count, kMostGpus); ++index) ReadGpu(index);
  return std::move(out_);
}

void NvmlInventory::ReadVersions() {
  if (session_.driver_version.empty()) {
    char version[kVersionBufferSize] = {};
    const Return result = Call(table_.nvmlSystemGetDriverVersion, version, kVersionBufferSize);
    // It becomes part of file names (libcuda.so.<version>): digits and dots or nothing.
    const std::string_view text = BufferText(version, sizeof version);
    if (result == nvml::kSuccess &&
        text.find_first_not_of("0123456789.") == std::string_view::npos) {
      session_.driver_version = text;
    }
    NoteOwn(Detail::kDriverVersion, ReturnStatus(result, "nvmlSystemGetDriverVersion"));
  }
  if (session_.cuda_major == 0) {
    int cuda = 0;
    const Return result = CallNewest(table_.nvmlSystemGetCudaDriverVersion_v2,
                                     table_.nvmlSystemGetCudaDriverVersion, &cuda);
    if (result == nvml::kSuccess && cuda > 0) {
      // NVML_CUDA_DRIVER_VERSION_MAJOR and _MINOR: 12080 is 12.8
      session_.cuda_major = cuda / 1000;
      session_.cuda_minor = cuda % 1000 / 10;
    }
    NoteOwn(Detail::kCudaVersion, ReturnStatus(result, "nvmlSystemGetCudaDriverVersion"));
  }
  out_.driver_version = session_.driver_version;
  out_.cuda_major = session_.cuda_major;
  out_.cuda_minor = session_.cuda_minor;
}

void NvmlInventory::AddBroken(BrokenGpu broken, const Status& why) {
  broken.error = why.message();
  broken.call_failed = CallFailed(why);
  if (broken.call_failed || why.code() == Code::kDataLoss) {
    broken.error.append("; ").append(Remedy(why.code()));
  }
  out_.broken.push_back(std::move(broken));
}

void NvmlInventory::NoteOwn(Detail detail, const Status& status) {
  if (!status.ok()) {
    out_.unread.push_back({.detail = detail, .uuid = "", .error = DescribeUnread(detail, status)});
  }
}

Status NvmlInventory::Note(Detail detail, const std::string& uuid, const Status& status) {
  if (status.code() == Code::kDataLoss) return status;
  if (!status.ok() && !HasNone(detail, status)) {
    out_.unread.push_back(
        {.detail = detail, .uuid = uuid, .error = DescribeUnread(detail, status)});
  }
  return Status::Ok();
}

std::string NvmlInventory::ReadName(Device device, Status& status) {
  char name[kNameBufferSize] = {};
  status = ReturnStatus(Call(table_.nvmlDeviceGetName, device, name, kNameBufferSize),
                        "nvmlDeviceGetName");
  return status.ok() ? ParseProductName(BufferText(name, sizeof name)) : "";
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
  BrokenGpu broken{.index = index};
  if (result != nvml::kSuccess) {
    const auto known = session_.uuid_at.find(index);
    if (known != session_.uuid_at.end()) broken.uuid = known->second;
    return AddBroken(broken, ReturnStatus(result, "nvmlDeviceGetHandleByIndex"));
  }
  std::string name;
  if (const auto known = session_.uuids.find(device); known != session_.uuids.end()) {
    broken.uuid = known->second;
  } else {
    Status status;
    name = ReadName(device, status);
    if (IsDisplayGpu(name)) return;
    status = ReadUuid(device, broken.uuid);
    if (!status.ok()) return AddBroken(broken, status);
  }
  session_.uuid_at[index] = broken.uuid;
  for (const Gpu& other : out_.gpus) {
    if (other.uuid != broken.uuid) continue;
    return AddBroken(broken,
                     {Code::kAlreadyExists,
                      "listed twice: GPU " + std::to_string(other.index) + " has the same UUID"});
  }
  Status status = ReadMinor(device, broken.uuid);
  if (!status.ok()) return AddBroken(broken, status);
  NvmlSession::Facts& facts = session_.facts[broken.uuid];
  if (!name.empty() && facts.wanted.erase(Detail::kName) > 0) facts.gpu.name = name;
  status = ReadDetails(device, facts);
  Gpu gpu = facts.gpu;
  gpu.index = index;
  if (status.ok()) status = Note(Detail::kFabric, gpu.uuid, ReadFabric(device, gpu));
  if (status.ok()) status = ReadMig(device, gpu);
  if (!status.ok()) return AddBroken(broken, status);
  out_.gpus.push_back(std::move(gpu));
}

// With its minor number a GPU can be advertised: the session knows it from then on.
Status NvmlInventory::ReadMinor(Device device, const std::string& uuid) {
  if (!session_.facts.contains(uuid)) {
    Gpu gpu;
    gpu.uuid = uuid;
    TRANCHE_TRY(ReturnStatus(Call(table_.nvmlDeviceGetMinorNumber, device, &gpu.minor),
                             "nvmlDeviceGetMinorNumber"));
    gpu.device_paths = {NodePath(gpu.minor)};
    session_.facts[uuid].gpu = std::move(gpu);
  }
  session_.handles[uuid] = device;
  session_.uuids[device] = uuid;
  return Status::Ok();
}

Status NvmlInventory::ReadDetails(Device device, NvmlSession::Facts& facts) {
  for (auto wanted = facts.wanted.begin(); wanted != facts.wanted.end();) {
    const Status status = ReadDetail(device, *wanted, facts.gpu);
    TRANCHE_TRY(Note(*wanted, facts.gpu.uuid, status));
    wanted = status.ok() || HasNone(*wanted, status) ? facts.wanted.erase(wanted) : next(wanted);
  }
  return Status::Ok();
}

Status NvmlInventory::ReadDetail(Device device, Detail detail, Gpu& gpu) {
  Status status;
  switch (detail) {
    case Detail::kName:
      gpu.name = ReadName(device, status);
      return status;
    case Detail::kPci:
      return ReadPci(device, gpu);
    case Detail::kMemory: {
      Memory memory{};
      status = ReturnStatus(Call(table_.nvmlDeviceGetMemoryInfo, device, &memory),
                            "nvmlDeviceGetMemoryInfo");
      if (status.ok()) gpu.memory_bytes = memory.total;
      return status;
    }
    default: {
      int major = 0;
      int minor = 0;
      status = ReturnStatus(Call(table_.nvmlDeviceGetCudaComputeCapability, device, &major, &minor),
                            "nvmlDeviceGetCudaComputeCapability");
      if (status.ok()) {
        gpu.compute_major = major;
        gpu.compute_minor = minor;
      }
      return status;
    }
  }
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

// Asked at each look: a GPU joins its fabric some time after the driver is there.
Status NvmlInventory::ReadFabric(Device device, Gpu& gpu) {
  FabricInfo first{};
  if (table_.nvmlDeviceGetGpuFabricInfo != nullptr) {
    TRANCHE_TRY(ReturnStatus(table_.nvmlDeviceGetGpuFabricInfo(device, &first),
                             "nvmlDeviceGetGpuFabricInfo"));
    gpu.fabric = FabricOf(first);
    return Status::Ok();
  }
  // The function's argument is the newest of its structs; this is an earlier one, and shorter.
  FabricInfoV3 newer{};
  newer.version = StructVersion<FabricInfoV2>(2);
  TRANCHE_TRY(ReturnStatus(Call(table_.nvmlDeviceGetGpuFabricInfoV, device, &newer),
                           "nvmlDeviceGetGpuFabricInfoV"));
  gpu.fabric = FabricOf(newer);
  return Status::Ok();
}

Status NvmlInventory::ReadMig(Device device, Gpu& gpu) {
  unsigned current = 0;
  unsigned pending = 0;
  const Status mode = ReturnStatus(Call(table_.nvmlDeviceGetMigMode, device, &current, &pending),
                                   "nvmlDeviceGetMigMode");
  if (!mode.ok()) return Note(Detail::kMig, gpu.uuid, mode);
  gpu.mig_capable = true;
  gpu.mig_enabled = current == nvml::kEnabled;
  if (!gpu.mig_enabled) return Status::Ok();
  unsigned count = 0;
  const Status counted = ReturnStatus(Call(table_.nvmlDeviceGetMaxMigDeviceCount, device, &count),
                                      "nvmlDeviceGetMaxMigDeviceCount");
  if (!counted.ok()) count = kUsualMigDevices;
  TRANCHE_TRY(Note(Detail::kMigCount, gpu.uuid, counted));
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
      AddBroken({.index = gpu.index, .mig = out.index, .uuid = out.uuid},
                status.Wrap("MIG device " + std::to_string(j)));
    }
  }
  return Status::Ok();
}

Status NvmlInventory::ReadMigDevice(Device mig, const Gpu& gpu, MigDevice& out) {
  TRANCHE_TRY(ReadUuid(mig, out.uuid));
  for (const MigDevice& other : gpu.mig_devices) {
    if (other.uuid == out.uuid) return {Code::kAlreadyExists, "listed twice"};
  }
  TRANCHE_TRY(ReadMigProfile(mig, gpu, out));
  out.device_paths = gpu.device_paths;
  const Status status = ReadMigInstance(mig, out);
  return status.ok() ? ReadMigPaths(gpu, out) : Note(Detail::kMigInstance, out.uuid, status);
}

Status NvmlInventory::ReadMigInstance(Device mig, MigDevice& out) {
  unsigned gpu_instance = 0;
  unsigned compute_instance = 0;
  TRANCHE_TRY(ReturnStatus(Call(table_.nvmlDeviceGetGpuInstanceId, mig, &gpu_instance),
                           "nvmlDeviceGetGpuInstanceId"));
  out.gpu_instance = gpu_instance;
  TRANCHE_TRY(ReturnStatus(Call(table_.nvmlDeviceGetComputeInstanceId, mig, &compute_instance),
                           "nvmlDeviceGetComputeInstanceId"));
  out.compute_instance = compute_instance;
  return Status::Ok();
}

// The sizes are in the attributes. An attribute like "+me" is only in the name (or behind some
// twenty more calls to compare profile ids), and so is the memory figure where the GPU's memory
// cannot be read.
Status NvmlInventory::ReadMigProfile(Device mig, const Gpu& gpu, MigDevice& out) {
  DeviceAttributes attributes{};
  Status read = ReturnStatus(CallNewest(table_.nvmlDeviceGetAttributes_v2,
                                        table_.nvmlDeviceGetAttributes, mig, &attributes),
                             "nvmlDeviceGetAttributes");
  Status name_status;
  const auto named = ProfileInName(ReadName(mig, name_status));
  if (name_status.code() == Code::kDataLoss) return name_status;
  MigProfile profile;
  if (read.ok()) {
    profile = {.compute_slices = attributes.compute_instance_slice_count,
               .gpu_slices = attributes.gpu_instance_slice_count,
               .memory_gb = MigMemoryGb(gpu.memory_bytes, attributes.memory_size_mb),
               .attribute = named ? named->attribute : ""};
    if (profile.memory_gb == 0 && named) profile.memory_gb = named->memory_gb;
    TRANCHE_TRY(Note(Detail::kMigAttributes, out.uuid, name_status));
  } else if (named && read.code() != Code::kDataLoss) {
    profile = *named;
    TRANCHE_TRY(Note(Detail::kMigAttributes, out.uuid, read));
  } else {
    return read;
  }
  const std::string text = FormatMigProfile(profile);
  if (profile.memory_gb == 0 && !name_status.ok())
    return name_status.Wrap("its profile is unknown");
  if (profile.memory_gb == 0 || ParseMigProfile(text) != profile) {
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
  if (!std::exchange(minors_read_, true)) {
    auto text = base::ReadFile(sys_root_ + "/proc/driver/nvidia-caps/mig-minors", kMostMinorsBytes);
    if (text.ok()) minors_ = ParseMigMinors(*text);
  }
  if (!minors_) return Status::Ok();
  const auto gi = minors_->gpu_instances.find({gpu.minor, *out.gpu_instance});
  const auto ci =
      minors_->compute_instances.find({gpu.minor, *out.gpu_instance, *out.compute_instance});
  if (gi == minors_->gpu_instances.end() || ci == minors_->compute_instances.end()) {
    return {Code::kFailedPrecondition, "mig-minors does not name its device nodes"};
  }
  out.device_paths.push_back(CapPath(gi->second));
  out.device_paths.push_back(CapPath(ci->second));
  return Status::Ok();
}

}  // namespace tranche::gpu::nvml
