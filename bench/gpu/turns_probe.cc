// Keeps a GPU computing for a while and prints as JSON when the GPU really computed for it: the
// gaps are other contexts' turns. Two of them at once show how a GPU shares its time.
//
//   turns_probe SECONDS START-AT      (START-AT: what CLOCK_MONOTONIC reads when it begins; 0: now)
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>
#include <vector>

#include "bench/gpu/turns_kernel.h"
#include "sim/workloads/library.h"

namespace tranche::bench {
namespace {

namespace cuda = sim::cuda;
using sim::workloads::CudaLibrary;

constexpr std::uint32_t kCapacity = 65536;  // of gaps

struct Span {
  std::uint64_t begin_ns;
  std::uint64_t end_ns;
};

class Probe {
 public:
  // All of it. False: a call failed, and a word about it is on stderr.
  bool Run(double seconds, double start_at) {
    if (const std::string missing = cuda_.Load(); !missing.empty()) {
      std::fprintf(stderr, "turns_probe: %s\n", missing.c_str());
      return false;
    }
    return Open() && Watch(seconds, start_at);
  }

  void Print() const {
    std::printf("{\"device\": \"%s\", \"simulated\": %s, \"begin_ns\": %llu, \"end_ns\": %llu,\n",
                device_, cuda_.Simulated() != nullptr ? "true" : "false",
                Number(spans_[0].begin_ns), Number(spans_[0].end_ns));
    std::printf(" \"gaps\": [");
    for (std::size_t i = 1; i < spans_.size() && spans_[i].begin_ns != 0; ++i) {
      std::printf("%s[%llu, %llu]", i == 1 ? "" : ", ", Number(spans_[i].begin_ns),
                  Number(spans_[i].end_ns));
    }
    std::puts("]}");
  }

 private:
  static unsigned long long Number(std::uint64_t value) { return value; }

  bool Do(cuda::Result result, const char* call) const {
    if (result == cuda::kSuccess) return true;
    std::fprintf(stderr, "turns_probe: %s: %s\n", call, cuda_.NameOf(result));
    return false;
  }

  bool Open() {
    cuda::Device device = 0;
    cuda::Context context = nullptr;
    cuda::Module module = nullptr;
    return Do(cuda_.cuInit(0), "cuInit") && Do(cuda_.cuDeviceGet(&device, 0), "cuDeviceGet") &&
           Do(cuda_.cuDeviceGetName(device_, sizeof device_, device), "cuDeviceGetName") &&
           Do(cuda_.cuDevicePrimaryCtxRetain(&context, device), "cuDevicePrimaryCtxRetain") &&
           Do(cuda_.cuCtxSetCurrent(context), "cuCtxSetCurrent") &&
           Do(cuda_.cuModuleLoadData(&module, kTurnsKernel), "cuModuleLoadData") &&
           Do(cuda_.cuModuleGetFunction(&watch_, module, "watch"), "cuModuleGetFunction");
  }

  bool Watch(double seconds, double start_at) {
    const std::size_t bytes = spans_.size() * sizeof(Span);
    cuda::DevicePtr records = 0;
    cuda::Stream stream = nullptr;
    if (!Do(cuda_.cuMemAlloc_v2(&records, bytes), "cuMemAlloc") ||
        !Do(cuda_.cuMemcpyHtoD_v2(records, spans_.data(), bytes), "cuMemcpyHtoD") ||
        !Do(cuda_.cuStreamCreate(&stream, cuda::kStreamNonBlocking), "cuStreamCreate")) {
      return false;
    }
    auto span_ns = static_cast<std::uint64_t>(seconds * 1e9);
    std::uint32_t capacity = kCapacity;
    void* parameters[] = {&span_ns, &records, &capacity};
    const timespec when{
        static_cast<time_t>(start_at),
        static_cast<long>((start_at - static_cast<double>(static_cast<time_t>(start_at))) * 1e9)};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &when, nullptr);
    return Do(cuda_.cuLaunchKernel(watch_, 1, 1, 1, 1, 1, 1, 0, stream, parameters, nullptr),
              "cuLaunchKernel") &&
           Do(cuda_.cuStreamSynchronize(stream), "cuStreamSynchronize") &&
           Do(cuda_.cuMemcpyDtoH_v2(spans_.data(), records, bytes), "cuMemcpyDtoH");
  }

  CudaLibrary cuda_;
  cuda::Function watch_ = nullptr;
  char device_[128] = "";
  std::vector<Span> spans_ = std::vector<Span>(kCapacity + 1);
};

}  // namespace
}  // namespace tranche::bench

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fputs("usage: turns_probe SECONDS START-AT\n", stderr);
    return 2;
  }
  tranche::bench::Probe probe;
  if (!probe.Run(std::strtod(argv[1], nullptr), std::strtod(argv[2], nullptr))) return 1;
  probe.Print();
  return 0;
}
