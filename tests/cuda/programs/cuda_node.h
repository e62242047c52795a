// A simulated node of a test's own with a driver process, and programs on it: each is a process
// that opens the node's libcuda.so.1 as a program would. Tests in other folders may use it too.
//
//     CudaNode node("a100x2");
//     Program program(node, [](const Cuda& cu) { EXPECT_EQ(cu.cuInit(0), kSuccess); });
//     EXPECT_TRUE(program.Ended());
//
// An EXPECT that fails in a program is printed there and makes Ended() false.
//
// Threading: one thread.
// Errors: failures of the test.
#pragma once

#include <dlfcn.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <new>
#include <string>
#include <type_traits>
#include <utility>

#include "base/testing/places.h"
#include "base/testing/temp_dir.h"
#include "sim/cuda/functions.h"
#include "sim/driver/serve.h"
#include "sim/driver/testing/driver_process.h"
#include "sim/node/node.h"

namespace tranche::sim::cuda::testing {

// All functions of the library by name.
struct Cuda {
#define TRANCHE_MEMBER(name, ...) std::add_pointer_t<__VA_ARGS__> name = nullptr;
#define TRANCHE_MEMBERS(name, per_thread, ...) \
  TRANCHE_MEMBER(name, __VA_ARGS__)            \
  TRANCHE_MEMBER(per_thread, __VA_ARGS__)
  TRANCHE_CUDA_FUNCTIONS(TRANCHE_MEMBER, TRANCHE_MEMBERS)
#undef TRANCHE_MEMBERS
#undef TRANCHE_MEMBER

  static Cuda Open(const std::string& path) {
    Cuda cuda;
    void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    EXPECT_NE(library, nullptr) << dlerror();
    if (library == nullptr) return cuda;
#define TRANCHE_LOAD(name, ...) \
  cuda.name = reinterpret_cast<decltype(cuda.name)>(dlsym(library, #name));
#define TRANCHE_LOAD_TWICE(name, per_thread, ...) \
  TRANCHE_LOAD(name, __VA_ARGS__)                 \
  TRANCHE_LOAD(per_thread, __VA_ARGS__)
    TRANCHE_CUDA_FUNCTIONS(TRANCHE_LOAD, TRANCHE_LOAD_TWICE)
#undef TRANCHE_LOAD_TWICE
#undef TRANCHE_LOAD
    return cuda;
  }
};

// A word that several processes see, to tell each other how far they are.
class SharedWord {
 public:
  SharedWord()
      : word_(new (mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0))
                  std::atomic<int>(0)) {}
  SharedWord(const SharedWord&) = delete;
  SharedWord& operator=(const SharedWord&) = delete;
  ~SharedWord() { munmap(word_, 4096); }

  void Set(int value) { *word_ = value; }
  [[nodiscard]] int Get() const { return *word_; }
  // Ends only by the word, or by the test's own time limit.
  void WaitFor(int value) const {
    while (*word_ < value) usleep(1000);
  }

 private:
  std::atomic<int>* word_;
};

class CudaNode {
 public:
  explicit CudaNode(const std::string& profile, bool with_driver = true) {
    const SimHome home{base::testing::kSimHome};
    const auto loaded = LoadProfile(home.profiles(), profile);
    EXPECT_TRUE(loaded.ok());
    const auto created = CreateNode(home, *loaded, root_.path());
    EXPECT_TRUE(created.ok());
    auto opened = Node::Open(root_.path());
    EXPECT_TRUE(opened.ok());
    node_ = std::move(*opened);
    // Names a shim that programs find in front of the node's library, below its folder
    // (tests/shim/shim.py).
    if (const char* shim = std::getenv("TRANCHE_SHIM"); shim != nullptr) PutInFront(shim);
    if (with_driver) StartDriver();
  }
  ~CudaNode() { EndDriver(SIGTERM); }
  CudaNode(const CudaNode&) = delete;
  CudaNode& operator=(const CudaNode&) = delete;

  void StartDriver(std::uint32_t time_scale = 1) {
    driver_ = std::make_unique<driver::testing::DriverProcess>(
        driver::ServeOptions{.root = root_.path(), .time_scale = time_scale, .hardware = {}});
  }
  void EndDriver(int signal) {
    if (driver_ == nullptr) return;
    driver_->End(signal);
    driver_.reset();
  }

  Node& state() { return *node_; }
  [[nodiscard]] std::string root() const { return root_.path(); }
  [[nodiscard]] std::string library() const { return library_; }

 private:
  void PutInFront(const char* shim) {
    const std::string folder = root_.path() + "/shim";
    EXPECT_EQ(mkdir(folder.c_str(), 0755), 0);
    EXPECT_EQ(mkdir((folder + "/real").c_str(), 0755), 0);
    EXPECT_EQ(symlink(library_.c_str(), (folder + "/real/libcuda.so.1").c_str()), 0);
    library_ = folder + "/libcuda.so.1";
    EXPECT_EQ(symlink(shim, library_.c_str()), 0);
  }

  base::testing::TempDir root_;
  std::string library_ = root_.path() + "/usr/lib/x86_64-linux-gnu/libcuda.so.1";
  std::unique_ptr<Node> node_;
  std::unique_ptr<driver::testing::DriverProcess> driver_;
};

class Program {
 public:
  Program(const CudaNode& node, const std::function<void(const Cuda&)>& body) {
    std::fflush(nullptr);
    pid_ = fork();
    if (pid_ != 0) return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    body(Cuda::Open(node.library()));
    std::fflush(nullptr);
    _exit(::testing::Test::HasFailure() ? 1 : 0);
  }
  ~Program() { Kill(); }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  [[nodiscard]] pid_t pid() const { return pid_; }
  // Waits for it. True: it ended by itself and nothing failed in it.
  bool Ended() {
    int status = 0;
    if (pid_ <= 0 || waitpid(pid_, &status, 0) != pid_) return false;
    pid_ = -1;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
  }
  void Kill() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }

 private:
  pid_t pid_ = -1;
};

// What most programs begin with: cuInit and a context on device 0.
inline Context Begin(const Cuda& cu, Device device = 0) {
  Context context = nullptr;
  EXPECT_EQ(cu.cuInit(0), kSuccess);
  EXPECT_EQ(cu.cuCtxCreate_v2(&context, 0, device), kSuccess);
  return context;
}

}  // namespace tranche::sim::cuda::testing
