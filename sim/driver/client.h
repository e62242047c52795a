// Client is one program that uses the simulated GPUs: what it has made, and what it asks for.
//
// Threading: one thread.
// Errors: Handle says false for a message that breaks the rules of the protocol: the program is to
// be cut off. A request that cannot be granted is answered with its CUresult.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/file.h"
#include "sim/driver/awaits.h"
#include "sim/driver/graph.h"
#include "sim/driver/message.h"
#include "sim/driver/objects.h"
#include "sim/driver/page.h"

namespace tranche::sim::driver {

class Machine;

// Takes answers to the program.
class Outbox {
 public:
  virtual ~Outbox() = default;
  // `descriptor`, where it is not negative, goes along; it stays the caller's.
  virtual void Send(std::span<const std::byte> message, int descriptor) = 0;
};

class Client {
 public:
  Client(Machine& machine, std::uint32_t id, ProcessAccount& account,
         std::unique_ptr<PageFile> page, Outbox& outbox);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // `descriptors` came with the bytes; a message that needs one takes the first.
  bool Handle(const Message& message, std::vector<base::UniqueFd>& descriptors, Time now);
  // Has submitted so much that its messages had better wait until some of it is done.
  [[nodiscard]] bool Congested() const;

  void Release(Time now);  // all that it has
  // The context's work is dropped, and every call in it answers `error` from now on.
  void Break(Context& context, std::uint32_t error, Time now);
  void ShowDeviceErrors();

  // ---- told by the machine
  void OnDone(Context& context, const Queue& queue, const Submitted& done, Time ended);
  void OnHost(Context& context, const Queue& queue, const Submitted& host);
  void Forget(const Queue& queue);                                // its tasks were dropped
  void OnDrained(std::uint32_t stream, engine::StreamId engine);  // a destroyed one is done

  [[nodiscard]] pid_t pid() const { return account_.pid; }
  [[nodiscard]] std::uint32_t id() const { return id_; }
  [[nodiscard]] ProcessAccount& account() { return account_; }
  [[nodiscard]] const auto& contexts() const { return contexts_; }
  [[nodiscard]] const std::unordered_map<std::uint64_t, Held>& held() const { return held_; }
  [[nodiscard]] std::string NameOf(std::uint32_t kernel) const;
  // Bytes taken on a device by its own reservations, without those of its contexts.
  [[nodiscard]] std::uint64_t TakenWithoutContext(const Device& device) const;

 private:
  bool On(const link::Hello& hello, Time now);
  bool On(const link::ContextCreate& create, Time now);
  bool On(const link::ContextDestroy& destroy, Time now);
  bool On(const link::StreamCreate& create, Time now);
  bool On(const link::StreamDestroy& destroy, Time now);
  bool On(const link::Reserve& reserve, Time now);
  bool On(const link::Release& release, Time now);
  bool On(const link::MemoryInfo& info, Time now);
  bool On(const link::Share& share, Time now);
  bool On(const link::OpenShared& open, Time now);
  bool On(const GraphDefinition& graph, Time now);
  bool On(const link::GraphForget& forget, Time now);
  bool On(const link::Submit& submit, Time now);
  bool On(const link::Await& await, Time now);
  bool On(const link::HostDone& done, Time now);
  bool On(const KernelName& name, Time now);
  bool On(const MissingCall& missing, Time now);
  bool On(const link::Fail& fail, Time now);

  template <typename Struct>
  void Answer(link::Kind kind, const Struct& answer, int descriptor = -1);
  bool AnswerResult(link::Kind kind, std::uint32_t result);
  [[nodiscard]] Context* FindContext(std::uint32_t index);
  [[nodiscard]] Stream* FindStream(std::uint32_t index);  // not one that was destroyed
  Stream* AddStream(Context& context, engine::StreamKind kind, Time now);
  void End(Context& context, Time now);
  void SubmitGraph(Stream& stream, const GraphPlan& plan, const link::Submit& submit);
  void Enqueue(engine::StreamId stream, const engine::Task& task, const Submitted& submitted);
  [[nodiscard]] engine::Task TaskFor(const Stream& stream, const link::Submit& submit);
  void CountReservation(const link::Reserve& reserve, Device& device, Context* context,
                        const engine::Reservation* got, Time now);
  void NotePeak();
  engine::OwnerId OwnerOn(Device& device);
  void Raise(link::Counter counter, std::uint32_t index, std::uint64_t value);
  std::uint64_t* CounterOf(link::Counter counter, std::uint32_t index);

  Machine& machine_;
  std::uint32_t id_;
  ProcessAccount& account_;
  std::unique_ptr<PageFile> page_;
  Outbox& outbox_;
  bool greeted_ = false;
  std::array<std::unique_ptr<Context>, link::kMaxContexts> contexts_;
  std::map<std::uint32_t, std::unique_ptr<Stream>> streams_;  // by index
  std::map<Device*, engine::OwnerId> owners_;                 // where there is no context
  std::unordered_map<std::uint64_t, Held> held_;              // by the id that the client knows
  std::unordered_map<std::uint64_t, GraphPlan> graphs_;
  std::size_t graph_steps_ = 0;
  KeptCount kept_ = std::make_shared<std::size_t>(0);  // descriptors of what it has shared
  std::unordered_map<std::uint32_t, std::string> names_;
  std::vector<base::UniqueFd>* descriptors_ = nullptr;  // of the message in hand
  Awaits awaits_;
  std::size_t pending_ = 0;
  std::size_t waiting_hosts_ = 0;
  std::size_t missing_lines_ = 0;
};

}  // namespace tranche::sim::driver
