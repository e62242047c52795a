#include "sim/workloads/session.h"

#include <algorithm>
#include <csignal>
#include <cstdio>

#include "sim/workloads/kernels.h"

namespace tranche::sim::workloads {
namespace {

volatile std::sig_atomic_t stopped = 0;

}  // namespace

void Session::Stop() { stopped = 1; }

bool Session::Fail(const std::string& why) {
  if (outcome_.failed[0] == '\0') {
    std::snprintf(outcome_.failed, sizeof outcome_.failed, "%s", why.c_str());
  }
  return false;
}

bool Session::Do(cuda::Result result, const char* call) {
  if (result == cuda::kSuccess) return true;
  const char* name = cuda_.NameOf(result);
  CountError(outcome_, result, name);
  return Fail(std::string(call) + ": " + name);
}

bool Session::Open() {
  if (const std::string missing = cuda_.Load(); !missing.empty()) return Fail(missing);
  if (!Do(cuda_.cuInit(0), "cuInit")) return false;
  if (const cuda::SimTable* table = cuda_.Simulated(); table != nullptr) {
    std::uint64_t epoch = 0;
    unsigned scale = 1;
    if (!Do(table->clock(&epoch, &scale), "the simulated driver's clock")) return false;
    clock_ = DriverClock(epoch, std::max(1U, scale));
    outcome_.simulated = 1;
  }
  outcome_.time_scale = clock_.scale();
  return OpenDevice() && LoadKernels();
}

bool Session::OpenDevice() {
  cuda::Device device = 0;
  if (!Do(cuda_.cuDeviceGet(&device, static_cast<int>(settings_.device)), "cuDeviceGet") ||
      !Do(cuda_.cuDeviceGetName(outcome_.device, sizeof outcome_.device, device),
          "cuDeviceGetName")) {
    return false;
  }
  cuda::Context context = nullptr;
  return Do(cuda_.cuDevicePrimaryCtxRetain(&context, device), "cuDevicePrimaryCtxRetain") &&
         Do(cuda_.cuCtxSetCurrent(context), "cuCtxSetCurrent");
}

bool Session::LoadKernels() {
  cuda::Module module = nullptr;
  if (!Do(cuda_.cuModuleLoadData(&module, kKernels), "cuModuleLoadData")) return false;
  const struct {
    const char* name;
    cuda::Function* function;
  } all[] = {{"spin", &kernels_.spin},
             {"fill", &kernels_.fill},
             {"copy", &kernels_.copy},
             {"add", &kernels_.add}};
  return std::all_of(std::begin(all), std::end(all), [&](const auto& kernel) {
    return Do(cuda_.cuModuleGetFunction(kernel.function, module, kernel.name),
              "cuModuleGetFunction");
  });
}

void Session::Begin(std::int64_t time) {
  clock_.SleepUntil(time);
  lateness_.Meet(time, clock_.Now());
  outcome_.begin_ns = time;
  over_at_ = time + settings_.duration_ns;
}

bool Session::Over() const { return stopped != 0 || clock_.Now() >= over_at_; }

void Session::End() {
  outcome_.end_ns = outcome_.begin_ns == 0 ? 0 : clock_.Now();
  outcome_.late_ns = lateness_.total_ns();
  outcome_.worst_late_ns = lateness_.worst_ns();
  // What it held has gone with its context, whichever call was the first to notice.
  std::size_t free = 0;
  std::size_t total = 0;
  if (failed() && outcome_.memory_bytes > 0 &&
      cuda_.cuMemGetInfo_v2(&free, &total) != cuda::kSuccess) {
    outcome_.memory_bytes = 0;
  }
}

bool Session::Meet(std::int64_t deadline) {
  clock_.SleepUntil(std::min(deadline, over_at_));
  if (deadline >= over_at_ || Over()) return false;
  lateness_.Meet(deadline, clock_.Now());
  return true;
}

bool Session::Launch(cuda::Stream stream) {
  auto nanoseconds = static_cast<std::uint64_t>(DrawKernel());
  void* parameters[] = {&nanoseconds};
  const bool may_block = outcome_.launched - outcome_.done >= kQueueLength;
  const std::int64_t called = clock_.Now();
  const cuda::Result result =
      cuda_.cuLaunchKernel(kernels_.spin, 1, 1, 1, 1, 1, 1, 0, stream, parameters, nullptr);
  if (!Do(result, "cuLaunchKernel")) return false;
  ++outcome_.launched;
  if (may_block) outcome_.blocked_ns += clock_.Now() - called;
  return true;
}

bool Session::Look() {
  std::size_t free = 0;
  std::size_t total = 0;
  if (Do(cuda_.cuMemGetInfo_v2(&free, &total), "cuMemGetInfo")) return true;
  outcome_.memory_bytes = 0;  // gone with the context
  return false;
}

cuda::DevicePtr Session::Take(std::uint64_t bytes) {
  cuda::DevicePtr memory = 0;
  const cuda::Result result = cuda_.cuMemAlloc_v2(&memory, bytes);
  if (result == cuda::kOutOfMemory) {
    CountError(outcome_, result, cuda_.NameOf(result));
    return 0;
  }
  if (!Do(result, "cuMemAlloc")) return 0;
  ++outcome_.allocations;
  outcome_.memory_bytes += bytes;
  outcome_.memory_peak_bytes = std::max(outcome_.memory_peak_bytes, outcome_.memory_bytes);
  return memory;
}

void Session::GiveBack(cuda::DevicePtr memory, std::uint64_t bytes) {
  if (Do(cuda_.cuMemFree_v2(memory), "cuMemFree")) outcome_.memory_bytes -= bytes;
}

}  // namespace tranche::sim::workloads
