// The libnvidia-ml.so.1 that nvidia-smi asks, and the GPUs it shows.
//
// Threading: one thread.
// Errors: NVML's own result codes; a function that the library lacks is a null pointer.
#pragma once

#include <functional>
#include <string>
#include <type_traits>
#include <vector>

#include "gpu/nvml/functions.h"

namespace tranche::sim::smi {

namespace nvml = gpu::nvml;

namespace api {
using namespace gpu::nvml;  // NOLINT(google-build-using-namespace): the list's own types
#define TRANCHE_MEMBER(name, ...) std::add_pointer_t<__VA_ARGS__> name = nullptr;
struct Table {
  TRANCHE_NVML_FUNCTIONS(TRANCHE_MEMBER)
};
#undef TRANCHE_MEMBER
}  // namespace api
using api::Table;

// Of the driver root that this program lies in, else the one that the loader finds. False: none.
bool LoadLibrary(Table* table);

// Calls body(index, device) for each GPU, or for those that `only` names (indices, UUIDs or bus
// ids, with commas; "": all). Says which cannot be opened. The exit code for the program.
int ForEachGpu(const Table& table, const std::string& only,
               const std::function<void(unsigned, nvml::Device)>& body);

// The parts of a text between commas, without spaces around them.
std::vector<std::string> SplitAtCommas(const std::string& text);

}  // namespace tranche::sim::smi
