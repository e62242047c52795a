#include "sim/cuda/library.h"

#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstring>

#include "sim/cuda/devices.h"
#include "sim/cuda/streams.h"
#include "sim/node/find.h"

namespace tranche::sim::cuda {
namespace {

// What an error of this kind does to a context lasts until the context is gone.
bool IsSticky(Result result) {
  switch (result) {
    case kIllegalAddress:
    case kLaunchTimeout:
    case kAssert:
    case kHardwareStackError:
    case kIllegalInstruction:
    case kMisalignedAddress:
    case kInvalidAddressSpace:
    case kInvalidPc:
    case kLaunchFailed:
    case kEccUncorrectable:
    case kNvlinkUncorrectable:
    case kContained:
      return true;
    default:
      return false;
  }
}

// "cuMemAlloc" stands for cuMemAlloc_v2 too, and for the variants of the per-thread default stream.
bool Means(const char* said, const char* call) {
  if (std::strcmp(said, "*") == 0) return true;
  const std::size_t length = std::strlen(said);
  if (std::strncmp(said, call, length) != 0) return false;
  const char* rest = call + length;
  if (rest[0] == '_' && rest[1] == 'v' && rest[2] >= '0' && rest[2] <= '9') rest += 3;
  return *rest == '\0' || std::strcmp(rest, "_ptsz") == 0 || std::strcmp(rest, "_ptds") == 0;
}

}  // namespace

std::uintptr_t NewHandle() {
  static std::uintptr_t last = 0x5'1000'0000'0000;
  return last += 64;
}

bool& InHostFunction() {
  static thread_local bool inside = false;
  return inside;
}

Process& Process::Get() {
  static Process* const process = new Process();
  return *process;
}

Process::Process() {
  state_file_ = FindStateFile(reinterpret_cast<const void*>(&InHostFunction));
  if (!state_file_.empty()) reader_ = StateReader::Open(state_file_);
  pthread_atfork(nullptr, nullptr, [] { Get().AfterForkInChild(); });
}

void Process::AfterForkInChild() {
  if (phase() == Phase::kNever) return;
  forked_.store(true, std::memory_order_release);
  connection_.CloseInChild();
}

const StateReader* Process::reader() {
  const std::scoped_lock lock(faults_mutex_);
  if (reader_ == nullptr) {
    state_file_ = FindStateFile(reinterpret_cast<const void*>(&InHostFunction));
    if (!state_file_.empty()) reader_ = StateReader::Open(state_file_);
  }
  return reader_.get();
}

int Process::DriverVersion() {
  const StateReader* node = reader();
  if (node == nullptr) return 0;
  NodeHeader header{};
  node->ReadHeader(&header);
  return static_cast<int>(header.cuda_version);
}

Result Process::Init() {
  if (phase() == Phase::kReady) return kSuccess;
  const StateReader* node = reader();
  const Result found = node == nullptr ? kNoDevice : ListDevices(*node, &devices_);
  phase_.store(found == kSuccess ? Phase::kReady : Phase::kFailed, std::memory_order_release);
  return found;
}

Result Process::Connect() {
  if (connection_.open()) return connection_.gone() ? kDeviceUnavailable : kSuccess;
  return connection_.Open(FindDriverSocket(state_file_));
}

Result Process::FindDevice(Device ordinal, DeviceObject** device) {
  if (ordinal < 0 || static_cast<std::size_t>(ordinal) >= devices_.size()) return kInvalidDevice;
  *device = devices_[static_cast<std::size_t>(ordinal)].get();
  return kSuccess;
}

// ---- contexts and streams

std::vector<Context>& Process::CurrentStack() {
  // Never destroyed: exit handlers may still call.
  static thread_local auto* const stack = new std::vector<Context>();
  return *stack;
}

Result Process::CurrentContext(std::shared_ptr<ContextObject>* context) {
  const std::vector<Context>& stack = CurrentStack();
  if (stack.empty() || stack.back() == nullptr) return kInvalidContext;
  *context = contexts_.Share(stack.back());
  return *context != nullptr && (*context)->alive ? kSuccess : kContextIsDestroyed;
}

Result Process::ErrorOf(ContextObject& context) {
  if (context.error != kSuccess) return context.error;
  Result error = connection_.ContextError(context.index);
  if (error == kSuccess) error = connection_.DeviceError(context.device->slot);
  return error;
}

Result Process::FindStream(Stream handle, bool per_thread, std::shared_ptr<StreamObject>* stream) {
  const auto number = reinterpret_cast<std::uintptr_t>(handle);
  if (number > kStreamPerThread) {
    if (phase() == Phase::kNever) return kNotInitialized;
    *stream = streams_.Share(handle);
    return *stream != nullptr ? kSuccess : kInvalidHandle;
  }
  if (phase() != Phase::kReady) return kNotInitialized;
  std::shared_ptr<ContextObject> context;
  if (const Result found = CurrentContext(&context); found != kSuccess) return found;
  if (number == kStreamPerThread || (number == 0 && per_thread)) {
    return PerThreadStream(*context, stream);
  }
  *stream = context->legacy;
  return kSuccess;
}

Result Process::TakeMark(EventObject* event) {
  if (event->has_mark) return kSuccess;
  if (!free_marks_.empty()) {
    event->mark = free_marks_.back().first;
    event->generation = free_marks_.back().second;
    free_marks_.pop_back();
  } else {
    if (marks_made_ == link::kMaxMarks) return kOutOfMemory;
    event->mark = marks_made_++;
  }
  event->has_mark = true;
  return kSuccess;
}

void Process::GiveMarkBack(const EventObject& event) {
  if (event.has_mark) free_marks_.emplace_back(event.mark, event.generation);
}

std::uint32_t Process::NameId(const std::string& name) {
  const auto [found, added] =
      names_.emplace(name, static_cast<std::uint32_t>(names_.size()) + 1);
  if (added && connection_.open()) {
    link::Name message{};
    message.name = found->second;
    std::strncpy(message.text, name.c_str(), sizeof message.text - 1);
    connection_.Send(link::Kind::kName, message);
  }
  return found->second;
}

// ---- faults

void Process::RefreshFaults() {
  const std::uint32_t sequence = reader_->Sequence();
  if (sequence == faults_seen_.load(std::memory_order_relaxed)) return;
  reader_->ReadHeader(&header_);
  faults_seen_.store(header_.sequence, std::memory_order_relaxed);
}

struct Process::Step {
  Result answer = kSuccess;
  bool wait = false;
  std::uint32_t seen = 0;
};

Process::Step Process::NextStep(const char* call, unsigned slot, std::uint32_t* hanging) {
  const std::scoped_lock lock(faults_mutex_);
  RefreshFaults();
  const std::uint32_t seen = faults_seen_.load(std::memory_order_relaxed);
  for (unsigned i = 0; i < header_.fault_count; ++i) {
    const FaultState& fault = header_.faults[i];
    const bool over = fault.until_ns != 0 && MonotonicNs() >= fault.until_ns;
    if (*hanging != 0) {  // until that fault is over
      if (fault.id == *hanging) return {.wait = !over, .seen = seen};
      continue;
    }
    if (over || !Means(fault.call, call)) continue;
    if (fault.slot != kWholeGpu && fault.slot != slot) continue;
    if (fault.count != 0 && fault_uses_[fault.id] >= fault.count) continue;
    ++fault_uses_[fault.id];
    if (fault.hang == 0) return {.answer = static_cast<Result>(fault.code)};
    *hanging = fault.id;
    return {.wait = true, .seen = seen};
  }
  return {};
}

Result Process::Trouble(const char* call) {
  const StateReader* node = reader_ != nullptr ? reader_.get() : reader();
  if (node == nullptr) return kSuccess;
  // Written once in a while, and most nodes have no fault.
  if (node->Sequence() == faults_seen_.load(std::memory_order_acquire) &&
      header_.fault_count == 0) {
    return kSuccess;
  }
  std::shared_ptr<ContextObject> context;
  unsigned slot = kWholeGpu;
  if (phase() == Phase::kReady) {
    const std::scoped_lock lock(mutex_);
    if (CurrentContext(&context) == kSuccess) slot = context->device->slot;
  }
  constexpr std::uint64_t kLook = 100'000'000;  // how long to wait before looking at the time again
  std::uint32_t hanging = 0;
  for (;;) {
    const Step step = NextStep(call, slot, &hanging);
    if (step.wait) {
      node->WaitForChange(step.seen, kLook);
      continue;
    }
    if (context != nullptr && IsSticky(step.answer)) {
      const std::scoped_lock lock(mutex_);
      if (context->error == kSuccess) context->error = step.answer;
    }
    return step.answer;
  }
}

}  // namespace tranche::sim::cuda
