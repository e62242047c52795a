// The arithmetic of sharing alone: no socket, no driver. Preferred allocation at the sizes at which
// NVIDIA's plugin was measured, and the largest device list the kubelet takes.
//
// Needs: tranche::share, benchmark::benchmark, benchmark::benchmark_main.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "share/advertise.h"
#include "share/placement.h"
#include "share/replica.h"

namespace {

namespace share = tranche::share;

std::string Uuid(int i) {
  return "GPU-4cf8db2d-06c0-7d70-1a51-e59b25b2c" + std::to_string(100 + i);
}

std::vector<share::PoolDevice> Pool(int devices, int replicas) {
  std::vector<share::PoolDevice> pool;
  for (int i = 0; i < devices; ++i) pool.push_back({.uuid = Uuid(i), .replicas = replicas});
  return pool;
}

// Arguments: devices, replicas of each, size. Everything is free, in no order, as the kubelet asks.
void PreferReplicas(benchmark::State& state, share::Policy policy) {
  const auto pool = Pool(static_cast<int>(state.range(0)), static_cast<int>(state.range(1)));
  share::PreferredRequest request;
  for (const share::PoolDevice& device : pool) {
    for (int k = 0; k < device.replicas; ++k) {
      request.available.push_back(share::MakeReplicaId(device.uuid, k));
    }
  }
  std::mt19937 random(1);
  std::shuffle(request.available.begin(), request.available.end(), random);
  request.size = static_cast<int>(state.range(2));
  for (auto _ : state) {
    auto picked = share::PreferReplicas(policy, pool, request);
    if (!picked.ok() || picked->size() != static_cast<std::size_t>(request.size)) {
      state.SkipWithError("no allocation");
      break;
    }
    benchmark::DoNotOptimize(picked);
  }
  state.counters["ids"] = static_cast<double>(request.available.size());
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(request.available.size()));
}

void Sizes(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgNames({"devices", "replicas", "size"});
  benchmark->Args({8, 10, 8})->Args({8, 100, 8})->Args({8, 1000, 100})->Args({1, 24576, 64});
  benchmark->Unit(benchmark::kMicrosecond);
}

BENCHMARK_CAPTURE(PreferReplicas, distributed, share::Policy::kDistributed)->Apply(Sizes);
BENCHMARK_CAPTURE(PreferReplicas, packed, share::Policy::kPacked)->Apply(Sizes);
BENCHMARK_CAPTURE(PreferReplicas, spread, share::Policy::kSpread)->Apply(Sizes);

// Arguments: GPUs, size. Scores as of a machine with a switch per pair.
void PreferWhole(benchmark::State& state) {
  const auto count = static_cast<std::size_t>(state.range(0));
  const auto pool = Pool(static_cast<int>(count), 1);
  std::vector<std::vector<int>> scores(count, std::vector<int>(count, 10));
  share::PreferredRequest request;
  for (std::size_t i = 0; i < count; ++i) {
    scores[i][i] = 0;
    scores[i][i ^ 1U] = 50;
    request.available.push_back(pool[i].uuid);
  }
  request.size = static_cast<int>(state.range(1));
  for (auto _ : state) benchmark::DoNotOptimize(share::PreferWhole(pool, scores, request));
}
BENCHMARK(PreferWhole)
    ->ArgNames({"gpus", "size"})
    ->Args({8, 1})
    ->Args({8, 2})
    ->Args({8, 4})
    ->Args({16, 4})
    ->Args({16, 8})
    ->Unit(benchmark::kMicrosecond);

std::vector<share::Unit> EightGpus() {
  std::vector<share::Unit> units;
  for (int i = 0; i < 8; ++i) {
    units.push_back({.uuid = Uuid(i),
                     .index = std::to_string(i),
                     .resource = "nvidia.com/gpu",
                     .numa_node = i / 4});
  }
  return units;
}

std::vector<share::Rule> Replicas(int count) {
  share::Rule rule;
  rule.resource = "nvidia.com/gpu";
  rule.advertise_as = rule.resource;
  rule.replicas = count;
  return {rule};
}

void Advertise(benchmark::State& state) {
  const auto units = EightGpus();
  const auto rules = Replicas(static_cast<int>(state.range(0)));
  for (auto _ : state) benchmark::DoNotOptimize(share::Advertise(units, rules));
}
BENCHMARK(Advertise)->ArgName("replicas")->Arg(4)->Arg(7500)->Unit(benchmark::kMicrosecond);

// The ids of the list that the kubelet is told.
void MakeIds(benchmark::State& state) {
  const auto out = share::Advertise(EightGpus(), Replicas(static_cast<int>(state.range(0))));
  for (auto _ : state) {
    std::vector<std::string> ids;
    ids.reserve(share::CountIds(out.resources[0]));
    for (const share::AdvertisedDevice& device : out.resources[0].devices) {
      for (int k = 0; k < device.replicas; ++k) {
        ids.push_back(share::IdOf(device.uuid, device.replicas, k));
      }
    }
    benchmark::DoNotOptimize(ids);
  }
}
BENCHMARK(MakeIds)->ArgName("replicas")->Arg(4)->Arg(7500)->Unit(benchmark::kMicrosecond);

void WorstMessageBytes(benchmark::State& state) {
  const auto out = share::Advertise(EightGpus(), Replicas(static_cast<int>(state.range(0))));
  std::uint64_t bytes = 0;
  for (auto _ : state) benchmark::DoNotOptimize(bytes = share::WorstMessageBytes(out.resources[0]));
  state.counters["bytes"] = static_cast<double>(bytes);
}
BENCHMARK(WorstMessageBytes)->ArgName("replicas")->Arg(7500)->Unit(benchmark::kMicrosecond);

}  // namespace
