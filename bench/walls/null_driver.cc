// A libcuda that does next to nothing, so that what is measured in front of it is the shim alone.
#include <cstddef>
#include <cstring>

// NOLINTBEGIN(readability-identifier-naming): the names are NVIDIA's.
extern "C" {

int cuInit(unsigned /*flags*/) { return 0; }
int cuDriverGetVersion(int* version) { return *version = 13000, 0; }
int cuDeviceGetCount(int* count) { return *count = 1, 0; }
int cuDeviceGetUuid_v2(void* uuid, int /*device*/) { return std::memset(uuid, 7, 16), 0; }
int cuCtxGetDevice(int* device) { return *device = 0, 0; }
int cuCtxGetCurrent(void** context) { return *context = nullptr, 0; }

// Addresses that differ, as a driver's do.
int cuMemAlloc_v2(unsigned long long* at, std::size_t bytes) {  // NOLINT(google-runtime-int)
  static unsigned long long next = 0x7F0000000000;              // NOLINT(google-runtime-int)
  next = next > 0x7FF000000000 ? 0x7F0000000000 : next + bytes;
  return *at = next, 0;
}
int cuMemFree_v2(unsigned long long /*at*/) { return 0; }  // NOLINT(google-runtime-int)
int cuStreamSynchronize(void* /*stream*/) { return 0; }
int cuStreamQuery(void* /*stream*/) { return 0; }

}  // extern "C"
// NOLINTEND(readability-identifier-naming)
