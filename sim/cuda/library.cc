#include "sim/cuda/library.h"

#include <pthread.h>

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
  pthread_atfork(nullptr, nullptr, [] { Get().AfterForkInChild(); });
}

void Process::AfterForkInChild() {
  if (phase() == Phase::kNever) return;
  forked_.store(true, std::memory_order_release);
  connection_.CloseInChild();
}

const StateReader* Process::reader() {
  if (const StateReader* found = reader_.load(std::memory_order_acquire); found != nullptr) {
    return found;
  }
  const std::scoped_lock lock(reader_mutex_);
  if (reader_ != nullptr) return reader_;
  state_file_ = FindStateFile(reinterpret_cast<const void*>(&InHostFunction));
  auto opened = state_file_.empty() ? nullptr : StateReader::Open(state_file_);
  if (opened == nullptr) return nullptr;
  trouble_ = std::make_unique<Trouble>(*opened);
  reader_.store(opened.release(), std::memory_order_release);
  return reader_;
}

unsigned& Process::SlotOfThread() {
  static thread_local unsigned slot = kWholeGpu;
  return slot;
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

void Process::Break(ContextObject& context, Result error) {
  if (context.error != kSuccess) return;
  context.error = error;
  if (!context.alive) return;  // the driver's number may be another's by now
  connection_.Send(link::Kind::kFail, link::Fail{.context = context.index,
                                                 .result = static_cast<std::uint32_t>(error)});
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
  const auto [found, added] = names_.emplace(name, static_cast<std::uint32_t>(names_.size()) + 1);
  if (added && connection_.open()) {
    link::Name message{};
    message.name = found->second;
    std::strncpy(message.text, name.c_str(), sizeof message.text - 1);
    connection_.Send(link::Kind::kName, message);
  }
  return found->second;
}

void Process::TellMissing(const char* what) {
  // Without a context there may be no line yet; what is missing is worth one.
  if (Connect() != kSuccess) return;
  link::Missing message{};
  std::strncpy(message.call, what, sizeof message.call - 1);
  connection_.Send(link::Kind::kMissing, message);
}

// ---- faults

Result Process::TroubleOf(const char* call) {
  if (reader() == nullptr) return kSuccess;
  const auto answer = static_cast<Result>(trouble_->Of(call, SlotOfThread()));
  if (!IsSticky(answer)) return answer;
  const std::scoped_lock lock(mutex_);
  std::shared_ptr<ContextObject> context;
  if (phase() == Phase::kReady && CurrentContext(&context) == kSuccess) Break(*context, answer);
  return answer;
}

}  // namespace tranche::sim::cuda
