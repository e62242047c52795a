#include "sim/node/state_reader.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <ctime>

namespace tranche::sim {
namespace {

// Runs `copy` until no writer was at work meanwhile. A writer that died leaves the number odd for
// ever: after a second the bytes are taken as they are.
template <typename Copy>
void Consistently(const NodeState* state, Copy copy) {
  const std::uint64_t deadline = MonotonicNs() + 1'000'000'000;
  for (unsigned tries = 0;; ++tries) {
    const std::uint32_t before = __atomic_load_n(&state->header.sequence, __ATOMIC_ACQUIRE);
    if ((before & 1) == 0 || MonotonicNs() > deadline) {
      copy();
      __atomic_thread_fence(__ATOMIC_ACQUIRE);
      const std::uint32_t after = __atomic_load_n(&state->header.sequence, __ATOMIC_RELAXED);
      if (before == after || MonotonicNs() > deadline) return;
    }
    if (tries % 16 == 15) {
      const timespec nap{0, 100'000};
      nanosleep(&nap, nullptr);
    }
  }
}

// What a ring holds from number `first` on, oldest first. Number n lies at n % kSize.
template <typename Entry, std::size_t kSize>
void TakeRing(const Entry (&ring)[kSize], std::uint64_t last, std::uint64_t first,
              std::vector<Entry>* out) {
  out->clear();
  const std::uint64_t oldest = last >= kSize ? last - kSize + 1 : 1;
  for (std::uint64_t number = std::max(first, oldest); number <= last; ++number) {
    out->push_back(ring[number % kSize]);
  }
}

bool HasThisLayout(const NodeState& state) {
  return state.header.magic == kStateMagic && state.header.layout_version == kLayoutVersion &&
         state.header.file_size == sizeof(NodeState);
}

// Counts index arrays: a damaged file must not lead beyond them.
void Bound(GpuState* gpu) {
  gpu->mig_profile_count = std::min(gpu->mig_profile_count, kMaxMigProfiles);
  gpu->gpu_instance_count = std::min(gpu->gpu_instance_count, kMaxGpuInstances);
  gpu->nvlink_count = std::min(gpu->nvlink_count, kMaxNvLinksPerGpu);
  gpu->process_count = std::min(gpu->process_count, kMaxProcesses);
  for (GpuInstanceState& instance : gpu->gpu_instances) {
    instance.profile_index = std::min(instance.profile_index, kMaxMigProfiles - 1);
    instance.id = std::min(instance.id, kMaxInstanceId - 1);
    instance.compute_instance_count =
        std::min(instance.compute_instance_count, kMaxComputeInstances);
    for (ComputeInstanceState& compute : instance.compute_instances) {
      compute.id = std::min(compute.id, kMaxComputeInstances - 1);
    }
  }
}

}  // namespace

std::uint64_t MonotonicNs() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 +
         static_cast<std::uint64_t>(now.tv_nsec);
}

std::uint64_t RealtimeUs() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000 +
         static_cast<std::uint64_t>(now.tv_nsec) / 1000;
}

std::unique_ptr<StateReader> StateReader::Open(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return nullptr;
  struct stat about {};
  void* mapped = MAP_FAILED;
  if (fstat(fd, &about) == 0 && about.st_size >= static_cast<off_t>(sizeof(NodeState))) {
    mapped = mmap(nullptr, sizeof(NodeState), PROT_READ, MAP_SHARED, fd, 0);
  }
  close(fd);
  if (mapped == MAP_FAILED) return nullptr;
  const auto* state = static_cast<const NodeState*>(mapped);
  if (!HasThisLayout(*state)) {
    munmap(mapped, sizeof(NodeState));
    return nullptr;
  }
  return std::unique_ptr<StateReader>(new StateReader(state));
}

StateReader::~StateReader() { munmap(const_cast<NodeState*>(state_), sizeof(NodeState)); }

std::uint32_t StateReader::Sequence() const {
  return __atomic_load_n(&state_->header.sequence, __ATOMIC_ACQUIRE);
}

void StateReader::Read(NodeSnapshot* out) const {
  Consistently(state_, [&] {
    std::memcpy(&out->header, &state_->header, sizeof(NodeHeader));
    out->header.slot_count = std::min(out->header.slot_count, kMaxGpus);
    out->header.fault_count = std::min(out->header.fault_count, kMaxFaults);
    out->gpus.resize(out->header.slot_count);
    if (!out->gpus.empty()) {
      std::memcpy(out->gpus.data(), state_->gpus, out->gpus.size() * sizeof(GpuState));
    }
  });
  for (GpuState& gpu : out->gpus) Bound(&gpu);
}

void StateReader::ReadHeader(NodeHeader* out) const {
  Consistently(state_, [&] { std::memcpy(out, &state_->header, sizeof(NodeHeader)); });
  out->slot_count = std::min(out->slot_count, kMaxGpus);
  out->fault_count = std::min(out->fault_count, kMaxFaults);
}

std::vector<EventState> StateReader::EventsFrom(std::uint64_t first) const {
  std::vector<EventState> events;
  Consistently(state_,
               [&] { TakeRing(state_->events, state_->header.last_event, first, &events); });
  return events;
}

std::vector<SampleState> StateReader::SamplesFrom(unsigned slot, std::uint64_t after_us) const {
  std::vector<SampleState> samples;
  if (slot >= kMaxGpus) return samples;
  Consistently(state_,
               [&] { TakeRing(state_->samples[slot], state_->last_sample[slot], 1, &samples); });
  std::erase_if(samples, [&](const SampleState& sample) { return sample.time_us <= after_us; });
  return samples;
}

std::vector<AccountState> StateReader::Accounts(unsigned slot) const {
  std::vector<AccountState> accounts;
  if (slot >= kMaxGpus) return accounts;
  Consistently(state_,
               [&] { TakeRing(state_->accounts[slot], state_->last_account[slot], 1, &accounts); });
  return accounts;
}

void StateReader::WaitForChange(std::uint32_t seen, std::uint64_t timeout_ns) const {
  const timespec timeout{static_cast<time_t>(timeout_ns / 1'000'000'000),
                         static_cast<long>(timeout_ns % 1'000'000'000)};
  syscall(SYS_futex, &state_->header.sequence, FUTEX_WAIT, seen, &timeout, nullptr, 0);
}

}  // namespace tranche::sim
