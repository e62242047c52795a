#include "sim/smi/library.h"

#include <dlfcn.h>

#include <algorithm>
#include <climits>
#include <cstdio>
#include <cstdlib>

namespace tranche::sim::smi {
namespace {

void* OpenLibrary() {
  char self[PATH_MAX];
  if (realpath("/proc/self/exe", self) != nullptr) {
    std::string path = self;
    path.resize(path.rfind('/'));
    path += "/../lib/x86_64-linux-gnu/libnvidia-ml.so.1";
    if (void* library = dlopen(path.c_str(), RTLD_NOW)) return library;
  }
  return dlopen("libnvidia-ml.so.1", RTLD_NOW);
}

bool IsNamed(const Table& table, unsigned index, nvml::Device device,
             const std::vector<std::string>& names) {
  char uuid[nvml::kUuidBufferSize] = "";
  table.nvmlDeviceGetUUID(device, uuid, sizeof uuid);
  nvml::PciInfo pci{};
  table.nvmlDeviceGetPciInfo_v3(device, &pci);
  return std::any_of(names.begin(), names.end(), [&](const std::string& name) {
    return name == std::to_string(index) || name == uuid || name == pci.bus_id ||
           name == pci.bus_id_legacy;
  });
}

}  // namespace

bool LoadLibrary(Table* table) {
  void* const library = OpenLibrary();
  if (library == nullptr) return false;
  using namespace gpu::nvml;  // NOLINT(google-build-using-namespace): the list's own types
#define TRANCHE_LOAD(name, ...) \
  table->name = reinterpret_cast<decltype(table->name)>(dlsym(library, #name));
  TRANCHE_NVML_FUNCTIONS(TRANCHE_LOAD)
#undef TRANCHE_LOAD
  return table->nvmlInit_v2 != nullptr;
}

int ForEachGpu(const Table& table, const std::string& only,
               const std::function<void(unsigned, nvml::Device)>& body) {
  const std::vector<std::string> names = SplitAtCommas(only);
  unsigned count = 0;
  table.nvmlDeviceGetCount_v2(&count);
  unsigned shown = 0;
  int failed = 0;
  for (unsigned index = 0; index < count; ++index) {
    nvml::Device device = nullptr;
    const nvml::Return got = table.nvmlDeviceGetHandleByIndex_v2(index, &device);
    if (got != nvml::kSuccess) {
      std::printf("Unable to determine the device handle for GPU%u: %s\n", index,
                  table.nvmlErrorString(got));
      failed = static_cast<int>(got);
    } else if (only.empty() || IsNamed(table, index, device, names)) {
      body(index, device);
      ++shown;
    }
  }
  if (shown == 0 && failed == 0) std::puts("No devices were found");
  return shown == 0 && !only.empty() ? static_cast<int>(nvml::kNotFound) : failed;
}

std::vector<std::string> SplitAtCommas(const std::string& text) {
  std::vector<std::string> parts{""};
  for (const char c : text) {
    if (c == ',') {
      parts.emplace_back();
    } else if (c != ' ') {
      parts.back() += c;
    }
  }
  return parts;
}

}  // namespace tranche::sim::smi
