// NodeState is the simulated node as several processes see it at once: one file of fixed layout
// that all of them map.
//
// It is written under an exclusive flock(), by sim::Node and the driver process, and by the few
// NVML calls that set something. Anybody who may read the file, containers with a read-only mount
// included, reads it without a lock through sim::StateReader:
// `sequence` is odd while a writer is at work and changes with every write (a seqlock), and is the
// futex on which a reader may wait. The file keeps its inode for life. It is not for storage: a
// different kLayoutVersion is refused, and the node then has to be made again.
//
// Threading: plain data; see above.
// Errors: none.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace tranche::sim {

inline constexpr std::uint64_t kStateMagic = 0x45444F4E4D495354;  // "TSIMNODE" in memory
inline constexpr std::uint32_t kLayoutVersion = 4;
inline constexpr unsigned kMaxGpus = 32;
inline constexpr unsigned kMaxNvLinksPerGpu = 18;  // NVML_NVLINK_MAX_LINKS of a 570 driver
inline constexpr unsigned kMaxMigProfiles = 8;
inline constexpr unsigned kMaxGpuInstances = 8;
inline constexpr unsigned kMaxComputeInstances = 8;
inline constexpr unsigned kMaxInstanceId = 15;  // GPU instance ids are 0 to 14
inline constexpr unsigned kMaxProcesses = 128;
inline constexpr unsigned kMaxFaults = 32;
inline constexpr unsigned kMaxEvents = 1024;
inline constexpr unsigned kMaxSamples = 1024;  // of one GPU
inline constexpr unsigned kMaxAccounts = 128;  // of one GPU
// NVML's own period: "every 1/6 second" of nvmlDeviceGetProcessUtilization's text.
inline constexpr std::uint64_t kSamplePeriodNs = 166'666'667;
inline constexpr std::uint32_t kWholeGpu = 0xFFFFFFFF;  // no GPU or compute instance; any GPU

struct MigProfileState {
  char name[24];          // "1g.10gb+me"
  std::uint32_t profile;  // NVML_GPU_INSTANCE_PROFILE_…
  std::uint32_t id;       // the driver's number, "nvidia-smi mig -lgip"
  std::uint32_t gpu_slices;
  std::uint32_t instances;  // how many at most
  std::uint32_t multiprocessors;
  std::uint32_t copy_engines;
  std::uint32_t decoders;
  std::uint32_t encoders;
  std::uint32_t jpegs;
  std::uint32_t ofas;
  std::uint64_t memory_mib;
  std::uint32_t placement_size;  // memory slices
  std::uint32_t placement_count;
  std::uint8_t placement_starts[8];
};

struct ComputeInstanceState {
  std::uint32_t id;
  std::uint32_t slices;
  std::uint32_t start;
  std::uint32_t multiprocessors;
  char uuid[48];  // "MIG-…"
};

struct GpuInstanceState {
  std::uint32_t id;
  std::uint32_t profile_index;  // into mig_profiles
  std::uint32_t start;          // first memory slice
  std::uint32_t compute_instance_count;
  ComputeInstanceState compute_instances[kMaxComputeInstances];
};

enum class LinkKind : std::uint32_t { kNone = 0, kGpu = 1, kSwitch = 2 };

struct NvLinkState {
  LinkKind kind;
  std::uint32_t remote_domain;
  std::uint32_t remote_bus;
  std::uint32_t remote_device;
  std::uint32_t remote_pci_device_id;
};

enum class ProcessKind : std::uint32_t { kCompute = 0, kGraphics = 1, kMps = 2 };

struct ProcessState {
  std::uint32_t pid;
  ProcessKind kind;
  std::uint64_t memory_bytes;
  std::uint32_t gpu_instance;  // kWholeGpu where there is none
  std::uint32_t compute_instance;
  std::uint32_t sm_percent;
  std::uint32_t memory_percent;
  std::uint32_t by_driver;  // put here by `tranche sim driver`, which also takes it away
  std::uint32_t reserved;
  // PutProcess (sim/node/processes.h) keeps these two.
  std::uint64_t start_us;          // CLOCK_REALTIME
  std::uint64_t max_memory_bytes;  // that it ever held
  std::uint64_t busy_us;           // how long it has computed, in the driver's time
};

// What is known of a process that has ended, where the GPU's accounting mode was on.
struct AccountState {
  std::uint64_t number;  // counts from 1 for each GPU
  std::uint32_t pid;
  std::uint32_t sm_percent;  // over its life
  std::uint32_t memory_percent;
  std::uint32_t reserved;
  std::uint64_t max_memory_bytes;
  std::uint64_t start_us;  // CLOCK_REALTIME
  std::uint64_t time_ms;   // that it lived, in the driver's time
};

// Memory errors, counted since the driver was loaded, and since the GPU was made.
struct EccCount {
  std::uint64_t since_load;
  std::uint64_t ever;
};
struct EccState {
  EccCount dram[2];  // corrected, uncorrected
  EccCount sram[2];
  std::uint32_t remapped_rows[2];  // because of corrected, of uncorrected errors
  std::uint32_t remap_pending;     // waits for a reset
  std::uint32_t remap_failed;
};

struct GpuState {
  std::uint32_t present;     // plugged in
  std::uint32_t lost;        // fallen off the bus
  std::uint32_t duplicated;  // how many times more than once NVML lists it
  std::uint32_t minor;
  char model[32];
  char uuid[48];
  char name[96];
  char serial[32];
  char vbios[32];
  char part_number[32];
  std::uint32_t pci_domain;
  std::uint32_t pci_bus;
  std::uint32_t pci_device;
  std::uint32_t pci_device_id;
  std::uint32_t pci_subsystem_id;
  std::int32_t numa_node;     // negative: none
  std::uint32_t pcie_switch;  // GPUs with equal numbers hang on one switch, …
  std::uint32_t host_bridge;  // … one host bridge
  std::uint32_t module_id;
  std::uint32_t brand;
  std::uint32_t architecture;
  std::int32_t compute_major;
  std::int32_t compute_minor;
  std::uint32_t cores;
  std::uint32_t multiprocessors;
  std::uint32_t memory_bus_width;
  std::uint32_t pcie_generation;
  std::uint32_t pcie_width;
  std::uint32_t ecc;         // 0: none, 1: on
  std::uint32_t accounting;  // 1: accounting mode is on
  EccState ecc_errors;
  std::uint32_t fans;
  std::uint32_t fan_percent;
  std::uint32_t temperature;
  std::uint32_t temperature_slowdown;
  std::uint32_t temperature_shutdown;
  std::uint32_t gpu_percent;
  std::uint32_t memory_percent;
  std::uint32_t encoder_percent;
  std::uint32_t decoder_percent;
  std::uint32_t power_milliwatts;
  std::uint32_t power_limit_milliwatts;
  std::uint32_t power_min_milliwatts;
  std::uint32_t clock_mhz[4];  // graphics, SM, memory, video
  std::uint32_t max_clock_mhz[4];
  std::uint64_t memory_total;
  std::uint64_t memory_reserved;
  std::uint64_t memory_used;  // beside what the processes hold
  std::uint64_t bar1_total;
  std::uint32_t fabric_state;  // 0: no fabric
  std::uint32_t fabric_clique;
  std::uint8_t fabric_uuid[16];
  std::uint32_t mig_capable;
  std::uint32_t mig_enabled;
  std::uint32_t mig_profile_count;
  std::uint32_t gpu_instance_count;
  std::uint32_t nvlink_count;
  std::uint32_t process_count;
  MigProfileState mig_profiles[kMaxMigProfiles];
  GpuInstanceState gpu_instances[kMaxGpuInstances];
  NvLinkState nvlinks[kMaxNvLinksPerGpu];
  ProcessState processes[kMaxProcesses];
};

// A call that fails or hangs. Readers may be unable to write, so `count` is for each process.
struct FaultState {
  std::uint32_t id;        // never used twice
  std::uint32_t hang;      // else: answer `code`
  std::uint32_t code;      // nvmlReturn_t or CUresult
  std::uint32_t count;     // calls of one process; 0: all
  std::uint32_t slot;      // of the GPU, or kWholeGpu: any
  std::uint64_t until_ns;  // CLOCK_MONOTONIC; 0: until healed
  char call[64];           // exported name, with or without suffixes; sim/node/trouble.h
};

struct EventState {
  std::uint64_t number;  // counts from 1
  std::uint32_t slot;
  std::uint32_t gpu_instance;
  std::uint32_t compute_instance;
  std::uint32_t pid;   // of the process whose fault it is; 0: of none
  std::uint64_t type;  // NVML event type
  std::uint64_t data;
};

// How busy a process kept a GPU over one period of kSamplePeriodNs of the driver's time. There is
// none of a process that did not compute in that period.
struct SampleState {
  std::uint64_t number;   // counts from 1 for each GPU
  std::uint64_t time_us;  // CLOCK_REALTIME at the period's end
  std::uint32_t pid;
  std::uint32_t sm_percent;
  std::uint32_t memory_percent;
  std::uint32_t reserved;
};

struct NodeHeader {
  std::uint64_t magic;
  std::uint32_t layout_version;
  std::uint32_t sequence;
  std::uint64_t file_size;
  std::uint64_t last_event;  // number of the newest
  std::uint64_t created_ns;  // CLOCK_MONOTONIC
  std::uint32_t driver_loaded;
  std::uint32_t cuda_version;       // 12080
  std::uint32_t only_device_nodes;  // show only GPUs whose /dev/nvidia<minor> is there
  std::uint32_t last_fault_id;
  std::uint32_t fault_count;
  std::uint32_t slot_count;   // slots ever used: gpus[0 … slot_count)
  std::uint32_t driver_pid;   // of `tranche sim driver`; 0: none serves this node
  std::uint32_t driver_died;  // the last one ended without being told to
  std::uint32_t time_scale;   // its clock goes so many times slower than the machine's; 0: as 1
  std::uint32_t reserved;
  char driver_version[32];
  char profile[64];
  FaultState faults[kMaxFaults];
};

struct NodeState {
  NodeHeader header;
  GpuState gpus[kMaxGpus];
  EventState events[kMaxEvents];  // number n is at n % kMaxEvents
  std::uint64_t last_sample[kMaxGpus];
  SampleState samples[kMaxGpus][kMaxSamples];  // number n is at n % kMaxSamples
  std::uint64_t last_account[kMaxGpus];
  AccountState accounts[kMaxGpus][kMaxAccounts];  // number n is at n % kMaxAccounts
};

// Sets a text of the state. One that is too long is cut.
template <std::size_t kSize>
void SetText(char (&field)[kSize], std::string_view text) {
  std::memset(field, 0, kSize);
  std::memcpy(field, text.data(), std::min(text.size(), kSize - 1));
}

}  // namespace tranche::sim
