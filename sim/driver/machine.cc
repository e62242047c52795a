#include "sim/driver/machine.h"

#include <algorithm>
#include <utility>

#include "sim/driver/constants.h"

namespace tranche::sim::driver {
namespace {

// What programs see after an XID, from NVIDIA's "Xid Errors" and the CUresult texts: 31 is a memory
// page fault; 48, 94 and 95 are ECC errors that cannot be corrected, 79 a GPU that has fallen off
// the bus, 13 and 43 faults of one program's own.
constexpr std::uint64_t kXidPageFault = 31;
constexpr std::uint64_t kXidDoubleBitEcc = 48;
constexpr std::uint64_t kXidOffTheBus = 79;
constexpr std::uint64_t kXidContainedEcc = 94;
constexpr std::uint64_t kXidUncontainedEcc = 95;
constexpr std::uint64_t kXidEventType = 8;  // nvmlEventTypeXidCriticalError

std::uint32_t ErrorOfXid(std::uint64_t xid) {
  switch (xid) {
    case kXidPageFault:
      return kIllegalAddress;
    case kXidDoubleBitEcc:
    case kXidContainedEcc:
    case kXidUncontainedEcc:
      return kEccUncorrectable;
    case kXidOffTheBus:
      return kDeviceUnavailable;
    default:
      return kLaunchFailed;
  }
}

bool HitsAll(std::uint64_t xid) {
  return xid == kXidOffTheBus || xid == kXidDoubleBitEcc || xid == kXidUncontainedEcc;
}

}  // namespace

Machine::Machine(const MachineOptions& options, RunLog& log)
    : options_(options), log_(log), engine_(*this), devices_(engine_, options.hardware) {}

Machine::~Machine() = default;

Client* Machine::Connect(pid_t pid, const std::string& name, Outbox& outbox, Time now) {
  auto page = PageFile::Make();
  if (!page.ok()) return nullptr;
  const std::uint32_t id = ++last_client_;
  ProcessAccount& account = ledger_.Begin(id, pid, name, now);
  log_.Began(account);
  return clients_
      .emplace(id, std::make_unique<Client>(*this, id, account, std::move(*page), outbox))
      .first->second.get();
}

void Machine::Disconnect(Client& client, Time now) {
  client.Release(now);
  ProcessAccount& account = client.account();
  clients_.erase(client.id());
  account.ended = now;
  log_.Ended(account);
  ledger_.End(account, now);
  CountArrival();
}

void Machine::AdvanceTo(Time now) {
  // Event by event, so that the engine's clock stays behind: a program's next call may be on its
  // way, stamped with a time between the last event and now.
  while (engine_.NextEvent().value_or(now + 1) <= now) {
    engine_.AdvanceTo(*engine_.NextEvent());
    for (const engine::StreamId stream : std::exchange(drained_, {})) EraseIfDrained(stream);
  }
}

void Machine::SettleAt(Time now) {
  AdvanceTo(now);
  engine_.AdvanceTo(now);
  engine_.ReportComputed();
}

std::vector<Sampled> Machine::TakeSampled() {
  for (const auto& [id, client] : clients_) {
    for (const auto& context : client->contexts()) {
      if (context != nullptr) KeepSampled(*context);
    }
  }
  return std::exchange(sampled_, {});
}

void Machine::KeepSampled(Context& context) {
  const Time computed = std::exchange(context.sampled, 0);
  const Time copied = std::exchange(context.sampled_copying, 0);
  if (computed == 0 && copied == 0) return;
  sampled_.push_back({.slot = context.device->slot,
                      .gpu_instance = context.device->gpu_instance,
                      .compute_instance = context.compute_instance,
                      .pid = static_cast<std::uint32_t>(std::max(context.client->pid(), 0)),
                      .computed = computed,
                      .copied = copied});
}

void Machine::Follow(const NodeSnapshot& node, Time now) {
  devices_.Follow(node, [&](Device& device) { Fail(device, kDeviceUnavailable, now); });
  for (const auto& [id, client] : clients_) client->ShowDeviceErrors();
}

void Machine::OnXid(const EventState& event, Time now) {
  if (event.type != kXidEventType) return;
  const std::uint32_t error = ErrorOfXid(event.data);
  for (const auto& device : devices_.all()) {
    const bool here = device->slot == event.slot && (event.gpu_instance == kWholeGpu ||
                                                     event.gpu_instance == device->gpu_instance);
    if (here && event.pid == 0 && HitsAll(event.data)) Fail(*device, error, now);
    if (!here || event.pid == 0) continue;
    for (const auto& [id, client] : clients_) {
      if (client->pid() != static_cast<pid_t>(event.pid)) continue;
      for (const auto& context : client->contexts()) {
        if (context != nullptr && context->device == device.get()) {
          client->Break(*context, error, now);
        }
      }
    }
  }
}

void Machine::Fail(Device& device, std::uint32_t error, Time now) {
  for (const auto& [id, client] : clients_) {
    for (const auto& context : client->contexts()) {
      if (context != nullptr && context->device == &device) client->Break(*context, error, now);
    }
  }
}

void Machine::DropWork(Context& context) {
  engine_.RemoveContext(context.engine);  // tells what it has computed
  KeepSampled(context);
  contexts_.erase(context.engine);
  std::erase_if(queues_, [&](const auto& entry) {
    if (entry.second.context != &context) return false;
    context.client->Forget(entry.second);
    return true;
  });
}

Queue& Machine::AddQueue(engine::StreamId stream, Context& context, std::uint32_t index) {
  Queue& queue = queues_[stream];
  queue.context = &context;
  queue.stream = index;
  return queue;
}

void Machine::CloseQueue(engine::StreamId stream) {
  engine_.RemoveStream(stream);
  if (Queue* queue = FindQueue(stream)) queue->closing = true;
  EraseIfDrained(stream);
}

Queue* Machine::FindQueue(engine::StreamId stream) {
  const auto at = queues_.find(stream);
  return at == queues_.end() ? nullptr : &at->second;
}

void Machine::EraseIfDrained(engine::StreamId stream) {
  const auto at = queues_.find(stream);
  if (at == queues_.end() || !at->second.closing || !at->second.waiting.empty()) return;
  at->second.context->client->OnDrained(at->second.stream, stream);
  queues_.erase(at);
}

void Machine::OnDone(engine::StreamId stream, const engine::Task&, Time begun, Time ended) {
  Queue* queue = FindQueue(stream);
  if (queue == nullptr || queue->waiting.empty()) return;
  const Submitted done = queue->waiting.front();
  queue->waiting.pop_front();
  Account(*queue->context, done, begun, ended);
  queue->context->client->OnDone(*queue->context, *queue, done, ended);
  if (queue->closing && queue->waiting.empty()) drained_.push_back(stream);
}

void Machine::OnHost(engine::StreamId stream, const engine::Task&, Time) {
  const Queue* queue = FindQueue(stream);
  if (queue == nullptr || queue->waiting.empty()) return;
  queue->context->client->OnHost(*queue->context, *queue, queue->waiting.front());
}

void Machine::Account(Context& context, const Submitted& done, Time begun, Time ended) {
  Usage& usage = context.account->usage;
  const bool in = done.work == link::Work::kCopyToDevice;
  switch (done.work) {
    case link::Work::kKernel:
      ++usage.kernels;
      log_.KernelDone(*context.account, context.client->NameOf(done.name));
      return;
    case link::Work::kCopyOnDevice:
    case link::Work::kFill:
      context.sampled_copying += ended - begun;
      return;
    case link::Work::kCopyToDevice:
    case link::Work::kCopyToHost: {
      CopySums& sums = in ? usage.in : usage.out;
      ++sums.count;
      sums.bytes += done.bytes;
      sums.time += ended - begun;
      context.sampled_copying += ended - begun;
      log_.Copied(context.client->account(), *context.account,
                  in ? RunLog::Direction::kIn : RunLog::Direction::kOut, begun, ended, done.bytes);
      return;
    }
    default:
      return;
  }
}

void Machine::OnComputed(engine::UnitId unit, engine::ContextId context, Time begun, Time ended) {
  const Time switched = std::exchange(switched_[unit], 0);
  const auto at = contexts_.find(context);
  if (at == contexts_.end()) return;
  at->second->account->usage.computed += ended - begun;
  at->second->sampled += ended - begun;
  log_.Computed(at->second->client->account(), *at->second->account, begun, ended, switched);
}

void Machine::OnSwitched(engine::UnitId unit, engine::ContextId to, Time begun, Time ended) {
  switched_[unit] += ended - begun;
  const auto at = contexts_.find(to);
  if (at == contexts_.end()) return;
  at->second->account->usage.switched += ended - begun;
  ++at->second->account->usage.switches;
}

}  // namespace tranche::sim::driver
