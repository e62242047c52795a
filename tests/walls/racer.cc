// Programs that race for the memory of their pod: threads that allocate and free in every form, on
// several GPUs, in primary contexts and in contexts of their own.
//
//   walls_racer --threads N --rounds N [--devices N] [--piece MIB] [--seed N] [--late-contexts]
//
// Prints "ready", waits for a line, races until another one comes and so many rounds more, prints
// what came of it as JSON, and stays until its input ends. Without --late-contexts the contexts are
// there before it is ready; with it "tried" is printed once each thread has asked for its own.
// A refusal is CUDA_ERROR_OUT_OF_MEMORY; any other error ends the program.
#include <dlfcn.h>
#include <poll.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "sim/cuda/functions.h"

namespace {

using namespace tranche::sim::cuda;  // NOLINT(google-build-using-namespace): the list asks for it

constexpr std::uint64_t kMib = 1U << 20U;

// NOLINTBEGIN(bugprone-macro-parentheses): names that are declared have none
struct Cuda {
#define TRANCHE_PLAIN(name, ...) std::add_pointer_t<__VA_ARGS__> name = nullptr;
#define TRANCHE_TWICE(name, per_thread, ...) TRANCHE_PLAIN(name, __VA_ARGS__)
  TRANCHE_CUDA_FUNCTIONS(TRANCHE_PLAIN, TRANCHE_TWICE)
#undef TRANCHE_PLAIN
#undef TRANCHE_TWICE
};
// NOLINTEND(bugprone-macro-parentheses)
Cuda cuda;

[[noreturn]] void Fail(const char* what, int result) {
  std::fprintf(stderr, "%s: %d\n", what, result);
  std::_Exit(1);
}

void Load() {
  void* library = dlopen("libcuda.so.1", RTLD_NOW);
  if (library == nullptr) Fail(dlerror(), 0);
#define TRANCHE_PLAIN(name, ...) \
  cuda.name = reinterpret_cast<decltype(cuda.name)>(dlsym(library, #name));
#define TRANCHE_TWICE(name, per_thread, ...) TRANCHE_PLAIN(name, __VA_ARGS__)
  TRANCHE_CUDA_FUNCTIONS(TRANCHE_PLAIN, TRANCHE_TWICE)
#undef TRANCHE_PLAIN
#undef TRANCHE_TWICE
}

void Check(Result result, const char* what) {
  if (result != kSuccess) Fail(what, result);
}

// False where it was refused.
bool Made(Result result, const char* what) {
  if (result == kOutOfMemory) return false;
  Check(result, what);
  return true;
}

struct Options {
  int threads = 4;
  int rounds = 100;
  int devices = 1;
  int piece = 48;
  unsigned seed = 1;
  bool late_contexts = false;
};

using Free = std::function<void()>;  // empty: it was refused

std::uint64_t Pieces(std::uint64_t bytes) { return (bytes + 2 * kMib - 1) / (2 * kMib) * 2 * kMib; }

Free FreeAddress(DevicePtr at) {
  return [at] { Check(cuda.cuMemFree_v2(at), "cuMemFree_v2"); };
}

Free Plain(std::uint64_t bytes) {
  DevicePtr at = 0;
  if (!Made(cuda.cuMemAlloc_v2(&at, bytes), "cuMemAlloc_v2")) return {};
  return FreeAddress(at);
}

Free Pitched(std::uint64_t bytes) {
  DevicePtr at = 0;
  std::size_t pitch = 0;
  const Result result = cuda.cuMemAllocPitch_v2(&at, &pitch, 1000, bytes / 1024, 4);
  if (!Made(result, "cuMemAllocPitch_v2")) return {};
  return FreeAddress(at);
}

Free Managed(std::uint64_t bytes) {
  DevicePtr at = 0;
  if (!Made(cuda.cuMemAllocManaged(&at, bytes, 1), "cuMemAllocManaged")) return {};
  return FreeAddress(at);
}

bool Create(std::uint64_t bytes, int device, AllocationHandle* handle) {
  AllocationProperties properties{};
  properties.type = kAllocationPinned;
  properties.location = {.type = kLocationDevice, .id = device};
  return Made(cuda.cuMemCreate(handle, Pieces(bytes), &properties, 0), "cuMemCreate");
}

Free Physical(std::uint64_t bytes, int device) {
  AllocationHandle handle = 0;
  if (!Create(bytes, device, &handle)) return {};
  return [handle] { Check(cuda.cuMemRelease(handle), "cuMemRelease"); };
}

// As expandable segments have it: mapped, and then known by its address alone.
Free Mapped(std::uint64_t bytes, int device) {
  AllocationHandle handle = 0;
  if (!Create(bytes, device, &handle)) return {};
  DevicePtr at = 0;
  const std::size_t size = Pieces(bytes);
  Check(cuda.cuMemAddressReserve(&at, size, 0, 0, 0), "cuMemAddressReserve");
  Check(cuda.cuMemMap(at, size, 0, handle, 0), "cuMemMap");
  Check(cuda.cuMemRelease(handle), "cuMemRelease");
  return [at, size] {
    Check(cuda.cuMemUnmap(at, size), "cuMemUnmap");
    Check(cuda.cuMemAddressFree(at, size), "cuMemAddressFree");
  };
}

Free FreeArray(Array array) {
  return [array] { Check(cuda.cuArrayDestroy(array), "cuArrayDestroy"); };
}

Free Flat(std::uint64_t bytes) {
  Array array = nullptr;
  const ArrayDescriptor shape{4096, bytes / 16384, kFormatFloat, 1};
  if (!Made(cuda.cuArrayCreate_v2(&array, &shape), "cuArrayCreate_v2")) return {};
  return FreeArray(array);
}

Free Cube(std::uint64_t bytes) {
  Array array = nullptr;
  const Array3dDescriptor shape{256, 256, bytes / (4U << 16U), kFormatFloat, 1, 0};
  if (!Made(cuda.cuArray3DCreate_v2(&array, &shape), "cuArray3DCreate_v2")) return {};
  return FreeArray(array);
}

// Of one level: smaller ones share a piece, of which the driver's log tells as a whole.
Free Mipmap(std::uint64_t bytes) {
  MipmappedArray mipmap = nullptr;
  const Array3dDescriptor shape{4096, bytes / 16384, 0, kFormatFloat, 1, 0};
  const Result result = cuda.cuMipmappedArrayCreate(&mipmap, &shape, 1);
  if (!Made(result, "cuMipmappedArrayCreate")) return {};
  return [mipmap] { Check(cuda.cuMipmappedArrayDestroy(mipmap), "cuMipmappedArrayDestroy"); };
}

Free FreeOrdered(DevicePtr at) {
  return [at] {
    Check(cuda.cuMemFreeAsync(at, nullptr), "cuMemFreeAsync");
    Check(cuda.cuStreamSynchronize(nullptr), "cuStreamSynchronize");
  };
}

Free Ordered(std::uint64_t bytes) {
  DevicePtr at = 0;
  if (!Made(cuda.cuMemAllocAsync(&at, bytes, nullptr), "cuMemAllocAsync")) return {};
  return FreeOrdered(at);
}

Free FromPool(std::uint64_t bytes, MemoryPool pool) {
  DevicePtr at = 0;
  const Result result = cuda.cuMemAllocFromPoolAsync(&at, bytes, pool, nullptr);
  if (!Made(result, "cuMemAllocFromPoolAsync")) return {};
  return FreeOrdered(at);
}

MemoryPool NewPool(int device) {
  PoolProperties properties{};
  properties.allocation_type = kAllocationPinned;
  properties.location = {.type = kLocationDevice, .id = device};
  MemoryPool pool = nullptr;
  Check(cuda.cuMemPoolCreate(&pool, &properties), "cuMemPoolCreate");
  return pool;
}

void Say(const char* line) {
  std::puts(line);
  std::fflush(stdout);
}

struct Counts {
  std::atomic<long> made = 0;
  std::atomic<long> refused = 0;
  std::atomic<long> contexts_refused = 0;
};
Counts counts;
std::atomic<int> untried = 0;  // threads that have not asked for their contexts yet
std::atomic<bool> ended = false;

class Racer {
 public:
  Racer(const Options& options, int number)
      : options_(options),
        device_(number % options.devices),
        own_(number / options.devices == 3),
        chance_(options.seed * 1000003U + static_cast<unsigned>(number)) {}

  // A context of the device, or one of its own; false where it was refused.
  bool TakeContext() {
    const Result result = own_ ? cuda.cuCtxCreate_v2(&context_, 0, device_)
                               : cuda.cuDevicePrimaryCtxRetain(&context_, device_);
    if (Made(result, "context")) return true;
    ++counts.contexts_refused;
    return false;
  }

  void Run() {
    if (options_.late_contexts && !AwaitContext()) return;
    Check(cuda.cuCtxSetCurrent(context_), "cuCtxSetCurrent");
    pool_ = NewPool(device_);
    for (int left = options_.rounds; !ended || left-- > 0;) Once();
    for (const Free& free : held_) free();
    Check(cuda.cuMemPoolDestroy(pool_), "cuMemPoolDestroy");
  }

 private:
  // False: it had none yet when the race was over.
  bool AwaitContext() {
    bool made = TakeContext();
    if (--untried == 0) Say("tried");
    while (!made) {
      if (ended && options_.rounds == 0) return false;
      usleep(2000);
      made = TakeContext();
    }
    return true;
  }

  void Once() {
    if (!held_.empty() && chance_() % 100 < 45) {
      const std::size_t at = chance_() % held_.size();
      std::swap(held_[at], held_.back());
      held_.back()();
      held_.pop_back();
      return;
    }
    Free free = Allocate((1 + chance_() % static_cast<unsigned>(options_.piece)) * kMib);
    ++(free ? counts.made : counts.refused);
    if (free) held_.push_back(std::move(free));
  }

  Free Allocate(std::uint64_t bytes) {
    switch (chance_() % 10) {
      case 0:
        return Plain(bytes);
      case 1:
        return Pitched(bytes);
      case 2:
        return Managed(bytes);
      case 3:
        return Physical(bytes, device_);
      case 4:
        return Mapped(bytes, device_);
      case 5:
        return Flat(bytes);
      case 6:
        return Cube(bytes);
      case 7:
        return Mipmap(bytes);
      case 8:
        return Ordered(bytes);
      default:
        return FromPool(bytes, pool_);
    }
  }

  const Options& options_;
  const int device_;
  const bool own_;
  std::mt19937 chance_;
  Context context_ = nullptr;
  MemoryPool pool_ = nullptr;
  std::vector<Free> held_;
};

Options Parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    if (name == "--late-contexts") {
      options.late_contexts = true;
      continue;
    }
    const int value = i + 1 < argc ? std::atoi(argv[++i]) : 0;
    if (name == "--threads") options.threads = value;
    if (name == "--rounds") options.rounds = value;
    if (name == "--devices") options.devices = value;
    if (name == "--piece") options.piece = value;
    if (name == "--seed") options.seed = static_cast<unsigned>(value);
  }
  return options;
}

void ReadLine() {
  char c = 0;
  while (read(STDIN_FILENO, &c, 1) == 1 && c != '\n') {
  }
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = Parse(argc, argv);
  Load();
  Check(cuda.cuInit(0), "cuInit");
  std::vector<Racer> racers;
  for (int i = 0; i < options.threads; ++i) racers.emplace_back(options, i);
  for (Racer& racer : racers) {
    if (!options.late_contexts && !racer.TakeContext()) Fail("no context", kOutOfMemory);
  }
  untried = options.threads;
  Say("ready");
  ReadLine();
  std::vector<std::thread> threads;
  threads.reserve(racers.size());
  for (Racer& racer : racers) threads.emplace_back([&racer] { racer.Run(); });
  ReadLine();
  ended = true;
  for (std::thread& thread : threads) thread.join();
  std::printf("{\"made\":%ld,\"refused\":%ld,\"contexts_refused\":%ld}\n", counts.made.load(),
              counts.refused.load(), counts.contexts_refused.load());
  std::fflush(stdout);
  ReadLine();
  return 0;
}
