// NvmlInventory reads the facts about every GPU and MIG device from NVML.
//
// Threading: calls block; one thread at a time.
// Errors: Read fails only where NVML does not report how many GPUs there are. A GPU that fails is
// listed as broken, and the others are read all the same.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "base/status.h"
#include "gpu/device.h"
#include "gpu/nvml/library.h"
#include "gpu/nvml/strings.h"

namespace tranche::gpu::nvml {

// What stays true from initialisation to shutdown of the library, so that it is asked for only
// once.
struct NvmlSession {
  std::string driver_version;
  int cuda_major = 0;
  int cuda_minor = 0;
  bool versions_known = false;
  std::map<std::string, Gpu> facts;  // by UUID; without MIG
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
  base::Status KnownFacts(Device device, const std::string& uuid, const std::string& name);
  base::Status ReadFacts(Device device, Gpu& gpu);
  base::Status ReadPci(Device device, Gpu& gpu);
  [[nodiscard]] std::optional<Fabric> ReadFabric(Device device) const;
  base::Status ReadMig(Device device, Gpu& gpu);
  base::Status ReadMigDevice(Device mig, const Gpu& gpu, MigDevice& out);
  base::Status ReadMigProfile(Device mig, const Gpu& gpu, MigDevice& out);
  base::Status ReadMigPaths(const Gpu& gpu, MigDevice& out);
  std::string ReadName(Device device, base::Status& status);
  void AddBroken(unsigned index, const std::string& uuid, const base::Status& why);

  const Table& table_;
  const std::string& sys_root_;
  NvmlSession& session_;
  Inventory out_;
  bool minors_read_ = false;
  std::optional<MigMinors> minors_;
};

}  // namespace tranche::gpu::nvml
