#include "sim/cuda/streams.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "sim/cuda/capture.h"
#include "sim/cuda/library.h"
#include "sim/cuda/work.h"

namespace tranche::sim::cuda {
namespace {

std::uint64_t NextStreamId() {
  static std::uint64_t last = 0;
  return ++last;
}

int ThreadId() {
  static thread_local const int id = static_cast<int>(syscall(SYS_gettid));
  return id;
}

// Ends a thread's default streams with the thread.
struct ThreadEnd {
  bool used = false;
  ~ThreadEnd() {
    Process& process = Process::Get();
    if (!used || process.forked()) return;
    const std::scoped_lock lock(process.mutex());
    for (const auto& [handle, context] : process.contexts()) {
      const auto found = context->per_thread.find(ThreadId());
      if (found == context->per_thread.end()) continue;
      const auto stream = process.streams().Share(found->second);
      context->per_thread.erase(found);
      if (stream != nullptr) EndStream(*stream);
    }
  }
};

}  // namespace

Result MakeStream(ContextObject& context, StreamKind kind, int priority,
                  std::shared_ptr<StreamObject>* stream) {
  Process& process = Process::Get();
  link::StreamCreateAnswer answer{};
  const Result made = process.connection().Request(
      link::Kind::kStreamCreate,
      link::StreamCreate{.context = context.index,
                         .non_blocking = kind == StreamKind::kNonBlocking ? 1U : 0U,
                         .priority = priority},
      &answer);
  if (made != kSuccess) return made;
  TakeOverIndex(answer.stream);
  std::erase_if(context.leaving, [&](const auto& end) { return end.first == answer.stream; });
  auto object = std::make_shared<StreamObject>();
  object->context = process.contexts().Share(context.handle);
  object->kind = kind;
  object->priority = priority;
  object->id = NextStreamId();
  object->index = answer.stream;
  object->handle = process.streams().Add(object);
  context.streams.push_back(object.get());
  *stream = std::move(object);
  return kSuccess;
}

void EndStream(StreamObject& stream) {
  Process& process = Process::Get();
  CaptureStreamDestroyed(stream);
  const auto kept = process.streams().Remove(stream.handle);
  ContextObject& context = *stream.context;
  stream.alive = false;
  std::erase(context.streams, &stream);
  Connection& connection = process.connection();
  if (connection.Value(link::Counter::kStream, stream.index) < stream.submitted) {
    context.leaving.emplace_back(stream.index, stream.submitted);
  }
  link::Answer answer{};
  connection.Request(link::Kind::kStreamDestroy, link::StreamDestroy{.stream = stream.index},
                     &answer);
}

Result PerThreadStream(ContextObject& context, std::shared_ptr<StreamObject>* stream) {
  static thread_local ThreadEnd end;
  Process& process = Process::Get();
  const auto found = context.per_thread.find(ThreadId());
  if (found != context.per_thread.end()) {
    *stream = process.streams().Share(found->second);
    if (*stream != nullptr) return kSuccess;
  }
  const Result made = MakeStream(context, StreamKind::kBlocking, kLeastPriority, stream);
  if (made != kSuccess) return made;
  end.used = true;
  context.per_thread[ThreadId()] = (*stream)->handle;
  return kSuccess;
}

std::shared_ptr<StreamObject> LegacyStream(const std::shared_ptr<ContextObject>& context,
                                           std::uint32_t index) {
  auto stream = std::make_shared<StreamObject>();
  stream->context = context;
  stream->kind = StreamKind::kLegacy;
  stream->index = index;
  // NOLINTNEXTLINE(performance-no-int-to-ptr): a number in place of a handle
  stream->handle = reinterpret_cast<Stream>(kStreamLegacy);
  context->streams.push_back(stream.get());
  return stream;
}

}  // namespace tranche::sim::cuda
