// A node is found from its library wherever that has gone. The library is opened as a program
// would open it, and asked how many GPUs there are.
#include "sim/node/find.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/testing/places.h"
#include "base/testing/temp_dir.h"
#include "gpu/nvml/functions.h"
#include "sim/node/node.h"

namespace tranche::sim {
namespace {

namespace fs = std::filesystem;

constexpr int kNotThere = -1;  // the library was opened and found no node

// GPUs that the library at `path` shows.
int CountGpus(const std::string& path) {
  void* const library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    ADD_FAILURE() << dlerror();
    return -2;
  }
  const auto init = reinterpret_cast<gpu::nvml::Return (*)()>(dlsym(library, "nvmlInit_v2"));
  const auto count =
      reinterpret_cast<gpu::nvml::Return (*)(unsigned*)>(dlsym(library, "nvmlDeviceGetCount_v2"));
  if (init() != gpu::nvml::kSuccess) return kNotThere;
  unsigned gpus = 0;
  EXPECT_EQ(count(&gpus), gpu::nvml::kSuccess);
  return static_cast<int>(gpus);
}

class FindTest : public testing::Test {
 protected:
  void SetUp() override {
    unsetenv("LD_LIBRARY_PATH");
    unsetenv("TRANCHE_SIM_NODE");
    const SimHome home{base::testing::kSimHome};
    const auto profile = LoadProfile(home.profiles(), "a100x2");
    ASSERT_TRUE(profile.ok()) << profile.status().message();
    ASSERT_TRUE(CreateNode(home, *profile, root_).ok());
    version_ = profile->driver_version;
    library_ = LibraryDirectory(root_) + "/libnvidia-ml.so." + version_;
    fs::create_directories(away_);
  }
  void TearDown() override {
    unsetenv("LD_LIBRARY_PATH");
    unsetenv("TRANCHE_SIM_NODE");
  }

  [[nodiscard]] std::string State() const { return StatePath(root_).value(); }

  const base::testing::TempDir folder_;
  const std::string root_ = folder_ / "node";
  const std::string away_ = folder_ / "away";
  std::string version_;
  std::string library_;
};

TEST_F(FindTest, BesideTheLibraryUnderAnyName) {
  fs::rename(library_, LibraryDirectory(root_) + "/real");
  EXPECT_EQ(CountGpus(LibraryDirectory(root_) + "/real"), 2);
}

TEST_F(FindTest, WhereTheLinkLeads) {
  fs::create_symlink(library_, away_ + "/real.so");
  EXPECT_EQ(CountGpus(away_ + "/real.so"), 2);
}

TEST_F(FindTest, BesideTheLink) {
  fs::rename(library_, away_ + "/real.so.9");
  fs::create_symlink(away_ + "/real.so.9", LibraryDirectory(root_) + "/shadow.so");
  EXPECT_EQ(CountGpus(LibraryDirectory(root_) + "/shadow.so"), 2);
}

TEST_F(FindTest, ByTheSearchPathOfLibraries) {
  fs::copy_file(library_, away_ + "/real.so");
  setenv("LD_LIBRARY_PATH", ("/nowhere:" + LibraryDirectory(root_)).c_str(), 1);
  EXPECT_EQ(CountGpus(away_ + "/real.so"), 2);
}

TEST_F(FindTest, ByTheVariableFirst) {
  fs::copy_file(State(), away_ + "/state");
  setenv("TRANCHE_SIM_NODE", (away_ + "/state").c_str(), 1);
  EXPECT_EQ(FindStateFile(nullptr), away_ + "/state");
  fs::copy_file(library_, away_ + "/real.so");
  EXPECT_EQ(CountGpus(away_ + "/real.so"), 2);
}

TEST_F(FindTest, NotWhereNothingLeadsToIt) {
  fs::copy_file(library_, away_ + "/real.so");
  EXPECT_EQ(CountGpus(away_ + "/real.so"), kNotThere);
}

TEST_F(FindTest, OfSeveralTheOneOfItsOwnVersion) {
  // A state file that is none: whoever takes it finds no node.
  std::ofstream(LibraryDirectory(root_) + "/libnvidia-simnode.so.999") << "of another version";
  EXPECT_EQ(CountGpus(library_), 2);
}

// `body` in a mount namespace of its own; gives what it gives, or 77 where there can be none.
template <typename Body>
int InNamespace(Body body) {
  const pid_t child = fork();
  if (child == 0) {
    const bool own = unshare(CLONE_NEWNS) == 0 || unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0;
    if (!own || mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) _exit(77);
    _exit(body());
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 78;
}

// Mounts the file `from` over a new file `to`, for reading only.
bool BindReadOnly(const std::string& from, const std::string& to) {
  close(open(to.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0444));
  return mount(from.c_str(), to.c_str(), nullptr, MS_BIND, nullptr) == 0 &&
         mount(nullptr, to.c_str(), nullptr, MS_BIND | MS_REMOUNT | MS_RDONLY, nullptr) == 0;
}

// As in a container: the files of the driver lie one by one in a folder of the distribution, all
// of it can only be read, something else is mounted over the library's name, and the library itself
// is mounted elsewhere under another.
TEST_F(FindTest, InAReadOnlyContainerWithSomethingElseMountedOverIt) {
  const int seen = InNamespace([&] {
    const std::string distribution = "/usr/local/lib";
    if (mount("tmpfs", distribution.c_str(), "tmpfs", 0, nullptr) != 0) return 77;
    const bool mounted =
        BindReadOnly(State(), distribution + "/libnvidia-simnode.so." + version_) &&
        BindReadOnly("/etc/hostname", distribution + "/libnvidia-ml.so." + version_) &&
        BindReadOnly(library_, away_ + "/real.so") &&
        mount(nullptr, distribution.c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr) == 0;
    if (!mounted) return 76;
    // The place that it comes from is not to be seen in a container.
    if (mount("tmpfs", root_.c_str(), "tmpfs", 0, nullptr) != 0) return 75;
    const int gpus = CountGpus(away_ + "/real.so");
    const std::string state = distribution + "/libnvidia-simnode.so." + version_;
    return FindDriverSocket(state) == "/run/nvidia-persistenced/socket" ? gpus : 74;
  });
  if (seen == 77) GTEST_SKIP() << "no mount namespace may be made here";
  EXPECT_EQ(seen, 2);
}

TEST_F(FindTest, TheSocketBelongsToTheDriverRoot) {
  EXPECT_EQ(FindDriverSocket(State()), root_ + "/run/nvidia-persistenced/socket");
  EXPECT_EQ(FindDriverSocket("/x/usr/lib64/libnvidia-simnode.so.1"),
            "/x/run/nvidia-persistenced/socket");
  EXPECT_EQ(FindDriverSocket("/usr/lib/x86_64-linux-gnu/libnvidia-simnode.so.1"),
            "/run/nvidia-persistenced/socket");
  EXPECT_EQ(FindDriverSocket(away_ + "/state"), "/run/nvidia-persistenced/socket");
  EXPECT_EQ(FindDriverSocket(""), "");
  fs::create_symlink(State(), away_ + "/state");
  EXPECT_EQ(FindDriverSocket(away_ + "/state"), root_ + "/run/nvidia-persistenced/socket");
}

}  // namespace
}  // namespace tranche::sim
