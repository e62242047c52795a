// Machine is the driver without its sockets and clocks: the simulated hardware, who uses it, and
// the account of what they use. Times are the driver's virtual time, given by the caller.
//
// Threading: one thread.
// Errors: a client that breaks the rules of the protocol is told of by Handle; it is to be removed.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "sim/driver/client.h"
#include "sim/driver/hardware.h"
#include "sim/driver/message.h"
#include "sim/driver/objects.h"
#include "sim/driver/record/ledger.h"
#include "sim/driver/record/run_log.h"
#include "sim/engine/engine.h"

namespace tranche::sim::driver {

struct MachineOptions {
  engine::Hardware hardware;
  std::uint64_t epoch_ns = 0;
  std::uint32_t time_scale = 1;
};

class Machine : private engine::Observer {
 public:
  Machine(const MachineOptions& options, RunLog& log);
  ~Machine() override;

  // A program has connected. nullptr: the kernel gives no memory for its page.
  Client* Connect(pid_t pid, const std::string& name, Outbox& outbox, Time now);
  // It has gone: all that it had is free at once.
  void Disconnect(Client& client, Time now);

  // Does all that is due until `now`.
  void AdvanceTo(Time now);
  // When something happens next; none while nothing goes on.
  [[nodiscard]] std::optional<Time> NextEvent() const { return engine_.NextEvent(); }
  // Accounts for what is computing at this moment, up to the last thing that was done.
  void SettleAt(Time now);

  // What programs have computed since the last call, those that have ended among them.
  [[nodiscard]] std::vector<Sampled> TakeSampled();

  // Follows the node: devices that are gone take their contexts' work with them.
  void Follow(const NodeSnapshot& node, Time now);
  // An XID of the node's state that is about contexts.
  void OnXid(const EventState& event, Time now);

  // ---- for the client's own parts
  [[nodiscard]] engine::Engine& engine() { return engine_; }
  [[nodiscard]] Devices& devices() { return devices_; }
  [[nodiscard]] Ledger& ledger() { return ledger_; }
  [[nodiscard]] RunLog& log() { return log_; }
  [[nodiscard]] const Ledger& accounts() const { return ledger_; }
  [[nodiscard]] const std::vector<std::unique_ptr<Device>>& all_devices() const {
    return devices_.all();
  }
  [[nodiscard]] const MachineOptions& options() const { return options_; }
  [[nodiscard]] const std::map<std::uint32_t, std::unique_ptr<Client>>& clients() const {
    return clients_;
  }
  engine::OwnerId NewOwner() { return ++last_owner_; }
  std::uint64_t NewReservation() { return ++last_reservation_; }
  void AddContext(Context& context) { contexts_[context.engine] = &context; }
  // Its work is dropped. The context's own counters stay.
  void DropWork(Context& context);
  Queue& AddQueue(engine::StreamId stream, Context& context, std::uint32_t index);
  void CloseQueue(engine::StreamId stream);
  [[nodiscard]] Queue* FindQueue(engine::StreamId stream);
  [[nodiscard]] SharedMemories& shared() { return shared_; }
  // Somebody's memory has changed; a context came or went.
  [[nodiscard]] std::uint64_t changes() const { return changes_; }
  [[nodiscard]] std::uint64_t arrivals() const { return arrivals_; }
  void CountChange() { ++changes_; }
  void CountArrival() { ++arrivals_; }
  // What is called where a program must find shown what it has now, before it goes on.
  void SetShowing(std::function<void(pid_t)> show) { show_ = std::move(show); }
  void Show(pid_t pid) const {
    if (show_) show_(pid);
  }

 private:
  void OnDone(engine::StreamId stream, const engine::Task& task, Time begun, Time ended) override;
  void OnHost(engine::StreamId stream, const engine::Task& task, Time at) override;
  void OnComputed(engine::UnitId unit, engine::ContextId context, Time begun, Time ended) override;
  void OnSwitched(engine::UnitId unit, engine::ContextId to, Time begun, Time ended) override;
  void Account(Context& context, const Submitted& done, Time begun, Time ended);
  void EraseIfDrained(engine::StreamId stream);
  void KeepSampled(Context& context);
  void Fail(Device& device, std::uint32_t error, Time now);

  MachineOptions options_;
  RunLog& log_;
  engine::Engine engine_;
  Devices devices_;
  Ledger ledger_;
  SharedMemories shared_;  // before the clients, whose memory leaves it
  std::map<std::uint32_t, std::unique_ptr<Client>> clients_;
  std::unordered_map<engine::ContextId, Context*> contexts_;
  std::unordered_map<engine::StreamId, Queue> queues_;
  std::vector<engine::StreamId> drained_;
  std::vector<Sampled> sampled_;                       // of contexts that do nothing more
  std::unordered_map<engine::UnitId, Time> switched_;  // since the last run
  std::uint32_t last_client_ = 0;
  engine::OwnerId last_owner_ = 0;
  std::uint64_t last_reservation_ = 0;
  std::uint64_t changes_ = 0;
  std::uint64_t arrivals_ = 0;
  std::function<void(pid_t)> show_;
};

}  // namespace tranche::sim::driver
