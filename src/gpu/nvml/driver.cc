#include "gpu/nvml/driver.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/mutex.h"
#include "gpu/nvml/inventory.h"
#include "gpu/nvml/strings.h"
#include "gpu/nvml/topology.h"
#include "gpu/nvml/usage.h"

namespace tranche::gpu::nvml {
namespace {

using base::Code;
using base::MutexLock;
using base::Result;
using base::Status;

constexpr int kMostReads = 1024;  // of events, by one WaitForEvents

// An event set, freed with its last user, before the library it is of.
class OwnedEventSet {
 public:
  static Result<std::shared_ptr<OwnedEventSet>> New(std::shared_ptr<NvmlLibrary> library) {
    EventSet set = nullptr;
    TRANCHE_TRY(
        ReturnStatus(Call(library->table().nvmlEventSetCreate, &set), "nvmlEventSetCreate"));
    return std::shared_ptr<OwnedEventSet>(new OwnedEventSet(std::move(library), set));
  }
  OwnedEventSet(const OwnedEventSet&) = delete;
  OwnedEventSet& operator=(const OwnedEventSet&) = delete;
  ~OwnedEventSet() { Call(library_->table().nvmlEventSetFree, set_); }

  // OK: watched. kUnimplemented: this GPU has no XID events.
  [[nodiscard]] Status Register(Device device) const {
    const Table& table = library_->table();
    unsigned long long types = 0;
    TRANCHE_TRY(ReturnStatus(Call(table.nvmlDeviceGetSupportedEventTypes, device, &types),
                             "nvmlDeviceGetSupportedEventTypes"));
    if ((types & kEventXidCritical) == 0) {
      return {Code::kUnimplemented, "this GPU reports no XID events"};
    }
    return ReturnStatus(Call(table.nvmlDeviceRegisterEvents, device, kEventXidCritical, set_),
                        "nvmlDeviceRegisterEvents");
  }

  Return Wait(unsigned timeout_ms, EventData& data) const {
    data = {};
    // nvmlEventSetWait of old drivers does not fill these in.
    data.gpu_instance_id = kNoInstance;
    data.compute_instance_id = kNoInstance;
    return CallNewest(library_->table().nvmlEventSetWait_v2, library_->table().nvmlEventSetWait,
                      set_, &data, timeout_ms);
  }

  [[nodiscard]] const Table& table() const { return library_->table(); }

 private:
  OwnedEventSet(std::shared_ptr<NvmlLibrary> library, EventSet set)
      : library_(std::move(library)), set_(set) {}

  std::shared_ptr<NvmlLibrary> library_;
  EventSet set_;
};

std::optional<unsigned> Instance(unsigned id) {
  if (id == kNoInstance) return std::nullopt;
  return id;
}

class NvmlDriver : public GpuDriver {
 public:
  NvmlDriver(std::optional<Table> table, NvmlOptions options)
      : given_table_(table), options_(std::move(options)) {}

  Status Initialise() override {
    if (library_ != nullptr) return Status::Ok();
    auto library = given_table_ ? NvmlLibrary::Initialise(*given_table_, nullptr)
                                : NvmlLibrary::Open(options_.driver_root);
    if (!library.ok()) return library.status();
    library_ = *library;
    return Status::Ok();
  }

  void Shutdown() override {
    {
      const MutexLock lock(mutex_);
      events_.reset();
      session_ = {};
    }
    library_.reset();
  }

  Result<Inventory> Enumerate() override {
    TRANCHE_TRY(CheckInitialised());
    // The calls may hang: they are made on a copy, without the lock.
    NvmlSession session = Session();
    auto inventory = NvmlInventory(library_->table(), options_.sys_root, session).Read();
    const MutexLock lock(mutex_);
    session_ = std::move(session);
    return inventory;
  }

  Result<Topology> ReadTopology(const Inventory& inventory) override {
    TRANCHE_TRY(CheckInitialised());
    const NvmlSession session = Session();
    std::vector<ConnectedGpu> gpus;
    for (const Gpu& gpu : inventory.gpus) {
      const auto handle = session.handles.find(gpu.uuid);
      if (handle == session.handles.end()) continue;
      gpus.push_back({.uuid = gpu.uuid, .pci_bus_id = gpu.pci_bus_id, .device = handle->second});
    }
    return ReadNvmlTopology(library_->table(), gpus);
  }

  Result<std::vector<Unwatched>> WatchHealth(const std::vector<std::string>& uuids) override {
    TRANCHE_TRY(CheckInitialised());
    auto events = OwnedEventSet::New(library_);
    if (!events.ok()) return events.status();
    std::vector<Unwatched> unwatched;
    const NvmlSession session = Session();
    for (const std::string& uuid : uuids) {
      const auto handle = session.handles.find(uuid);
      const Status status = handle == session.handles.end()
                                ? Status(Code::kNotFound, "not listed by the driver")
                                : (*events)->Register(handle->second);
      if (!status.ok()) unwatched.push_back({uuid, status});
    }
    std::shared_ptr<OwnedEventSet> old = *events;
    const MutexLock lock(mutex_);
    events_.swap(old);
    return unwatched;
  }

  Result<std::vector<HealthEvent>> WaitForEvents(std::chrono::milliseconds timeout) override {
    std::shared_ptr<OwnedEventSet> events;
    {
      const MutexLock lock(mutex_);
      events = events_;
    }
    if (events == nullptr) return Status(Code::kFailedPrecondition, "no GPU is watched");
    std::vector<HealthEvent> out;
    bool unasked = false;
    const auto start = std::chrono::steady_clock::now();
    // The first is waited for; what else has come by then is taken along.
    auto wait_ms = static_cast<unsigned>(std::clamp<std::int64_t>(timeout.count(), 0, 60'000));
    for (int i = 0; i < kMostReads; ++i, wait_ms = 0) {
      EventData data;
      const Return result = events->Wait(wait_ms, data);
      if (result == nvml::kTimeout) break;
      if (result != nvml::kSuccess) {
        if (!out.empty()) break;  // it will fail again, with nothing to lose
        return ReturnStatus(result, "nvmlEventSetWait");
      }
      unasked = unasked || (data.type & kEventXidCritical) == 0;
      if ((data.type & kEventXidCritical) == 0) continue;
      HealthEvent event{.kind = HealthEvent::Kind::kXid,
                        .xid = data.data,
                        .uuid = UuidOf(events->table(), data.device),
                        .gpu_instance = Instance(data.gpu_instance_id),
                        .compute_instance = Instance(data.compute_instance_id),
                        .error = ""};
      if (std::ranges::find(out, event) == out.end()) out.push_back(std::move(event));
    }
    // A library that does not wait would be asked without a pause.
    const bool waited = std::chrono::steady_clock::now() - start >= timeout / 2;
    if (!out.empty() || waited) return out;
    return Status(Code::kUnavailable, unasked ? "nvmlEventSetWait: events that nobody asked for"
                                              : "nvmlEventSetWait: timeout (10) before its time");
  }

  Status Probe(const std::string& uuid) override {
    TRANCHE_TRY(CheckInitialised());
    const NvmlSession session = Session();
    const auto handle = session.handles.find(uuid);
    if (handle == session.handles.end()) return {Code::kNotFound, "not listed by the driver"};
    Memory memory{};
    const Return result = Call(library_->table().nvmlDeviceGetMemoryInfo, handle->second, &memory);
    switch (result) {
      case nvml::kGpuIsLost:
      case nvml::kGpuNotFound:
      case nvml::kResetRequired:
        return {Code::kDataLoss, std::string(ReturnText(result))};
      default:
        return Status::Ok();  // it answers, whatever it says
    }
  }

  Result<DeviceUsage> ReadUsage(const UsageQuery& query) override {
    TRANCHE_TRY(CheckInitialised());
    const NvmlSession session = Session();
    const auto handle = session.handles.find(query.uuid);
    if (handle == session.handles.end()) return Status(Code::kNotFound, "not listed by the driver");
    return ReadNvmlUsage(library_->table(), handle->second, query);
  }

 private:
  [[nodiscard]] Status CheckInitialised() const {
    if (library_ != nullptr) return Status::Ok();
    return {Code::kFailedPrecondition, "the driver library is not initialised"};
  }

  NvmlSession Session() {
    const MutexLock lock(mutex_);
    return session_;
  }

  // "" where neither we nor the driver know.
  std::string UuidOf(const Table& table, Device device) {
    {
      const MutexLock lock(mutex_);
      const auto known = session_.uuids.find(device);
      if (known != session_.uuids.end()) return known->second;
    }
    char buffer[kUuidBufferSize] = {};
    if (Call(table.nvmlDeviceGetUUID, device, buffer, kUuidBufferSize) != nvml::kSuccess) {
      return "";
    }
    return ParseUuid(BufferText(buffer, sizeof buffer)).value_or("");
  }

  const std::optional<Table> given_table_;
  const NvmlOptions options_;
  std::shared_ptr<NvmlLibrary> library_;  // of the thread that scans
  base::Mutex mutex_;
  NvmlSession session_ TRANCHE_GUARDED_BY(mutex_);
  std::shared_ptr<OwnedEventSet> events_ TRANCHE_GUARDED_BY(mutex_);
};

}  // namespace

std::unique_ptr<GpuDriver> NewNvmlDriver(NvmlOptions options) {
  return std::make_unique<NvmlDriver>(std::nullopt, std::move(options));
}

std::unique_ptr<GpuDriver> NewNvmlDriverOn(const Table& table, NvmlOptions options) {
  return std::make_unique<NvmlDriver>(table, std::move(options));
}

std::function<std::unique_ptr<DriverThread>(base::EventLoop&, const std::string& driver_root,
                                            DriverThread::Owner)>
NvmlDriverStarter(std::string sys_root) {
  return [sys_root = std::move(sys_root)](base::EventLoop& loop, const std::string& driver_root,
                                          DriverThread::Owner owner) {
    return DriverThread::Start(
        loop, NewNvmlDriver({.driver_root = driver_root, .sys_root = sys_root}), std::move(owner));
  };
}

}  // namespace tranche::gpu::nvml
