#include "sim/node/mig.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <optional>
#include <vector>

namespace tranche::sim {
namespace {

using base::Code;
using base::Result;
using base::Status;

constexpr unsigned kCapMinorsPerInstance = 9;   // the GPU instance and its compute instances 0 to 7
constexpr unsigned kFirstInstanceCapMinor = 3;  // after config (1) and monitor (2)
constexpr unsigned kMemorySlices = 8;
constexpr unsigned kComputeSlices = 7;

struct Wanted {
  unsigned profile_index = 0;
  std::vector<unsigned> compute;  // slices of each compute instance
};

std::vector<std::string_view> Split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const auto end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

std::optional<unsigned> ParseNumber(std::string_view text) {
  unsigned number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

Status Bad(std::string_view item, std::string_view why) {
  return {Code::kInvalidArgument, "MIG layout: " + std::string(item) + ": " + std::string(why)};
}

Result<std::vector<unsigned>> ParseCompute(std::string_view text, unsigned slices) {
  std::vector<unsigned> compute;
  unsigned sum = 0;
  for (const std::string_view part : Split(text, '+')) {
    const auto number =
        part.ends_with('c') ? ParseNumber(part.substr(0, part.size() - 1)) : std::nullopt;
    if (!number || *number == 0 || *number > slices) {
      return Bad(part, "is no compute instance such as 1c");
    }
    sum += *number;
    compute.push_back(*number);
  }
  if (sum > slices || compute.size() > kMaxComputeInstances) {
    return Bad(text, "more compute slices than the GPU instance has");
  }
  return compute;
}

Result<std::vector<Wanted>> ParseLayout(std::string_view layout, const GpuState& gpu) {
  std::vector<Wanted> all;
  for (const std::string_view item : Split(layout, ',')) {
    const auto colon = item.find(':');
    std::string_view name = item.substr(0, colon);
    unsigned count = 1;
    if (const auto star = name.find('*'); star != std::string_view::npos) {
      count = ParseNumber(name.substr(star + 1)).value_or(0);
      name = name.substr(0, star);
    }
    if (count == 0 || count > kMaxGpuInstances) return Bad(item, "a count is 1 to 7");
    Wanted wanted;
    while (wanted.profile_index < gpu.mig_profile_count &&
           name != gpu.mig_profiles[wanted.profile_index].name) {
      ++wanted.profile_index;
    }
    if (wanted.profile_index == gpu.mig_profile_count) {
      return Bad(name, "is no MIG profile of " + std::string(gpu.name));
    }
    const unsigned slices = gpu.mig_profiles[wanted.profile_index].gpu_slices;
    wanted.compute = {slices};
    if (colon != std::string_view::npos) {
      Result<std::vector<unsigned>> compute = ParseCompute(item.substr(colon + 1), slices);
      if (!compute.ok()) return compute.status();
      wanted.compute = *compute;
    }
    all.insert(all.end(), count, wanted);
  }
  return all;
}

// First memory slice of each wanted instance, found by trying all placements the driver allows.
bool Place(const GpuState& gpu, const std::vector<Wanted>& wanted, std::size_t next,
           unsigned occupied, std::vector<unsigned>* starts) {
  if (next == wanted.size()) return true;
  const MigProfileState& profile = gpu.mig_profiles[wanted[next].profile_index];
  const unsigned mask = (1U << profile.placement_size) - 1;
  for (unsigned i = 0; i < profile.placement_count; ++i) {
    const unsigned start = profile.placement_starts[i];
    if ((occupied & (mask << start)) != 0) continue;
    starts->push_back(start);
    if (Place(gpu, wanted, next + 1, occupied | (mask << start), starts)) return true;
    starts->pop_back();
  }
  return false;
}

Status CheckCounts(const GpuState& gpu, const std::vector<Wanted>& wanted) {
  unsigned slices = 0;
  std::array<unsigned, kMaxMigProfiles> counts{};
  for (const Wanted& one : wanted) {
    const MigProfileState& profile = gpu.mig_profiles[one.profile_index];
    slices += profile.gpu_slices;
    if (++counts[one.profile_index] > profile.instances) {
      return Bad(profile.name, "more instances than the GPU allows");
    }
  }
  if (slices > kComputeSlices) return Bad("the whole", "more than seven compute slices");
  return Status::Ok();
}

// The driver numbers GPU instances by their node in the binary tree of memory slices, the upper
// half first: 0:8 is 0, 4:4 is 1, 0:4 is 2, 4:2 is 3, 6:2 is 4, 0:2 is 5, 2:2 is 6, 4:1 is 7 … 3:1
// is 14.
unsigned InstanceId(unsigned start, unsigned size) {
  const unsigned leaves = kMemorySlices / size;
  const unsigned position = start / size;
  return leaves == 1 ? 0 : leaves - 1 + (position + leaves / 2) % leaves;
}

GpuInstanceState MakeInstance(const GpuState& gpu, const Wanted& wanted, unsigned start) {
  const MigProfileState& profile = gpu.mig_profiles[wanted.profile_index];
  GpuInstanceState instance{};
  instance.id = InstanceId(start, profile.placement_size);
  instance.profile_index = wanted.profile_index;
  instance.start = start;
  unsigned first_slice = 0;
  for (const unsigned slices : wanted.compute) {
    ComputeInstanceState& compute = instance.compute_instances[instance.compute_instance_count];
    compute.id = instance.compute_instance_count++;
    compute.slices = slices;
    compute.start = first_slice;
    compute.multiprocessors = profile.multiprocessors * slices / profile.gpu_slices;
    first_slice += slices;
    const std::string seed = std::string(gpu.uuid) + "/" + std::to_string(instance.id) + "/" +
                             std::to_string(compute.id) + "/" + profile.name;
    SetText(compute.uuid, DeriveUuid("MIG-", seed));
  }
  return instance;
}

std::uint64_t Fnv1a(std::string_view text, std::uint64_t hash) {
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3;
  hash ^= hash >> 29;  // FNV leaves the upper bits poorly mixed
  return (hash * 0xBF58476D1CE4E5B9) ^ (hash >> 32);
}

}  // namespace

Status ApplyMigLayout(std::string_view layout, GpuState* gpu) {
  if (!gpu->mig_capable) return {Code::kFailedPrecondition, "this GPU has no MIG"};
  std::vector<Wanted> wanted;
  if (layout != "off" && layout != "on" && !layout.empty()) {
    Result<std::vector<Wanted>> parsed = ParseLayout(layout, *gpu);
    if (!parsed.ok()) return parsed.status();
    wanted = *parsed;
  }
  std::stable_sort(wanted.begin(), wanted.end(), [&](const Wanted& a, const Wanted& b) {
    return gpu->mig_profiles[a.profile_index].placement_size >
           gpu->mig_profiles[b.profile_index].placement_size;
  });
  if (Status counts = CheckCounts(*gpu, wanted); !counts.ok()) return counts;
  std::vector<unsigned> starts;
  if (!Place(*gpu, wanted, 0, 0, &starts)) return Bad(layout, "the instances do not fit together");
  gpu->mig_enabled = layout != "off" && !layout.empty() ? 1 : 0;
  gpu->gpu_instance_count = 0;
  std::memset(gpu->gpu_instances, 0, sizeof gpu->gpu_instances);
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    gpu->gpu_instances[gpu->gpu_instance_count++] = MakeInstance(*gpu, wanted[i], starts[i]);
  }
  return Status::Ok();
}

std::string MigDeviceName(const MigProfileState& profile, const ComputeInstanceState& compute) {
  if (compute.slices == profile.gpu_slices) return profile.name;
  return std::to_string(compute.slices) + "c." + profile.name;
}

std::string DeriveUuid(std::string_view prefix, std::string_view seed) {
  const std::uint64_t high = Fnv1a(seed, 0xCBF29CE484222325);
  const std::uint64_t low = Fnv1a(seed, high ^ 0x9E3779B97F4A7C15);
  std::array<char, 40> text{};
  std::snprintf(text.data(), text.size(), "%08x-%04x-5%03x-%04x-%012llx",
                static_cast<unsigned>(high >> 32), static_cast<unsigned>(high >> 16) & 0xFFFF,
                static_cast<unsigned>(high) & 0xFFF,
                (static_cast<unsigned>(low >> 48) & 0x3FFF) | 0x8000,
                static_cast<unsigned long long>(low & 0xFFFFFFFFFFFF));
  return std::string(prefix) + text.data();
}

unsigned GpuInstanceCapMinor(unsigned gpu_minor, unsigned gpu_instance) {
  return kFirstInstanceCapMinor +
         (gpu_minor * kMaxInstanceId + gpu_instance) * kCapMinorsPerInstance;
}

unsigned ComputeInstanceCapMinor(unsigned gpu_minor, unsigned gpu_instance, unsigned compute) {
  return GpuInstanceCapMinor(gpu_minor, gpu_instance) + 1 + compute;
}

}  // namespace tranche::sim
