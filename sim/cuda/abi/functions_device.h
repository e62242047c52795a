// The functions of initialisation, devices, contexts, modules and libraries: a part of the list in
// sim/cuda/functions.h.
//
// Threading: macros only.
// Errors: see sim/cuda/functions.h.
#pragma once

#include "sim/cuda/abi/memory.h"
#include "sim/cuda/abi/types.h"
#include "sim/cuda/abi/work.h"

#define TRANCHE_CUDA_DEVICE_FUNCTIONS(X, T)                                                        \
  X(cuGetErrorString, Result(Result error, const char** str))                                      \
  X(cuGetErrorName, Result(Result error, const char** str))                                        \
  X(cuInit, Result(unsigned flags))                                                                \
  X(cuDriverGetVersion, Result(int* driver_version))                                               \
  X(cuDeviceGet, Result(Device* device, int ordinal))                                              \
  X(cuDeviceGetCount, Result(int* count))                                                          \
  X(cuDeviceGetName, Result(char* name, int len, Device device))                                   \
  X(cuDeviceGetUuid, Result(Uuid* uuid, Device device))                                            \
  X(cuDeviceGetUuid_v2, Result(Uuid* uuid, Device device))                                         \
  X(cuDeviceTotalMem_v2, Result(std::size_t* bytes, Device device))                                \
  X(cuDeviceGetAttribute, Result(int* pi, DeviceAttribute attrib, Device device))                  \
  X(cuDeviceSetMemPool, Result(Device device, MemoryPool pool))                                    \
  X(cuDeviceGetMemPool, Result(MemoryPool* pool, Device device))                                   \
  X(cuDeviceGetDefaultMemPool, Result(MemoryPool* pool_out, Device device))                        \
  X(cuDeviceGetExecAffinitySupport, Result(int* pi, AffinityType type, Device device))             \
  X(cuDeviceGetProperties, Result(DeviceProperties* prop, Device device))                          \
  X(cuDeviceComputeCapability, Result(int* major, int* minor, Device device))                      \
  X(cuDevicePrimaryCtxRetain, Result(Context* context, Device device))                             \
  X(cuDevicePrimaryCtxRelease, Result(Device device))                                              \
  X(cuDevicePrimaryCtxRelease_v2, Result(Device device))                                           \
  X(cuDevicePrimaryCtxSetFlags, Result(Device device, unsigned flags))                             \
  X(cuDevicePrimaryCtxSetFlags_v2, Result(Device device, unsigned flags))                          \
  X(cuDevicePrimaryCtxGetState, Result(Device device, unsigned* flags, int* active))               \
  X(cuDevicePrimaryCtxReset, Result(Device device))                                                \
  X(cuDevicePrimaryCtxReset_v2, Result(Device device))                                             \
  X(cuCtxCreate, Result(Context* context, unsigned flags, Device device))                          \
  X(cuCtxCreate_v2, Result(Context* context, unsigned flags, Device device))                       \
  X(cuCtxCreate_v3, Result(Context* context, AffinityParam* params_array, int num_params,          \
                           unsigned flags, Device device))                                         \
  X(cuCtxCreate_v4, Result(Context* context, ContextCreateParams* ctx_create_params,               \
                           unsigned flags, Device device))                                         \
  X(cuCtxDestroy, Result(Context context))                                                         \
  X(cuCtxDestroy_v2, Result(Context context))                                                      \
  X(cuCtxPushCurrent, Result(Context context))                                                     \
  X(cuCtxPushCurrent_v2, Result(Context context))                                                  \
  X(cuCtxPopCurrent, Result(Context* context))                                                     \
  X(cuCtxPopCurrent_v2, Result(Context* context))                                                  \
  X(cuCtxSetCurrent, Result(Context context))                                                      \
  X(cuCtxGetCurrent, Result(Context* context))                                                     \
  X(cuCtxGetDevice, Result(Device* device))                                                        \
  X(cuCtxGetDevice_v2, Result(Device* device, Context context))                                    \
  X(cuCtxGetFlags, Result(unsigned* flags))                                                        \
  X(cuCtxSetFlags, Result(unsigned flags))                                                         \
  X(cuCtxGetId, Result(Context context, unsigned long long* ctx_id))                               \
  X(cuCtxSynchronize, Result())                                                                    \
  X(cuCtxSynchronize_v2, Result(Context context))                                                  \
  X(cuCtxSetLimit, Result(Limit limit, std::size_t value))                                         \
  X(cuCtxGetLimit, Result(std::size_t* pvalue, Limit limit))                                       \
  X(cuCtxGetCacheConfig, Result(CacheConfig* pconfig))                                             \
  X(cuCtxSetCacheConfig, Result(CacheConfig config))                                               \
  X(cuCtxGetApiVersion, Result(Context context, unsigned* version))                                \
  X(cuCtxGetStreamPriorityRange, Result(int* least_priority, int* greatest_priority))              \
  X(cuCtxResetPersistingL2Cache, Result())                                                         \
  X(cuCtxGetExecAffinity, Result(AffinityParam* exec_affinity, AffinityType type))                 \
  X(cuCtxGetSharedMemConfig, Result(SharedConfig* config))                                         \
  X(cuCtxSetSharedMemConfig, Result(SharedConfig config))                                          \
  X(cuModuleLoad, Result(Module* module, const char* fname))                                       \
  X(cuModuleLoadData, Result(Module* module, const void* image))                                   \
  X(cuModuleLoadDataEx, Result(Module* module, const void* image, unsigned num_options,            \
                               JitOption* options, void** option_values))                          \
  X(cuModuleLoadFatBinary, Result(Module* module, const void* fat_cubin))                          \
  X(cuModuleUnload, Result(Module hmod))                                                           \
  X(cuModuleGetLoadingMode, Result(LoadingMode* mode))                                             \
  X(cuModuleGetFunction, Result(Function* hfunc, Module hmod, const char* name))                   \
  X(cuModuleGetFunctionCount, Result(unsigned* count, Module module))                              \
  X(cuModuleEnumerateFunctions,                                                                    \
    Result(Function* functions, unsigned num_functions, Module module))                            \
  X(cuModuleGetGlobal_v2,                                                                          \
    Result(DevicePtr* dptr, std::size_t* bytes, Module hmod, const char* name))                    \
  X(cuLinkCreate,                                                                                  \
    Result(unsigned num_options, JitOption* options, void** option_values, LinkState* state_out))  \
  X(cuLinkCreate_v2,                                                                               \
    Result(unsigned num_options, JitOption* options, void** option_values, LinkState* state_out))  \
  X(cuLinkAddData,                                                                                 \
    Result(LinkState state, JitInput type, void* data, std::size_t size, const char* name,         \
           unsigned num_options, JitOption* options, void** option_values))                        \
  X(cuLinkAddData_v2,                                                                              \
    Result(LinkState state, JitInput type, void* data, std::size_t size, const char* name,         \
           unsigned num_options, JitOption* options, void** option_values))                        \
  X(cuLinkAddFile, Result(LinkState state, JitInput type, const char* path, unsigned num_options,  \
                          JitOption* options, void** option_values))                               \
  X(cuLinkAddFile_v2, Result(LinkState state, JitInput type, const char* path,                     \
                             unsigned num_options, JitOption* options, void** option_values))      \
  X(cuLinkComplete, Result(LinkState state, void** cubin_out, std::size_t* size_out))              \
  X(cuLinkDestroy, Result(LinkState state))                                                        \
  X(cuLibraryLoadData,                                                                             \
    Result(Library* library, const void* code, JitOption* jit_options, void** jit_options_values,  \
           unsigned num_jit_options, LibraryOption* library_options, void** library_option_values, \
           unsigned num_library_options))                                                          \
  X(cuLibraryLoadFromFile,                                                                         \
    Result(Library* library, const char* file_name, JitOption* jit_options,                        \
           void** jit_options_values, unsigned num_jit_options, LibraryOption* library_options,    \
           void** library_option_values, unsigned num_library_options))                            \
  X(cuLibraryUnload, Result(Library library))                                                      \
  X(cuLibraryGetKernel, Result(Kernel* kernel, Library library, const char* name))                 \
  X(cuLibraryGetKernelCount, Result(unsigned* count, Library lib))                                 \
  X(cuLibraryEnumerateKernels, Result(Kernel* kernels, unsigned num_kernels, Library lib))         \
  X(cuLibraryGetModule, Result(Module* module, Library library))                                   \
  X(cuLibraryGetGlobal,                                                                            \
    Result(DevicePtr* dptr, std::size_t* bytes, Library library, const char* name))                \
  X(cuLibraryGetManaged,                                                                           \
    Result(DevicePtr* dptr, std::size_t* bytes, Library library, const char* name))                \
  X(cuLibraryGetUnifiedFunction, Result(void** fptr, Library library, const char* symbol))         \
  X(cuDeviceGetByPCIBusId, Result(Device* device, const char* pci_bus_id))                         \
  X(cuDeviceGetPCIBusId, Result(char* pci_bus_id, int len, Device device))                         \
  X(cuDeviceCanAccessPeer, Result(int* can_access_peer, Device device, Device peer_dev))           \
  X(cuCtxEnablePeerAccess, Result(Context peer_context, unsigned flags))                           \
  X(cuCtxDisablePeerAccess, Result(Context peer_context))                                          \
  X(cuDeviceGetP2PAttribute,                                                                       \
    Result(int* value, P2pAttribute attrib, Device src_device, Device dst_device))                 \
  X(cuGetProcAddress,                                                                              \
    Result(const char* symbol, void** pfn, int cuda_version, std::uint64_t flags))                 \
  X(cuGetProcAddress_v2, Result(const char* symbol, void** pfn, int cuda_version,                  \
                                std::uint64_t flags, ProcAddressStatus* symbol_status))            \
  X(cuGetExportTable, Result(const void** export_table, const Uuid* export_table_id))              \
  X(cuProfilerInitialize,                                                                          \
    Result(const char* config_file, const char* output_file, int output_mode))                     \
  X(cuProfilerStart, Result())                                                                     \
  X(cuProfilerStop, Result())
