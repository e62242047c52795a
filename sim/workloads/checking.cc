#include "sim/workloads/checking.h"

#include <bit>
#include <cstdio>
#include <vector>

namespace tranche::sim::workloads {
namespace {

constexpr unsigned kBlock = 256;

struct Arrays {
  cuda::DevicePtr filled = 0;
  cuda::DevicePtr given = 0;
  cuda::DevicePtr sums = 0;
  cuda::DevicePtr copied = 0;
};

bool Run(Session& session, cuda::Function kernel, unsigned count, void** parameters) {
  ++session.outcome().launched;
  return session.Do(session.cuda().cuLaunchKernel(kernel, (count + kBlock - 1) / kBlock, 1, 1,
                                                  kBlock, 1, 1, 0, nullptr, parameters, nullptr),
                    "cuLaunchKernel");
}

bool Compute(Session& session, Arrays arrays, float value, unsigned count) {
  auto bits = std::bit_cast<std::uint32_t>(value);
  void* fill[] = {&arrays.filled, &bits, &count};
  void* add[] = {&arrays.sums, &arrays.filled, &arrays.given, &count};
  void* copy[] = {&arrays.copied, &arrays.sums, &count};
  const Kernels& kernels = session.kernels();
  return Run(session, kernels.fill, count, fill) && Run(session, kernels.add, count, add) &&
         Run(session, kernels.copy, count, copy);
}

bool Compare(Session& session, const std::vector<float>& given, const std::vector<float>& result,
             float value) {
  for (std::size_t i = 0; i < given.size(); ++i) {
    if (result[i] == given[i] + value) continue;
    char text[160];
    std::snprintf(
        text, sizeof text, "wrong result: element %zu is %g, and %g + %g was to be computed", i,
        static_cast<double>(result[i]), static_cast<double>(given[i]), static_cast<double>(value));
    return session.Fail(text);
  }
  return true;
}

}  // namespace

void RunCheck(Session& session) {
  const std::uint64_t elements = session.settings().memory_bytes / sizeof(float);
  const auto count = static_cast<unsigned>(elements);
  const std::uint64_t bytes = elements * sizeof(float);
  Arrays arrays;
  for (cuda::DevicePtr* array : {&arrays.filled, &arrays.given, &arrays.sums, &arrays.copied}) {
    *array = session.Take(bytes);
    if (*array == 0) {
      session.Fail("cuMemAlloc: memory for the arrays is refused");
      return;
    }
  }
  std::vector<float> given(elements);
  std::vector<float> result(elements);
  float round = 0;
  do {  // one comparison at least: without any there is nothing to report
    ++round;
    for (std::size_t i = 0; i < elements; ++i) given[i] = static_cast<float>(i % 4096) + round;
    const CudaLibrary& cuda = session.cuda();
    if (!session.Do(cuda.cuMemcpyHtoD_v2(arrays.given, given.data(), bytes), "cuMemcpyHtoD") ||
        !Compute(session, arrays, round, count) ||
        !session.Do(cuda.cuMemcpyDtoH_v2(result.data(), arrays.copied, bytes), "cuMemcpyDtoH") ||
        !Compare(session, given, result, round)) {
      return;
    }
    session.outcome().done = session.outcome().launched;
    ++session.outcome().requests;
  } while (!session.Over());
}

}  // namespace tranche::sim::workloads
