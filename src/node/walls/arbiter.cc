#include "node/walls/arbiter.h"

#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <iterator>
#include <span>
#include <utility>

#include "base/log.h"
#include "node/walls/requests.h"

namespace tranche::node::walls {
namespace {

using base::Kv;
using base::Status;

std::uint64_t WallMicroseconds() {
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(
                                        std::chrono::system_clock::now().time_since_epoch())
                                        .count());
}

}  // namespace

Arbiter::Arbiter(base::EventLoop& loop, identity::Proc& proc, Options options, Sources sources)
    : loop_(loop),
      proc_(proc),
      options_(std::move(options)),
      sources_(std::move(sources)),
      limits_(loop, {.ask = sources_.ask,
                     .runs =
                         [this](const std::string& uid) {
                           const auto pod = pods_.find(uid);
                           return pod != pods_.end() && pod->second.ledger->programs() > 0;
                         },
                     .used = [this](const std::string& uid,
                                    const std::string& device) { return UsedBy(uid, device); },
                     .changed = [this](const std::set<std::string>& uids) { LimitsChanged(uids); },
                     .tell = sources_.tell}),
      settle_(loop),
      door_(loop, proc, [this](Door::ConnectionId id, Caller& caller, const Request& request) {
        Handle(id, caller, request);
      }) {}

Arbiter::~Arbiter() {
  for (const auto& [seat, watched] : watched_) loop_.UnwatchFd(watched.watch);
}

// Each attached program costs a descriptor, and each caller two. So that pods cannot use them all
// up, programs have half of them, and callers a quarter.
void Arbiter::RaiseDescriptorLimit() {
  if (max_programs_ != 0) return;
  rlimit limit{};
  std::size_t most = 0;
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    most = limit.rlim_cur;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) == 0) most = limit.rlim_max;
  }
  max_programs_ = std::clamp<std::size_t>(most / 2, 1, options_.max_programs);
  max_connections_ = std::clamp<std::size_t>(most / 8, 1, Door::kMaxConnections);
}

void Arbiter::OpenDoor() {
  const Status before = std::exchange(trouble_, Status::Ok());
  if (!door_.open()) {
    RaiseDescriptorLimit();
    trouble_ = door_.Open(options_.directory, max_connections_);
  }
  const Status written = base::WriteFileAtomic(base::JoinPath(options_.directory, wire::kAwayFile),
                                               GoesOnAlone() ? "open\n" : "closed\n");
  if (trouble_.ok()) trouble_ = written;
  if (!trouble_.ok() && trouble_.message() != before.message()) {
    base::LogWarning("walls do not stand", {Kv("error", trouble_.message())});
  }
}

void Arbiter::TryAgain() {
  if (!trouble_.ok()) OpenDoor();
}

// Whether a program that attaches while nobody answers goes on without a wall. Before there are
// rules that is as it was for the pods that a forerunner has recorded.
bool Arbiter::GoesOnAlone() const {
  const plan::MemoryRules& rules = limits_.rules();
  if (!rules.empty()) return rules.begin()->second.away_open;
  return std::ranges::all_of(limits_.grants().pods(),
                             [](const auto& granted) { return AwayOpen(granted.second); });
}

// ---- at the door

void Arbiter::Handle(Door::ConnectionId id, Caller& caller, const Request& request) {
  if (const auto* hello = std::get_if<wire::Hello>(&request)) return Greet(id, caller, *hello);
  if (std::holds_alternative<wire::Look>(request)) return Show(id, caller);
  Measure(id, caller, std::get<wire::Measure>(request));
}

void Arbiter::Greet(Door::ConnectionId id, Caller& caller, const wire::Hello& hello) {
  wire::HelloAnswer answer = AnswerHello(Admit(caller));
  if (answer.status != wire::Status::kOk) return door_.Answer(id, BytesOf(answer), {});
  PodLedger& ledger = *pods_.at(caller.pod_uid).ledger;
  Program program = caller.program;
  program.image = hello.image;
  auto known = ledger.Find(program.pid);
  if (known && HasEnded({caller.pod_uid, *known})) {
    // The pid is used again, and the loop has not come to the end of its first process yet.
    LeaveSeat({caller.pod_uid, *known}, ledger);
    known.reset();
  }
  const auto slot = known || HasPlaceFor(ledger) ? ledger.Attach(program) : std::nullopt;
  if (!slot) {
    answer.status = wire::Status::kNoRoom;
    return door_.Answer(id, BytesOf(answer), {});
  }
  answer.slot = *slot;
  answer.pid = program.pid;
  answer.unwalled = ledger.Unwalled(hello);
  const std::array descriptors{ledger.pages().limits_fd(), ledger.pages().counters_fd()};
  const std::string uid = caller.pod_uid;
  if (known) {
    // What another image of the program has left is to be back before it asks for memory.
    if (*known != *slot) Unwatch({uid, *known});
    Settle();
  }
  // The program waits for this, and for nothing of what follows. The caller ends with it.
  base::UniqueFd process = std::move(caller.process);
  door_.Answer(id, BytesOf(answer), descriptors);
  Watch({uid, *slot}, std::move(process));
  Settle();  // what was written in the slot before it was the program's
}

// Sends the pages alone: a program that only looks gets no slot, and nothing waits for its end.
void Arbiter::Show(Door::ConnectionId id, const Caller& caller) {
  wire::HelloAnswer answer = AnswerHello(Admit(caller));
  if (answer.status != wire::Status::kOk) return door_.Answer(id, BytesOf(answer), {});
  const PodPages& pages = pods_.at(caller.pod_uid).ledger->pages();
  answer.slot = wire::kNoSlot;
  answer.pid = caller.program.pid;
  const std::array descriptors{pages.limits_fd(), pages.counters_fd()};
  door_.Answer(id, BytesOf(answer), descriptors);
}

void Arbiter::Measure(Door::ConnectionId id, const Caller& caller, const wire::Measure& measure) {
  const auto pod = pods_.find(caller.pod_uid);
  const bool right = pod != pods_.end() &&
                     pod->second.ledger->Find(caller.program.pid) == measure.slot &&
                     measure.device < pod->second.ledger->devices().size();
  if (!right) {
    return door_.Answer(id, BytesOf(AnswerMeasure(wire::Status::kRefused, 0)), {});
  }
  const PodLedger& ledger = *pod->second.ledger;
  measuring_[id] = {.seat = {caller.pod_uid, measure.slot},
                    .device = measure.device,
                    .held_before = ledger.HeldBy(measure.slot, measure.device),
                    .asked_us = WallMicroseconds()};
  sources_.look();
}

void Arbiter::LookBegins() {
  look_began_us_ = WallMicroseconds();
  for (auto& [uid, pod] : pods_) pod.ledger->NoteChanges();
}

// ---- programs that end

// The last quarter of the places is for pods with few programs, so that each pod gets its first
// ones in, whatever the others do.
bool Arbiter::HasPlaceFor(const PodLedger& ledger) const {
  constexpr std::size_t kPodsWithFew = 64;
  const std::size_t reserved = max_programs_ / 4;
  if (watched_.size() < max_programs_ - reserved) return true;
  return watched_.size() < max_programs_ &&
         ledger.programs() < std::max<std::size_t>(reserved / kPodsWithFew, 1);
}

void Arbiter::Unwatch(const Seat& seat) {
  const auto at = watched_.find(seat);
  if (at == watched_.end()) return;
  loop_.UnwatchFd(at->second.watch);
  watched_.erase(at);
}

void Arbiter::Watch(const Seat& seat, base::UniqueFd process) {
  Unwatch(seat);
  Watched& watched = watched_[seat];
  watched.process = std::move(process);
  watched.watch =
      loop_.WatchFd(watched.process.get(), base::FdEvents::kRead, [this, seat] { Ended(seat); });
}

void Arbiter::Ended(const Seat& ended) {
  const Seat seat = ended;  // the watch that holds it ends here
  if (!watched_.contains(seat)) return;
  const auto pod = pods_.find(seat.first);
  if (pod == pods_.end()) return Unwatch(seat);
  LeaveSeat(seat, *pod->second.ledger);
  Forget();
}

void Arbiter::LeaveSeat(const Seat& seat, PodLedger& ledger) {
  Unwatch(seat);
  ledger.Leave(seat.second);
  std::erase_if(measuring_, [&](const auto& one) { return one.second.seat == seat; });
  page_asked_.erase(seat);
  Settle();
}

bool Arbiter::HasEnded(const Seat& seat) const {
  const auto at = watched_.find(seat);
  return at != watched_.end() && ProcessHasEnded(at->second.process.get());
}

void Arbiter::Settle() {
  bool all = true;
  for (auto& [uid, pod] : pods_) all = pod.ledger->Settle() && all;
  if (!all) settle_.Start(settle_wait_, [this] { Settle(); });
  settle_wait_ = all ? kSettle : std::min(settle_wait_ * 2, kSettleMost);
}

}  // namespace tranche::node::walls
