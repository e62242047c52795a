#include "sim/cuda/contexts.h"

#include <algorithm>
#include <vector>

#include "sim/cuda/library.h"
#include "sim/cuda/streams.h"
#include "sim/cuda/work.h"

namespace tranche::sim::cuda {
namespace {

std::vector<ContextEnd>& Ends() {
  static auto* const ends = new std::vector<ContextEnd>();
  return *ends;
}

void EndStreamsOf(ContextObject& context) {
  Process& process = Process::Get();
  for (StreamObject* stream : context.streams) {
    stream->alive = false;
    process.streams().Remove(stream->handle);
  }
  context.streams.clear();
  context.per_thread.clear();
  context.leaving.clear();
  context.legacy.reset();
}

void EndEventsOf(const ContextObject& context) {
  Process& process = Process::Get();
  std::vector<Event> gone;
  for (const auto& [handle, event] : process.events()) {
    if (event->context.get() == &context) gone.push_back(handle);
  }
  for (const Event handle : gone) process.GiveMarkBack(*process.events().Remove(handle));
}

// The driver frees what the context held; here its addresses go.
void EndMemoryOf(const ContextObject& context) {
  Memory& memory = Process::Get().memory();
  std::vector<Allocation> gone;
  for (const auto& [base, allocation] : memory.allocations()) {
    if (allocation.context == context.handle) gone.push_back(allocation);
  }
  for (const Allocation& allocation : gone) {
    memory.Remove(allocation.base);
    if (allocation.chunk != 0) {
      memory.ReleaseChunk(allocation.chunk);
    } else {
      FreeSpan(allocation.span);
    }
  }
}

}  // namespace

Result BeginContext(const std::shared_ptr<ContextObject>& context) {
  static std::uint64_t last_id = 0;
  Process& process = Process::Get();
  if (const Result connected = process.Connect(); connected != kSuccess) return connected;
  const DeviceObject& device = *context->device;
  link::ContextCreateAnswer answer{};
  const Result made =
      process.connection().Request(link::Kind::kContextCreate,
                                   link::ContextCreate{.slot = device.slot,
                                                       .gpu_instance = device.gpu_instance,
                                                       .compute_instance = device.compute_instance,
                                                       .flags = context->flags},
                                   &answer);
  if (made != kSuccess) return made;
  context->index = answer.context;
  context->id = ++last_id;
  context->alive = true;
  context->error = kSuccess;
  // A counter of the page goes on where the last context of that number left it.
  context->launched = process.connection().Value(link::Counter::kContext, answer.context);
  context->legacy = LegacyStream(context, answer.legacy_stream);
  return kSuccess;
}

void EndContext(ContextObject& context) {
  Process& process = Process::Get();
  for (const ContextEnd end : Ends()) end(context);
  context.alive = false;
  for (auto& thread : context.host_threads) thread.reset();
  DropWorkOf(context);
  EndStreamsOf(context);
  EndEventsOf(context);
  EndMemoryOf(context);
  for (const auto& [handle, other] : process.contexts()) std::erase(other->peers, &context);
  context.peers.clear();
  link::Answer answer{};
  process.connection().Request(link::Kind::kContextDestroy,
                               link::ContextDestroy{.context = context.index}, &answer);
  if (!context.primary) process.contexts().Remove(context.handle);
}

void OnContextEnd(ContextEnd function) {
  if (std::find(Ends().begin(), Ends().end(), function) == Ends().end()) {
    Ends().push_back(function);
  }
}

namespace {

void NoteSlot() {
  Process& process = Process::Get();
  std::shared_ptr<ContextObject> context;
  const bool found = process.CurrentContext(&context) == kSuccess;
  Process::SlotOfThread() = found ? context->device->slot : kWholeGpu;
}

}  // namespace

void PushContext(Context context) {
  Process::CurrentStack().push_back(context);
  NoteSlot();
}

void ReplaceContext(Context context) {
  auto& stack = Process::CurrentStack();
  if (!stack.empty()) stack.pop_back();
  if (context != nullptr) stack.push_back(context);
  NoteSlot();
}

Context PopContext() {
  auto& stack = Process::CurrentStack();
  const Context top = stack.back();
  stack.pop_back();
  NoteSlot();
  return top;
}

bool ValidContextFlags(unsigned flags) {
  const unsigned schedule = flags & kContextSchedMask;
  return (flags & ~unsigned{kContextFlagsMask}) == 0 && schedule != 3 && schedule <= 4;
}

}  // namespace tranche::sim::cuda
