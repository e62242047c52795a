// The simulated node's nvidia-smi: enough of it for people and scripts that look whether the GPUs
// are there (-L, --query-gpu=… --format=csv…, and a short table). Asks the library of the driver
// root it lies in, else the one the loader finds.
#include <dlfcn.h>

#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <type_traits>
#include <vector>

#include "gpu/nvml/functions.h"

namespace tranche::gpu::nvml {
namespace {

#define TRANCHE_MEMBER(name, ...) std::add_pointer_t<__VA_ARGS__> name = nullptr;
struct Table {
  TRANCHE_NVML_FUNCTIONS(TRANCHE_MEMBER)
};

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

bool Load(Table* table) {
  void* library = OpenLibrary();
  if (library == nullptr) return false;
#define TRANCHE_LOAD(name, ...) \
  table->name = reinterpret_cast<decltype(table->name)>(dlsym(library, #name));
  TRANCHE_NVML_FUNCTIONS(TRANCHE_LOAD)
  return table->nvmlInit_v2 != nullptr;
}

struct Field {
  const char* name;
  const char* unit;
  std::function<bool(const Table&, Device, unsigned index, std::string* out)> read;
};

template <typename Get>
Field Text(const char* name, Get get) {
  return {name, "", [get](const Table& table, Device device, unsigned, std::string* out) {
            char buffer[kNameBufferSize] = "";
            if ((table.*get)(device, buffer, sizeof buffer) != kSuccess) return false;
            *out = buffer;
            return true;
          }};
}

Field MemoryField(const char* name, unsigned long long MemoryV2::*member) {
  return {name, " MiB", [member](const Table& table, Device device, unsigned, std::string* out) {
            MemoryV2 memory{};
            memory.version = StructVersion<MemoryV2>(2);
            if (table.nvmlDeviceGetMemoryInfo_v2(device, &memory) != kSuccess) return false;
            *out = std::to_string(memory.*member >> 20);
            return true;
          }};
}

std::vector<Field> Fields() {
  return {
      {"index", "",
       [](const Table&, Device, unsigned index, std::string* out) {
         *out = std::to_string(index);
         return true;
       }},
      Text("name", &Table::nvmlDeviceGetName),
      Text("uuid", &Table::nvmlDeviceGetUUID),
      Text("serial", &Table::nvmlDeviceGetSerial),
      MemoryField("memory.total", &MemoryV2::total),
      MemoryField("memory.used", &MemoryV2::used),
      MemoryField("memory.free", &MemoryV2::free),
      {"utilization.gpu", " %",
       [](const Table& table, Device device, unsigned, std::string* out) {
         Utilization utilization{};
         if (table.nvmlDeviceGetUtilizationRates(device, &utilization) != kSuccess) return false;
         *out = std::to_string(utilization.gpu);
         return true;
       }},
      {"temperature.gpu", "",
       [](const Table& table, Device device, unsigned, std::string* out) {
         unsigned celsius = 0;
         if (table.nvmlDeviceGetTemperature(device, kTemperatureGpu, &celsius) != kSuccess) {
           return false;
         }
         *out = std::to_string(celsius);
         return true;
       }},
      {"pci.bus_id", "",
       [](const Table& table, Device device, unsigned, std::string* out) {
         PciInfo pci{};
         if (table.nvmlDeviceGetPciInfo_v3(device, &pci) != kSuccess) return false;
         *out = pci.bus_id;
         return true;
       }},
      {"driver_version", "",
       [](const Table& table, Device, unsigned, std::string* out) {
         char version[kVersionBufferSize] = "";
         table.nvmlSystemGetDriverVersion(version, sizeof version);
         *out = version;
         return true;
       }},
  };
}

std::vector<std::string> Split(const std::string& text) {
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

// One line for each GPU: body(index, device), or why there is none.
int ForEachGpu(const Table& table, const std::function<void(unsigned, Device)>& body) {
  unsigned count = 0;
  table.nvmlDeviceGetCount_v2(&count);
  if (count == 0) std::puts("No devices were found");
  int failed = 0;
  for (unsigned index = 0; index < count; ++index) {
    Device device = nullptr;
    const Return got = table.nvmlDeviceGetHandleByIndex_v2(index, &device);
    if (got == kSuccess) {
      body(index, device);
    } else {
      std::printf("Unable to determine the device handle for GPU%u: %s\n", index,
                  table.nvmlErrorString(got));
      failed = static_cast<int>(got);
    }
  }
  return failed;
}

int List(const Table& table) {
  return ForEachGpu(table, [&](unsigned index, Device device) {
    char name[kNameBufferSize] = "";
    char uuid[kUuidBufferSize] = "";
    table.nvmlDeviceGetName(device, name, sizeof name);
    table.nvmlDeviceGetUUID(device, uuid, sizeof uuid);
    std::printf("GPU %u: %s (UUID: %s)\n", index, name, uuid);
    Device mig = nullptr;
    for (unsigned i = 0; table.nvmlDeviceGetMigDeviceHandleByIndex(device, i, &mig) == kSuccess;
         ++i) {
      table.nvmlDeviceGetName(mig, name, sizeof name);
      table.nvmlDeviceGetUUID(mig, uuid, sizeof uuid);
      const char* profile = std::strstr(name, " MIG ");
      std::printf("  MIG %-12s Device %2u: (UUID: %s)\n", profile == nullptr ? "" : profile + 5, i,
                  uuid);
    }
  });
}

int Query(const Table& table, const std::string& wanted, const std::string& format) {
  const bool header = format.find("noheader") == std::string::npos;
  const bool units = format.find("nounits") == std::string::npos;
  std::vector<Field> chosen;
  for (const std::string& name : Split(wanted)) {
    for (Field& field : Fields()) {
      if (name == field.name || (name == "gpu_uuid" && std::string("uuid") == field.name)) {
        chosen.push_back(field);
      }
    }
  }
  if (chosen.size() != Split(wanted).size()) {
    std::fprintf(stderr, "Field is not a valid field to query: one of %s\n", wanted.c_str());
    return 2;
  }
  const auto line = [&](const std::function<std::string(const Field&)>& text) {
    for (std::size_t i = 0; i < chosen.size(); ++i) {
      std::printf("%s%s", i == 0 ? "" : ", ", text(chosen[i]).c_str());
    }
    std::puts("");
  };
  if (header) line([](const Field& field) { return field.name; });
  return ForEachGpu(table, [&](unsigned index, Device device) {
    line([&](const Field& field) {
      std::string value;
      if (!field.read(table, device, index, &value)) return std::string("[N/A]");
      return units ? value + field.unit : value;
    });
  });
}

int Summary(const Table& table) {
  char version[kVersionBufferSize] = "";
  int cuda = 0;
  table.nvmlSystemGetDriverVersion(version, sizeof version);
  table.nvmlSystemGetCudaDriverVersion_v2(&cuda);
  std::printf("NVIDIA-SMI (simulated node)   Driver Version: %s   CUDA Version: %d.%d\n\n", version,
              cuda / 1000, cuda % 1000 / 10);
  return Query(table,
               "index,name,pci.bus_id,temperature.gpu,utilization.gpu,memory.used,memory.total",
               "csv");
}

int Main(int argc, char** argv) {
  Table table;
  if (!Load(&table)) {
    std::puts("NVIDIA-SMI couldn't find libnvidia-ml.so.1 on this node.");
    return 12;
  }
  if (const Return got = table.nvmlInit_v2(); got != kSuccess) {
    std::printf("Failed to initialize NVML: %s\n", table.nvmlErrorString(got));
    return static_cast<int>(got);
  }
  std::string query;
  std::string format = "csv";
  bool list = false;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "-L" || argument == "--list-gpus") {
      list = true;
    } else if (argument.starts_with("--query-gpu=")) {
      query = argument.substr(std::strlen("--query-gpu="));
    } else if (argument.starts_with("--format=")) {
      format = argument.substr(std::strlen("--format="));
    } else {
      std::printf(
          "Usage: nvidia-smi [-L | --query-gpu=FIELD,… --format=csv[,noheader][,nounits]]\n");
      return argument == "--help" || argument == "-h" ? 0 : 1;
    }
  }
  const int result = list             ? List(table)
                     : !query.empty() ? Query(table, query, format)
                                      : Summary(table);
  table.nvmlShutdown();
  return result;
}

}  // namespace
}  // namespace tranche::gpu::nvml

int main(int argc, char** argv) { return tranche::gpu::nvml::Main(argc, argv); }
