// What every client does: it greets, makes and ends contexts and streams, and goes.
#include "sim/driver/client.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <utility>
#include <variant>

#include "base/log.h"
#include "sim/driver/constants.h"
#include "sim/driver/machine.h"

namespace tranche::sim::driver {
namespace {

using link::Kind;

constexpr std::size_t kMaxNames = 4096;
constexpr std::size_t kMaxMissingLines = 256;  // of one program in the log; all are counted
constexpr std::size_t kMaxTextBytes = 120;

}  // namespace

Client::Client(Machine& machine, std::uint32_t id, ProcessAccount& account,
               std::unique_ptr<PageFile> page, Outbox& outbox)
    : machine_(machine), id_(id), account_(account), page_(std::move(page)), outbox_(outbox) {
  link::Page& words = page_->page();
  words.magic = link::kPageMagic;
  words.version = link::kVersion;
  words.time_scale = machine.options().time_scale;
  words.epoch_ns = machine.options().epoch_ns;
  ShowDeviceErrors();
}

Client::~Client() = default;

bool Client::Handle(const Message& message, std::vector<base::UniqueFd>& descriptors, Time now) {
  if (!greeted_ && !std::holds_alternative<link::Hello>(message)) return false;
  descriptors_ = &descriptors;
  return std::visit([&](const auto& what) { return On(what, now); }, message);
}

template <typename Struct>
void Client::Answer(Kind kind, const Struct& answer, int descriptor) {
  const link::Header header{
      .kind = kind, .flags = link::kAnswer, .bytes = sizeof(link::Header) + sizeof(Struct)};
  std::byte bytes[sizeof header + sizeof answer];
  std::memcpy(bytes, &header, sizeof header);
  std::memcpy(bytes + sizeof header, &answer, sizeof answer);
  outbox_.Send(bytes, descriptor);
}

template void Client::Answer(Kind, const link::ReserveAnswer&, int);
template void Client::Answer(Kind, const link::MemoryInfoAnswer&, int);
template void Client::Answer(Kind, const link::ShareAnswer&, int);
template void Client::Answer(Kind, const link::OpenSharedAnswer&, int);

bool Client::AnswerResult(Kind kind, std::uint32_t result) {
  Answer(kind, link::Answer{.result = result, .reserved = 0});
  return true;
}

bool Client::On(const link::Hello& hello, Time) {
  if (greeted_) return false;
  const bool same = hello.version == link::kVersion;
  greeted_ = same;
  Answer(Kind::kHello,
         link::HelloAnswer{.result = same ? kSuccess : kSystemDriverMismatch, .client = id_},
         same ? page_->fd() : -1);
  return true;
}

Context* Client::FindContext(std::uint32_t index) {
  return index < contexts_.size() ? contexts_[index].get() : nullptr;
}

Stream* Client::FindStream(std::uint32_t index) {
  const auto at = streams_.find(index);
  return at == streams_.end() || at->second->destroyed ? nullptr : at->second.get();
}

bool Client::On(const link::ContextCreate& create, Time now) {
  const auto refuse = [&](std::uint32_t result) {
    Answer(Kind::kContextCreate, link::ContextCreateAnswer{.result = result});
    return true;
  };
  const auto free = std::find(contexts_.begin(), contexts_.end(), nullptr);
  Device* device = machine_.devices().Find(create.slot, create.gpu_instance);
  if (device == nullptr) {
    const std::uint32_t lost = machine_.devices().ErrorOf(create.slot);
    return refuse(lost != kSuccess ? lost : kInvalidDevice);
  }
  const engine::OwnerId owner = machine_.NewOwner();
  if (free == contexts_.end() || !device->memory->AddContext(owner, device->ContextBytes())) {
    ++account_.without_context.refused;
    machine_.log().MemoryChanged(account_,
                                 {.what = "refused",
                                  .slot = device->slot,
                                  .gpu_instance = device->gpu_instance,
                                  .asked = device->ContextBytes(),
                                  .free = device->memory->Free()},
                                 now);
    return refuse(kOutOfMemory);
  }
  auto context = std::make_unique<Context>();
  context->client = this;
  context->index = static_cast<std::uint32_t>(free - contexts_.begin());
  context->device = device;
  context->compute_instance = create.compute_instance;
  context->owner = owner;
  context->engine = machine_.engine().AddContext(device->unit);
  context->account = &machine_.ledger().BeginContext(account_, now);
  context->account->slot = device->slot;
  context->account->gpu_instance = device->gpu_instance;
  context->account->compute_instance = create.compute_instance;
  context->account->taken = device->ContextBytes();
  context->account->free = device->memory->Free();
  machine_.AddContext(*context);
  machine_.log().ContextBegan(account_, *context->account);
  page_->page().contexts[context->index] = {};
  const Stream* legacy = AddStream(*context, engine::StreamKind::kLegacy, now);
  if (legacy == nullptr) {
    End(*context, now);
    return refuse(kOutOfMemory);
  }
  context->legacy_stream = legacy->index;
  const link::ContextCreateAnswer answer{.result = kSuccess,
                                         .context = context->index,
                                         .legacy_stream = legacy->index,
                                         .taken_bytes = device->ContextBytes()};
  *free = std::move(context);
  machine_.CountArrival();
  machine_.Show(pid());  // before the program can ask what it has taken
  Answer(Kind::kContextCreate, answer);
  NotePeak();
  return true;
}

bool Client::On(const link::ContextDestroy& destroy, Time now) {
  Context* context = FindContext(destroy.context);
  if (context == nullptr) return AnswerResult(Kind::kContextDestroy, kInvalidContext);
  Break(*context, kContextIsDestroyed, now);
  End(*context, now);
  contexts_[destroy.context].reset();
  machine_.Show(pid());
  return AnswerResult(Kind::kContextDestroy, kSuccess);
}

void Client::Break(Context& context, std::uint32_t error, Time now) {
  if (context.error == 0) {
    machine_.SettleAt(now);
    machine_.DropWork(context);
    if (error != kContextIsDestroyed) {
      machine_.log().Failed(account_, *context.account, error, now);
    }
  }
  if (context.error == 0 || error == kContextIsDestroyed) context.error = error;
  PageFile::Set(page_->page().contexts[context.index].error, context.error);
  // Whoever waits looks at the error; who waits for another context's work goes on waiting.
  for (const auto& [key, values] : awaits_.all()) {
    PageFile::Wake(*CounterOf(key.first, key.second));
  }
}

void Client::End(Context& context, Time now) {
  if (context.error == 0) machine_.DropWork(context);
  std::erase_if(held_, [&](const auto& entry) { return entry.second.context == &context; });
  engine::DeviceMemory& memory = *context.device->memory;
  const std::uint64_t before = memory.Free();
  memory.RemoveOwner(context.owner);
  std::erase_if(streams_, [&](const auto& entry) { return entry.second->context == &context; });
  machine_.ledger().EndContext(account_, *context.account, now);
  machine_.log().ContextEnded(account_, *context.account, memory.Free() - before, memory.Free());
  machine_.CountArrival();
}

void Client::Release(Time now) {
  for (const auto& context : contexts_) {
    if (context != nullptr) Break(*context, kContextIsDestroyed, now);
  }
  for (auto& context : contexts_) {
    if (context != nullptr) End(*context, now);
    context.reset();
  }
  // What nobody else has is freed.
  std::map<engine::OwnerId, std::uint64_t> asked;
  for (auto& [id, held] : held_) {
    const std::shared_ptr<SharedMemory> memory = std::move(held.memory);
    if (memory.use_count() == 1) asked[held.owner] += memory->bytes;
  }
  held_.clear();
  for (const auto& [device, owner] : owners_) {
    const std::uint64_t before = device->memory->Free();
    device->memory->RemoveOwner(owner);
    if (device->memory->Free() == before) continue;
    machine_.log().MemoryChanged(account_,
                                 {.what = "freed",
                                  .slot = device->slot,
                                  .gpu_instance = device->gpu_instance,
                                  .asked = asked[owner],
                                  .taken = device->memory->Free() - before,
                                  .free = device->memory->Free()},
                                 now);
  }
  owners_.clear();
}

Stream* Client::AddStream(Context& context, engine::StreamKind kind, Time now) {
  std::uint32_t index = 0;
  for (const auto& [used, stream] : streams_) {
    if (used != index) break;
    ++index;
  }
  if (index >= link::kMaxStreams) return nullptr;
  auto stream = std::make_unique<Stream>();
  stream->context = &context;
  stream->index = index;
  stream->last_stamp = now;
  stream->engine = machine_.engine().AddStream(context.engine, kind);
  machine_.AddQueue(stream->engine, context, index);
  page_->page().streams[index] = {};
  return streams_.emplace(index, std::move(stream)).first->second.get();
}

bool Client::On(const link::StreamCreate& create, Time now) {
  Context* context = FindContext(create.context);
  std::uint32_t result = context == nullptr ? kInvalidContext : context->error;
  const Stream* stream = nullptr;
  if (result == kSuccess) {
    stream = AddStream(
        *context,
        create.non_blocking != 0 ? engine::StreamKind::kNonBlocking : engine::StreamKind::kBlocking,
        now);
    if (stream == nullptr) result = kOutOfMemory;
  }
  Answer(Kind::kStreamCreate,
         link::StreamCreateAnswer{.result = result, .stream = stream ? stream->index : 0});
  return true;
}

bool Client::On(const link::StreamDestroy& destroy, Time) {
  Stream* stream = FindStream(destroy.stream);
  if (stream == nullptr || stream->index == stream->context->legacy_stream) {
    return AnswerResult(Kind::kStreamDestroy, kInvalidHandle);
  }
  stream->destroyed = true;
  for (const engine::StreamId lane : stream->lanes) machine_.CloseQueue(lane);
  if (stream->context->error != 0) {
    streams_.erase(destroy.stream);  // the engine has dropped it already
  } else {
    machine_.CloseQueue(stream->engine);
  }
  return AnswerResult(Kind::kStreamDestroy, kSuccess);
}

void Client::OnDrained(std::uint32_t stream, engine::StreamId engine) {
  const auto at = streams_.find(stream);
  if (at != streams_.end() && at->second->engine == engine) streams_.erase(at);
}

bool Client::On(const KernelName& name, Time) {
  if (names_.size() < kMaxNames || names_.contains(name.name)) {
    names_[name.name] = base::Printable(name.text, kMaxTextBytes);
  }
  return true;
}

std::string Client::NameOf(std::uint32_t kernel) const {
  const auto at = names_.find(kernel);
  return at == names_.end() ? std::string() : at->second;
}

bool Client::On(const MissingCall& missing, Time now) {
  const std::string call = base::Printable(missing.call, kMaxTextBytes);
  machine_.ledger().CountMissing(call);
  if (missing_lines_ < kMaxMissingLines) {
    ++missing_lines_;
    machine_.log().Missing(account_, call, now);
  }
  return true;
}

bool Client::On(const link::Fail& fail, Time now) {
  // That a context is destroyed is nothing that a program can say of one that is there.
  if (fail.result == kSuccess || fail.result == kContextIsDestroyed) return false;
  if (fail.result > kLastResult) return false;
  if (Context* context = FindContext(fail.context)) Break(*context, fail.result, now);
  return true;
}

void Client::ShowDeviceErrors() {
  for (unsigned slot = 0; slot < link::kMaxDevices; ++slot) {
    PageFile::Set(page_->page().device_error[slot], machine_.devices().ErrorOf(slot));
  }
}

}  // namespace tranche::sim::driver
