// The functions of streams, events, kernels and launches: a part of the list in
// sim/cuda/functions.h.
//
// Threading: macros only.
// Errors: see sim/cuda/functions.h.
#pragma once

#include "sim/cuda/abi/memory.h"
#include "sim/cuda/abi/types.h"
#include "sim/cuda/abi/work.h"

#define TRANCHE_CUDA_WORK_FUNCTIONS(X, T)                                                          \
  X(cuKernelGetFunction, Result(Function* function, Kernel kernel))                                \
  X(cuKernelGetAttribute, Result(int* pi, FunctionAttribute attrib, Kernel kernel, Device device)) \
  X(cuKernelSetAttribute, Result(FunctionAttribute attrib, int val, Kernel kernel, Device device)) \
  X(cuKernelSetCacheConfig, Result(Kernel kernel, CacheConfig config, Device device))              \
  X(cuKernelGetName, Result(const char** name, Kernel hfunc))                                      \
  X(cuKernelGetParamInfo, Result(Kernel kernel, std::size_t param_index,                           \
                                 std::size_t* param_offset, std::size_t* param_size))              \
  X(cuStreamCreate, Result(Stream* stream, unsigned flags))                                        \
  X(cuStreamCreateWithPriority, Result(Stream* stream, unsigned flags, int priority))              \
  X(cuStreamDestroy, Result(Stream stream))                                                        \
  X(cuStreamDestroy_v2, Result(Stream stream))                                                     \
  X(cuEventCreate, Result(Event* event, unsigned flags))                                           \
  X(cuEventQuery, Result(Event event))                                                             \
  X(cuEventSynchronize, Result(Event event))                                                       \
  X(cuEventDestroy, Result(Event event))                                                           \
  X(cuEventDestroy_v2, Result(Event event))                                                        \
  X(cuEventElapsedTime, Result(float* milliseconds, Event start, Event end))                       \
  X(cuEventElapsedTime_v2, Result(float* milliseconds, Event start, Event end))                    \
  X(cuFuncGetAttribute, Result(int* pi, FunctionAttribute attrib, Function hfunc))                 \
  X(cuFuncSetAttribute, Result(Function hfunc, FunctionAttribute attrib, int value))               \
  X(cuFuncSetCacheConfig, Result(Function hfunc, CacheConfig config))                              \
  X(cuFuncGetModule, Result(Module* hmod, Function hfunc))                                         \
  X(cuFuncGetName, Result(const char** name, Function hfunc))                                      \
  X(cuFuncGetParamInfo, Result(Function function, std::size_t param_index,                         \
                               std::size_t* param_offset, std::size_t* param_size))                \
  X(cuFuncLoad, Result(Function function))                                                         \
  X(cuLaunchCooperativeKernelMultiDevice,                                                          \
    Result(CooperativeLaunch* launch_params_list, unsigned num_devices, unsigned flags))           \
  X(cuLaunch, Result(Function f))                                                                  \
  X(cuLaunchGrid, Result(Function f, int grid_width, int grid_height))                             \
  X(cuLaunchGridAsync, Result(Function f, int grid_width, int grid_height, Stream stream))         \
  X(cuFuncSetSharedMemConfig, Result(Function hfunc, SharedConfig config))                         \
  X(cuOccupancyMaxActiveBlocksPerMultiprocessor,                                                   \
    Result(int* num_blocks, Function function, int block_size, std::size_t dynamic_smem_size))     \
  X(cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags,                                          \
    Result(int* num_blocks, Function function, int block_size, std::size_t dynamic_smem_size,      \
           unsigned flags))                                                                        \
  X(cuOccupancyMaxPotentialBlockSize,                                                              \
    Result(int* min_grid_size, int* block_size, Function function,                                 \
           BlockSizeToShared block_size_to_dynamic_smem_size, std::size_t dynamic_smem_size,       \
           int block_size_limit))                                                                  \
  X(cuOccupancyMaxPotentialBlockSizeWithFlags,                                                     \
    Result(int* min_grid_size, int* block_size, Function function,                                 \
           BlockSizeToShared block_size_to_dynamic_smem_size, std::size_t dynamic_smem_size,       \
           int block_size_limit, unsigned flags))                                                  \
  X(cuOccupancyAvailableDynamicSMemPerBlock,                                                       \
    Result(std::size_t* dynamic_smem_size, Function function, int num_blocks, int block_size))     \
  X(cuOccupancyMaxPotentialClusterSize,                                                            \
    Result(int* cluster_size, Function function, const LaunchConfig* config))                      \
  X(cuOccupancyMaxActiveClusters,                                                                  \
    Result(int* num_clusters, Function function, const LaunchConfig* config))                      \
  T(cuStreamGetPriority, cuStreamGetPriority_ptsz, Result(Stream stream, int* priority))           \
  T(cuStreamGetId, cuStreamGetId_ptsz, Result(Stream stream, unsigned long long* stream_id))       \
  T(cuStreamGetFlags, cuStreamGetFlags_ptsz, Result(Stream stream, unsigned* flags))               \
  T(cuStreamGetCtx, cuStreamGetCtx_ptsz, Result(Stream stream, Context* context))                  \
  T(cuStreamWaitEvent, cuStreamWaitEvent_ptsz, Result(Stream stream, Event event, unsigned flags)) \
  T(cuStreamAddCallback, cuStreamAddCallback_ptsz,                                                 \
    Result(Stream stream, StreamCallback callback, void* user_data, unsigned flags))               \
  T(cuStreamAttachMemAsync, cuStreamAttachMemAsync_ptsz,                                           \
    Result(Stream stream, DevicePtr dptr, std::size_t length, unsigned flags))                     \
  T(cuStreamQuery, cuStreamQuery_ptsz, Result(Stream stream))                                      \
  T(cuStreamSynchronize, cuStreamSynchronize_ptsz, Result(Stream stream))                          \
  T(cuEventRecord, cuEventRecord_ptsz, Result(Event event, Stream stream))                         \
  T(cuEventRecordWithFlags, cuEventRecordWithFlags_ptsz,                                           \
    Result(Event event, Stream stream, unsigned flags))                                            \
  T(cuLaunchKernel, cuLaunchKernel_ptsz,                                                           \
    Result(Function f, unsigned grid_dim_x, unsigned grid_dim_y, unsigned grid_dim_z,              \
           unsigned block_dim_x, unsigned block_dim_y, unsigned block_dim_z,                       \
           unsigned shared_mem_bytes, Stream stream, void** kernel_params, void** extra))          \
  T(cuLaunchKernelEx, cuLaunchKernelEx_ptsz,                                                       \
    Result(const LaunchConfig* config, Function f, void** kernel_params, void** extra))            \
  T(cuLaunchHostFunc, cuLaunchHostFunc_ptsz,                                                       \
    Result(Stream stream, HostFunction fn, void* user_data))                                       \
  T(cuStreamWriteValue32, cuStreamWriteValue32_ptsz,                                               \
    Result(Stream stream, DevicePtr addr, std::uint32_t value, unsigned flags))                    \
  T(cuStreamWriteValue32_v2, cuStreamWriteValue32_v2_ptsz,                                         \
    Result(Stream stream, DevicePtr addr, std::uint32_t value, unsigned flags))                    \
  T(cuStreamWaitValue32, cuStreamWaitValue32_ptsz,                                                 \
    Result(Stream stream, DevicePtr addr, std::uint32_t value, unsigned flags))                    \
  T(cuStreamWaitValue32_v2, cuStreamWaitValue32_v2_ptsz,                                           \
    Result(Stream stream, DevicePtr addr, std::uint32_t value, unsigned flags))                    \
  T(cuStreamWriteValue64, cuStreamWriteValue64_ptsz,                                               \
    Result(Stream stream, DevicePtr addr, std::uint64_t value, unsigned flags))                    \
  T(cuStreamWriteValue64_v2, cuStreamWriteValue64_v2_ptsz,                                         \
    Result(Stream stream, DevicePtr addr, std::uint64_t value, unsigned flags))                    \
  T(cuStreamWaitValue64, cuStreamWaitValue64_ptsz,                                                 \
    Result(Stream stream, DevicePtr addr, std::uint64_t value, unsigned flags))                    \
  T(cuStreamWaitValue64_v2, cuStreamWaitValue64_v2_ptsz,                                           \
    Result(Stream stream, DevicePtr addr, std::uint64_t value, unsigned flags))                    \
  T(cuStreamBatchMemOp, cuStreamBatchMemOp_ptsz,                                                   \
    Result(Stream stream, unsigned count, MemOpParams* param_array, unsigned flags))               \
  T(cuStreamBatchMemOp_v2, cuStreamBatchMemOp_v2_ptsz,                                             \
    Result(Stream stream, unsigned count, MemOpParams* param_array, unsigned flags))               \
  T(cuLaunchCooperativeKernel, cuLaunchCooperativeKernel_ptsz,                                     \
    Result(Function f, unsigned grid_dim_x, unsigned grid_dim_y, unsigned grid_dim_z,              \
           unsigned block_dim_x, unsigned block_dim_y, unsigned block_dim_z,                       \
           unsigned shared_mem_bytes, Stream stream, void** kernel_params))                        \
  T(cuStreamCopyAttributes, cuStreamCopyAttributes_ptsz,                                           \
    Result(Stream dst_stream, Stream src_stream))                                                  \
  T(cuStreamGetAttribute, cuStreamGetAttribute_ptsz,                                               \
    Result(Stream stream, LaunchAttributeId attr, LaunchAttributeValue* value))                    \
  T(cuStreamSetAttribute, cuStreamSetAttribute_ptsz,                                               \
    Result(Stream stream, LaunchAttributeId attr, const LaunchAttributeValue* param))
