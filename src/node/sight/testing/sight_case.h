// Sight with a GPU that is sampled, two pods (7 is a process of "a", 8 of "b") and the host (9):
// the fixture of its tests.
//
// Threading: one thread.
// Errors: none.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "gpu/testing/inventories.h"
#include "node/sight/sight.h"
#include "node/sight/testing/sampled_gpu.h"

namespace tranche::node::sight::testing {

inline constexpr std::uint64_t kStart = 1'700'000'000'000'000;
inline constexpr std::uint64_t kGi = 1ULL << 30U;

inline Holder PodNamed(const std::string& name) {
  return {.pod_namespace = "team", .pod = name, .container = "main", .pod_uid = "uid-" + name};
}

class SightTest : public ::testing::Test {
 protected:
  SightTest() {
    PutPod(7, "a");
    PutPod(8, "b");
    whose_[9] = {.kind = Whose::Kind::kHost, .holder = {}};
  }
  void PutPod(unsigned pid, const std::string& name) {
    whose_[pid] = {.kind = Whose::Kind::kPod, .holder = PodNamed(name)};
  }
  void Put(unsigned pid, std::uint64_t memory) { memory_[pid] = memory; }

  // A second in which these compute, and a look.
  void Second(const std::map<unsigned, double>& percents) {
    gpu_.Run(percents, 6);
    Look();
  }
  void Look() {
    const gpu::UsageQuery query = sight_.Queries(inventory_)[0];
    gpu::DeviceUsage usage{.uuid = "GPU-0"};
    usage.process_samples = gpu_.ProcessSamples(query.process_samples_after_us);
    usage.busy_samples = gpu_.BusySamples(query.busy_samples_after_us);
    usage.processes.emplace();
    std::uint64_t used = kGi;
    for (const auto& [pid, memory] : memory_) {
      usage.processes->push_back({.pid = pid, .memory_bytes = memory});
      used += memory;
    }
    usage.memory = {.total = 80 * kGi, .used = used, .free = 80 * kGi - used, .reserved = 0};
    usage.readings.energy_millijoules = energy_ += 300'000;
    sight_.Add(inventory_, {.status = {}, .time_us = gpu_.now_us(), .devices = {usage}});
  }
  const Account& Gpu() { return sight_.accounts().at("GPU-0"); }
  const PodUse& Of(const std::string& pod) { return Gpu().pods.at(PodNamed(pod)); }

  gpu::Inventory inventory_ = gpu::testing::Gpus(1);
  SampledGpu gpu_{kStart};
  std::map<unsigned, std::uint64_t> memory_;
  std::map<unsigned, Whose> whose_;
  std::map<std::string, bool> alive_;
  std::uint64_t energy_ = 1000;
  std::set<std::string> names_;  // ids of containers of pod a of which the name is known
  Sight sight_{
      {.whose =
           [this](unsigned pid) {
             const auto known = whose_.find(pid);
             return known == whose_.end() ? Whose{} : known->second;
           },
       .alive = [this](const Holder& holder) -> std::optional<bool> {
         const auto known = alive_.find(holder.pod);
         if (known == alive_.end()) return std::nullopt;
         return known->second;
       },
       .named = [this](const std::string& pod_uid, const std::string& id) -> std::optional<Holder> {
         if (pod_uid != "uid-a" || !names_.contains(id)) return std::nullopt;
         return PodNamed("a");
       }}};
};

}  // namespace tranche::node::sight::testing
