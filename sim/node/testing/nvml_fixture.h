// A simulated node of a test's own, and its libnvidia-ml.so.1, opened as a program would open it.
//
// Threading: one thread at a time.
// Errors: fatal failures of the test.
#pragma once

#include <dlfcn.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <type_traits>
#include <utility>

#include "base/testing/places.h"
#include "base/testing/temp_dir.h"
#include "gpu/nvml/functions.h"
#include "sim/node/node.h"

namespace tranche::sim::testing {

#define TRANCHE_MEMBER(name, ...) std::add_pointer_t<__VA_ARGS__> name = nullptr;

namespace api {
using namespace gpu::nvml;  // NOLINT(google-build-using-namespace): the list's own types
struct Table {
  TRANCHE_NVML_FUNCTIONS(TRANCHE_MEMBER)
};
}  // namespace api

class NvmlFixture : public ::testing::Test {
 protected:
  ~NvmlFixture() override {
    if (library_ != nullptr) dlclose(library_);
  }

  void Create(const std::string& profile) {
    base::Result<NodeProfile> loaded = LoadProfile(home_.profiles(), profile);
    ASSERT_TRUE(loaded.ok()) << loaded.status().message();
    base::Result<DeviceNodes> created = CreateNode(home_, *loaded, root_.path());
    ASSERT_TRUE(created.ok()) << created.status().message();
    base::Result<std::unique_ptr<Node>> node = Node::Open(root_.path());
    ASSERT_TRUE(node.ok()) << node.status().message();
    node_ = std::move(*node);
  }

  // Each root has a copy of the library, so each test has one of its own.
  void Load() {
    const std::string path = LibraryDirectory(root_.path()) + "/libnvidia-ml.so.1";
    library_ = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    ASSERT_NE(library_, nullptr) << dlerror();
#define TRANCHE_LOAD(name, ...)                                              \
  api_.name = reinterpret_cast<decltype(api_.name)>(dlsym(library_, #name)); \
  ASSERT_NE(api_.name, nullptr) << #name;
    TRANCHE_NVML_FUNCTIONS(TRANCHE_LOAD)
  }

  void Start(const std::string& profile) {
    Create(profile);
    if (HasFatalFailure()) return;
    Load();
    if (HasFatalFailure()) return;
    ASSERT_EQ(api_.nvmlInit_v2(), gpu::nvml::kSuccess);
  }

  gpu::nvml::Device Gpu(unsigned index) {
    gpu::nvml::Device device = nullptr;
    EXPECT_EQ(api_.nvmlDeviceGetHandleByIndex_v2(index, &device), gpu::nvml::kSuccess);
    return device;
  }

  SimHome home_{base::testing::kSimHome};
  const base::testing::TempDir root_;
  std::unique_ptr<Node> node_;
  void* library_ = nullptr;
  api::Table api_;
};

}  // namespace tranche::sim::testing
