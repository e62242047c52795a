// What the shim adds to a call: `walls_probe REAL SHIM CALLS [ROUNDS]` times calls of both
// libraries in turn and prints nanoseconds for each call as JSON. Each figure is the least of many
// short rounds: what the machine does beside is in the others. The calls are made in the first
// device's primary context, which a libcuda that does nothing may lack.
#include <dlfcn.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <type_traits>

namespace {

using Address = unsigned long long;  // NOLINT(google-runtime-int): the interface's own
using Allocate = int (*)(Address*, std::size_t);
using Free = int (*)(Address);
using OfStream = int (*)(void*);

constexpr int kRounds = 200;

// Of a driver that has contexts. The shim makes it, so that it is charged.
void EnterContext(void* shim) {
  const auto find = [shim](auto& function, const char* name) {
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(dlsym(shim, name));
  };
  int (*init)(unsigned) = nullptr;
  int (*retain)(void**, int) = nullptr;
  int (*set_current)(void*) = nullptr;
  find(init, "cuInit");
  find(retain, "cuDevicePrimaryCtxRetain");
  find(set_current, "cuCtxSetCurrent");
  void* context = nullptr;
  if (init == nullptr || set_current == nullptr || init(0) != 0) return;
  if (retain(&context, 0) != 0 || set_current(context) != 0) {
    std::fprintf(stderr, "no context can be made\n");
    std::exit(1);
  }
}

struct Library {
  explicit Library(const char* path) : handle(dlopen(path, RTLD_NOW | RTLD_LOCAL)) {
    if (handle == nullptr) {
      std::fprintf(stderr, "%s\n", dlerror());
      std::exit(1);
    }
    allocate = reinterpret_cast<Allocate>(dlsym(handle, "cuMemAlloc_v2"));
    free = reinterpret_cast<Free>(dlsym(handle, "cuMemFree_v2"));
    synchronize = reinterpret_cast<OfStream>(dlsym(handle, "cuStreamSynchronize"));
    query = reinterpret_cast<OfStream>(dlsym(handle, "cuStreamQuery"));
  }
  void* handle;
  Allocate allocate;
  Free free;
  OfStream synchronize;
  OfStream query;
};

// Nanoseconds of one call in the round in which it took least, of each library, in turn.
template <typename Body>
void Time(const char* name, const Library& real, const Library& shim, int calls, int rounds,
          Body body) {
  double least[2] = {1e12, 1e12};
  for (int round = 0; round < rounds; ++round) {
    for (int i = 0; i < 2; ++i) {
      const Library& library = i == 0 ? real : shim;
      const auto begin = std::chrono::steady_clock::now();
      for (int call = 0; call < calls; ++call) body(library);
      const std::chrono::duration<double, std::nano> took =
          std::chrono::steady_clock::now() - begin;
      least[i] = std::min(least[i], took.count() / calls);
    }
  }
  std::printf(R"("%s":{"direct_ns":%.2f,"shim_ns":%.2f},)", name, least[0], least[1]);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) return 2;
  const Library real(argv[1]);
  const Library shim(argv[2]);
  const int calls = std::atoi(argv[3]);
  const int rounds = argc > 4 ? std::atoi(argv[4]) : kRounds;
  EnterContext(shim.handle);
  std::printf("{");
  Time("allocate and free", real, shim, calls, rounds, [](const Library& library) {
    Address at = 0;
    library.allocate(&at, std::size_t{4} << 20U);
    library.free(at);
  });
  Time("synchronize", real, shim, calls, rounds,
       [](const Library& library) { library.synchronize(nullptr); });
  Time("query", real, shim, calls, rounds, [](const Library& library) { library.query(nullptr); });
  std::printf(R"("hooked":%s,"unhooked is the driver's own":%s})",
              real.synchronize == shim.synchronize ? "false" : "true",
              real.query == shim.query ? "true" : "false");
  return 0;
}
