// A program that begins to use CUDA, and says how long that took. In nanoseconds, on
// CLOCK_MONOTONIC, as JSON.
//
//   walls_start_probe start       waits for the end of its input; then: loading the library and
//                                 cuInit; the first question that needs the pod's wall; the same
//                                 again; the first context; the first allocation
//   walls_start_probe attach      the same without the context and what follows it; also when the
//                                 first question was answered, and how long of it the program was
//                                 ready and waited for a processor
//   walls_start_probe hold MIB    takes so much in 16 MiB pieces, or all there is for 0; says how
//                                 many MiB it has, and keeps them
//   walls_start_probe await MIB   waits for a line; then asks for so much, which is refused, says
//   so,
//                                 asks until it gets it, and says when that was
#include <dlfcn.h>
#include <time.h>  // NOLINT(modernize-deprecated-headers): clock_gettime
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <type_traits>

namespace {

constexpr std::size_t kMib = 1U << 20U;

std::int64_t Now() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

// How long this thread has been ready and had no processor: the second figure (proc(5)).
std::int64_t Waited() {
  long ran = 0;
  long waited = 0;
  std::FILE* file = std::fopen("/proc/thread-self/schedstat", "r");
  if (file == nullptr) return 0;
  const int read = std::fscanf(file, "%ld %ld", &ran, &waited);
  std::fclose(file);
  return read == 2 ? waited : 0;
}

struct Cuda {
  Cuda() {
    void* library = dlopen("libcuda.so.1", RTLD_NOW);
    if (library == nullptr) {
      std::fprintf(stderr, "%s\n", dlerror());
      std::_Exit(1);
    }
    const auto find = [library](auto& function, const char* name) {
      function =
          reinterpret_cast<std::remove_reference_t<decltype(function)>>(dlsym(library, name));
    };
    find(init, "cuInit");
    find(total, "cuDeviceTotalMem_v2");
    find(retain, "cuDevicePrimaryCtxRetain");
    find(set_current, "cuCtxSetCurrent");
    find(allocate, "cuMemAlloc_v2");
  }
  int (*init)(unsigned) = nullptr;
  int (*total)(std::size_t*, int) = nullptr;
  int (*retain)(void**, int) = nullptr;
  int (*set_current)(void*) = nullptr;
  int (*allocate)(std::uint64_t*, std::size_t) = nullptr;
};

void Check(int result, const char* what) {
  if (result == 0) return;
  std::fprintf(stderr, "%s: %d\n", what, result);
  std::_Exit(1);
}

void AwaitEndOfInput() {
  char c = 0;
  while (read(STDIN_FILENO, &c, 1) > 0) {
  }
}

void Begin(const Cuda& cuda) {
  void* context = nullptr;
  Check(cuda.init(0), "cuInit");
  Check(cuda.retain(&context, 0), "cuDevicePrimaryCtxRetain");
  Check(cuda.set_current(context), "cuCtxSetCurrent");
}

void Ready() {
  std::puts("ready");
  std::fflush(stdout);
}

int Attach() {
  Ready();
  AwaitEndOfInput();
  const std::int64_t began = Now();
  const Cuda cuda;
  Check(cuda.init(0), "cuInit");
  const std::int64_t init = Now();
  std::size_t bytes = 0;
  const std::int64_t waited = Waited();
  const std::int64_t asked = Now();
  Check(cuda.total(&bytes, 0), "cuDeviceTotalMem_v2");
  const std::int64_t answered = Now();
  const std::int64_t waited_then = Waited();
  std::printf(R"({"init":%ld,"attach":%ld,"waited":%ld,"at":%ld,"total":%zu})"
              "\n",
              init - began, answered - asked, waited_then - waited, answered, bytes);
  return 0;
}

int Start() {
  Ready();
  AwaitEndOfInput();
  std::int64_t at[6] = {Now()};
  const Cuda cuda;
  Check(cuda.init(0), "cuInit");
  at[1] = Now();
  std::size_t bytes = 0;
  Check(cuda.total(&bytes, 0), "cuDeviceTotalMem_v2");
  at[2] = Now();
  Check(cuda.total(&bytes, 0), "cuDeviceTotalMem_v2");
  at[3] = Now();
  void* context = nullptr;
  Check(cuda.retain(&context, 0), "cuDevicePrimaryCtxRetain");
  at[4] = Now();
  std::uint64_t memory = 0;
  Check(cuda.set_current(context), "cuCtxSetCurrent");
  Check(cuda.allocate(&memory, 2 * kMib), "cuMemAlloc_v2");
  at[5] = Now();
  std::printf(R"({"init":%ld,"attach":%ld,"again":%ld,"context":%ld,"allocate":%ld,"total":%zu})"
              "\n",
              at[1] - at[0], at[2] - at[1], at[3] - at[2], at[4] - at[3], at[5] - at[4], bytes);
  return 0;
}

int Hold(std::size_t mib) {
  const Cuda cuda;
  Begin(cuda);
  constexpr std::size_t kPiece = 16;
  std::size_t held = 0;
  std::uint64_t memory = 0;
  while ((mib == 0 || held < mib) && cuda.allocate(&memory, kPiece * kMib) == 0) held += kPiece;
  std::printf("%zu\n", held);
  std::fflush(stdout);
  AwaitEndOfInput();
  return 0;
}

int Await(std::size_t mib) {
  const Cuda cuda;
  Begin(cuda);
  Ready();
  char c = 0;
  while (read(STDIN_FILENO, &c, 1) == 1 && c != '\n') {
  }
  std::uint64_t memory = 0;
  if (cuda.allocate(&memory, mib * kMib) == 0) Check(-1, "there was room at once");
  Ready();
  while (cuda.allocate(&memory, mib * kMib) != 0) usleep(50);
  std::printf("%ld\n", Now());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const char* what = argc > 1 ? argv[1] : "";
  const std::size_t mib = argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 0;
  if (std::strcmp(what, "start") == 0) return Start();
  if (std::strcmp(what, "attach") == 0) return Attach();
  if (std::strcmp(what, "hold") == 0) return Hold(mib);
  if (std::strcmp(what, "await") == 0) return Await(mib);
  return 2;
}
