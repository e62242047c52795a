// NvmlInventory reads the facts about every GPU and MIG device from NVML.
//
// A GPU needs its handle, its UUID and its minor number to be advertised, a MIG device its handle,
// its UUID and its profile. Whatever else cannot be read is listed in Inventory::unread.
//
// Threading: calls block; one thread at a time.
// Errors: Read fails only where NVML does not report how many GPUs there are. A GPU that fails is
// listed as broken, and the others are read all the same. A GPU that any call calls lost is broken.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>

#include "base/status.h"
#include "gpu/device.h"
#include "gpu/nvml/library.h"
#include "gpu/nvml/strings.h"

namespace tranche::gpu::nvml {

// What stays true from initialisation to shutdown of the library, so that it is asked for only
// once.
struct NvmlSession {
  struct Facts {
    Gpu gpu;  // without fabric and MIG
    std::set<Detail> wanted = {Detail::kName, Detail::kPci, Detail::kMemory, Detail::kCompute};
  };
  std::string driver_version;
  int cuda_major = 0;
  int cuda_minor = 0;
  std::map<std::string, Facts> facts;  // by UUID
  std::map<std::string, Device> handles;
  std::map<Device, std::string> uuids;
  std::map<unsigned, std::string> uuid_at;  // by index, also for one that answers no more
};

class NvmlInventory {
 public:
  // `sys_root` is a prefix for /sys and /proc (simulated nodes).
  NvmlInventory(const Table& table, const std::string& sys_root, NvmlSession& session)
      : table_(table), sys_root_(sys_root), session_(session) {}

  // Fails only where the driver does not even say how many GPUs there are.
  base::Result<Inventory> Read();

 private:
  void ReadVersions();
  void ReadGpu(unsigned index);
  base::Status ReadUuid(Device device, std::string& uuid);
  base::Status ReadMinor(Device device, const std::string& uuid);
  // What is still wanted of the session's facts; fails only where the GPU is lost.
  base::Status ReadDetails(Device device, NvmlSession::Facts& facts);
  base::Status ReadDetail(Device device, Detail detail, Gpu& gpu);
  base::Status ReadPci(Device device, Gpu& gpu);
  base::Status ReadFabric(Device device, Gpu& gpu);
  base::Status ReadMig(Device device, Gpu& gpu);
  base::Status ReadMigDevice(Device mig, const Gpu& gpu, MigDevice& out);
  base::Status ReadMigInstance(Device mig, MigDevice& out);
  base::Status ReadMigProfile(Device mig, const Gpu& gpu, MigDevice& out);
  base::Status ReadMigPaths(const Gpu& gpu, MigDevice& out);
  std::string ReadName(Device device, base::Status& status);
  void AddBroken(BrokenGpu broken, const base::Status& why);
  // Lists the driver's own details that have not been read.
  void NoteOwn(Detail detail, const base::Status& status);
  // The same for those of a device; fails only where it is lost.
  base::Status Note(Detail detail, const std::string& uuid, const base::Status& status);

  const Table& table_;
  const std::string& sys_root_;
  NvmlSession& session_;
  Inventory out_;
  bool minors_read_ = false;
  std::optional<MigMinors> minors_;
};

}  // namespace tranche::gpu::nvml
