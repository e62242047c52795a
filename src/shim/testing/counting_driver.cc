#include "shim/testing/counting_driver.h"

#include <algorithm>
#include <cstring>

#include "shim/driver.h"
#include "shim/hooks.h"

namespace tranche::shim {
namespace testing {

Stage* stage = nullptr;

namespace {

// A handle that is a number, which nobody follows.
template <typename Handle>
Handle Numbered(std::uintptr_t number) {
  return reinterpret_cast<Handle>(number);  // NOLINT(performance-no-int-to-ptr)
}

std::uint64_t sizes[64];  // by address, which is a number that grows

unsigned long long New(std::uint64_t bytes) {  // NOLINT(google-runtime-int)
  const std::uint64_t at = stage->next.fetch_add(1) + 1;
  sizes[at] = bytes;
  stage->given.fetch_add(bytes);
  return at;
}
Result End(unsigned long long at) {  // NOLINT(google-runtime-int)
  stage->given.fetch_sub(sizes[at]);
  return kSuccess;
}

Result AllocAsync(DevicePtr* at, std::size_t bytes, Stream /*stream*/) {
  // The pool grows by a block, or by what is asked for.
  const std::uint64_t growth = std::max<std::uint64_t>(bytes, 32 * kMib);
  stage->given.fetch_add(growth);
  stage->reserved.fetch_add(growth);
  return *at = stage->next.fetch_add(1) + 1, kSuccess;
}
Result FreeAsync(DevicePtr at, Stream /*stream*/) {
  return stage->freeing.fetch_add(sizes[at]), kSuccess;
}
Result Trim(Pool /*pool*/, std::size_t /*least*/) {
  stage->given.fetch_sub(stage->reserved.exchange(0));
  return kSuccess;
}
Result Synchronize(Stream /*stream*/) {
  stage->given.fetch_sub(stage->freeing.exchange(0));
  return Trim(nullptr, 0);
}
Result StreamContext(Stream /*stream*/, Context* context) { return *context = nullptr, kSuccess; }
Result PushContext(Context /*context*/) { return kSuccess; }
Result PopContext(Context* /*context*/) { return kSuccess; }
Result MakeEvent(Event* event, unsigned /*flags*/) {
  return *event = Numbered<Event>(0xA000), kSuccess;
}
Result RecordEvent(Event /*event*/, Stream /*stream*/) { return kSuccess; }
Result QueryEvent(Event /*event*/) { return stage->freeing.load() == 0 ? kSuccess : kNotFound; }
Result EndEvent(Event /*event*/) { return kSuccess; }
Result MakePool(Pool* pool, const PoolProperties* /*properties*/) {
  return *pool = Numbered<Pool>(0xB000), kSuccess;
}
Result AllocFromPool(DevicePtr* at, std::size_t bytes, Pool /*pool*/, Stream stream) {
  return AllocAsync(at, bytes, stream);
}
Result ExportPool(void* /*handle*/, Pool /*pool*/, int /*type*/, Flags /*flags*/) {
  return kSuccess;
}
Result EndPool(Pool /*pool*/) { return Trim(nullptr, 0); }
Result Create(Handle* handle, std::size_t bytes, const AllocationProperties* /*prop*/,
              Flags /*flags*/) {
  return *handle = New(bytes), kSuccess;
}
Result KeepHandle(Handle /*handle*/) { return kSuccess; }
Result Map(DevicePtr /*at*/, std::size_t /*bytes*/, std::size_t /*offset*/, Handle /*handle*/,
           Flags /*flags*/) {
  return kSuccess;
}
Result Unmap(DevicePtr /*at*/, std::size_t /*bytes*/) { return End(stage->next.load()); }
Result Retain(Context* context, Device /*device*/) {
  stage->primary.store(1);
  return *context = Numbered<Context>(0x7000), kSuccess;
}
Result ReleasePrimary(Device /*device*/) {
  stage->primary.store(0);
  stage->given.store(0);  // what was allocated in it ends with it
  return kSuccess;
}

Result GetDevice(Device* device) { return *device = 0, kSuccess; }
Result GetCurrent(Context* context) { return *context = Numbered<Context>(0x7000), kSuccess; }
Result PrimaryState(Device /*device*/, unsigned* flags, int* active) {
  return *flags = 0, *active = stage->primary.load(), kSuccess;
}
Result GetPool(Pool* pool, Device /*device*/) { return *pool = Numbered<Pool>(0x9000), kSuccess; }
Result PoolAttribute(Pool /*pool*/, int /*which*/, void* value) {
  const std::uint64_t bytes = stage->reserved.load();
  return std::memcpy(value, &bytes, sizeof bytes), kSuccess;
}
Result IsCapturing(Stream /*stream*/, int* status) { return *status = 0, kSuccess; }

template <typename Function>
void* Address(Function* function) {
  return reinterpret_cast<void*>(function);
}

}  // namespace

Result Alloc(DevicePtr* at, std::size_t bytes) { return *at = New(bytes), kSuccess; }

}  // namespace testing

void* RealAddress(Hook hook) {
  switch (hook) {
    case Hook::cuMemAlloc_v2:
      return testing::Address(&testing::Alloc);
    case Hook::cuMemFree_v2:
      return testing::Address(&testing::End);
    case Hook::cuMemAllocAsync:
      return testing::Address(&testing::AllocAsync);
    case Hook::cuMemFreeAsync:
      return testing::Address(&testing::FreeAsync);
    case Hook::cuMemPoolTrimTo:
      return testing::Address(&testing::Trim);
    case Hook::cuMemPoolCreate:
      return testing::Address(&testing::MakePool);
    case Hook::cuMemPoolDestroy:
      return testing::Address(&testing::EndPool);
    case Hook::cuMemAllocFromPoolAsync:
      return testing::Address(&testing::AllocFromPool);
    case Hook::cuMemPoolExportToShareableHandle:
      return testing::Address(&testing::ExportPool);
    case Hook::cuStreamSynchronize:
      return testing::Address(&testing::Synchronize);
    case Hook::cuMemCreate:
      return testing::Address(&testing::Create);
    case Hook::cuMemRelease:
      return testing::Address(&testing::KeepHandle);
    case Hook::cuMemMap:
      return testing::Address(&testing::Map);
    case Hook::cuMemUnmap:
      return testing::Address(&testing::Unmap);
    case Hook::cuDevicePrimaryCtxRetain:
      return testing::Address(&testing::Retain);
    case Hook::cuDevicePrimaryCtxRelease_v2:
      return testing::Address(&testing::ReleasePrimary);
    default:
      return nullptr;
  }
}
void* PlainAddress(Plain plain) {
  switch (plain) {
    case Plain::kContextGetDevice:
      return testing::Address(&testing::GetDevice);
    case Plain::kContextGetCurrent:
      return testing::Address(&testing::GetCurrent);
    case Plain::kPrimaryGetState:
      return testing::Address(&testing::PrimaryState);
    case Plain::kDeviceGetPool:
      return testing::Address(&testing::GetPool);
    case Plain::kPoolGetAttribute:
      return testing::Address(&testing::PoolAttribute);
    case Plain::kIsCapturing:
      return testing::Address(&testing::IsCapturing);
    case Plain::kStreamContext:
      return testing::Address(&testing::StreamContext);
    case Plain::kContextPush:
      return testing::Address(&testing::PushContext);
    case Plain::kContextPop:
      return testing::Address(&testing::PopContext);
    case Plain::kEventCreate:
      return testing::Address(&testing::MakeEvent);
    case Plain::kEventRecord:
      return testing::Address(&testing::RecordEvent);
    case Plain::kEventQuery:
      return testing::Address(&testing::QueryEvent);
    case Plain::kEventDestroy:
      return testing::Address(&testing::EndEvent);
    default:
      return nullptr;
  }
}
void* Routed(void* real) { return real; }
const char* RealPath() { return nullptr; }

}  // namespace tranche::shim
