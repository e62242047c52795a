// The simulated hardware alone: kernels a second of real time, without driver, sockets or clients.
//
// Needs: tranche::sim_engine, benchmark::benchmark, benchmark::benchmark_main.
#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "sim/engine/engine.h"

namespace {

namespace engine = tranche::sim::engine;

class Silent : public engine::Observer {
 public:
  void OnDone(engine::StreamId /*stream*/, const engine::Task& /*task*/, engine::Time /*begun*/,
              engine::Time /*ended*/) override {
    ++done;
  }
  void OnHost(engine::StreamId /*stream*/, const engine::Task& /*task*/,
              engine::Time /*at*/) override {}
  void OnComputed(engine::UnitId /*unit*/, engine::ContextId /*context*/, engine::Time /*begun*/,
                  engine::Time /*ended*/) override {}
  void OnSwitched(engine::UnitId /*unit*/, engine::ContextId /*to*/, engine::Time /*begun*/,
                  engine::Time /*ended*/) override {}

  std::int64_t done = 0;
};

// Arguments: contexts, streams of each, the length of a kernel in us. Each context keeps its queue
// of 1,024 launches full.
void Kernels(benchmark::State& state) {
  constexpr std::size_t kQueue = 1024;
  const auto streams_each = static_cast<std::size_t>(state.range(1));
  Silent silent;
  engine::Engine hardware(silent);
  const engine::UnitId unit = hardware.AddUnit({});
  std::vector<engine::StreamId> streams;
  for (int i = 0; i < state.range(0); ++i) {
    const engine::ContextId context = hardware.AddContext(unit);
    for (std::size_t j = 0; j < streams_each; ++j) {
      streams.push_back(hardware.AddStream(context, engine::StreamKind::kBlocking));
    }
  }
  std::uint64_t number = 0;
  for ([[maybe_unused]] const auto round : state) {
    for (const engine::StreamId stream : streams) {
      while (hardware.Pending(stream) < kQueue / streams_each) {
        hardware.Submit(stream, {.work = engine::Work::kKernel,
                                 .number = ++number,
                                 .submitted = hardware.now(),
                                 .length = state.range(2) * 1000});
      }
    }
    hardware.AdvanceTo(hardware.now() + 10'000'000);
  }
  state.SetItemsProcessed(silent.done);
}
BENCHMARK(Kernels)
    ->ArgNames({"contexts", "streams", "us"})
    ->Args({1, 1, 10})
    ->Args({1, 16, 10})
    ->Args({16, 1, 10})
    ->Args({16, 1, 1000})
    ->Args({16, 16, 10});

}  // namespace
