// What the arbiter writes down, and how its successor goes on from there.
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "node/walls/arbiter.h"

namespace tranche::node::walls {
namespace {

using base::Kv;
using base::Status;

constexpr std::size_t kMaxRecordBytes = 16U << 20U;
constexpr mode_t kOwnerOnly = 0600;

}  // namespace

void Arbiter::Write() {
  // Until all pages are taken over, what the forerunner has written is the better record.
  if (options_.record.empty() || takes_over()) return;
  std::vector<PodRecord> records;
  for (const auto& [uid, pod] : pods_) {
    const GrantedPod* granted = limits_.grants().Find(uid);
    records.push_back({.uid = uid,
                       .counters = pod.ledger->pages().identity(),
                       .away_open = pod.away_open,
                       .devices = pod.ledger->devices(),
                       .granted = granted != nullptr ? *granted : GrantedPod{.name = pod.name},
                       .asked = limits_.AskedBy(uid)});
  }
  for (const auto& [uid, granted] : limits_.grants().pods()) {
    if (pods_.contains(uid)) continue;
    records.push_back({.uid = uid,
                       .counters = {},
                       .away_open = AwayOpen(granted),
                       .devices = DevicesOf(granted),
                       .granted = granted,
                       .asked = limits_.AskedBy(uid)});
  }
  const Status written = base::WriteFileAtomic(options_.record, RecordText(records), kOwnerOnly);
  if (!written.ok()) {
    base::LogWarning("the walls of this node cannot be recorded: a successor will not know them",
                     {Kv("error", written.message())});
  }
}

void Arbiter::Start() {
  if (options_.record.empty() || options_.directory.empty()) return;
  const auto text = base::ReadFile(options_.record, kMaxRecordBytes);
  if (!text.ok()) return;  // there was no forerunner
  const auto records = ReadRecord(*text);
  if (!records.ok()) {
    base::LogWarning("the record of walls cannot be read",
                     {Kv("error", records.status().message())});
    return;
  }
  for (const PodRecord& record : *records) {
    limits_.Restore(record.uid, record.granted, record.asked);
  }
  // Programs of these pods may come before any rule does.
  if (!records->empty()) OpenDoor();
  PageSearch pages(options_.proc_root, *records);
  if (pages.sought().empty()) return Write();
  search_ = std::make_unique<TakingOver>(loop_, std::move(pages));
  Search();
}

// One step, and the next one in a turn of its own.
void Arbiter::Search() {
  for (PageSearch::Found& found : search_->pages.Step()) TakeOver(std::move(found));
  if (search_->pages.done()) return SearchEnds();
  search_->next.Start(base::Duration::zero(), [this] { Search(); });
}

void Arbiter::SearchEnds() {
  for (const auto& [uid, record] : search_->pages.sought()) {
    base::LogInfo("no program of a pod has its pages any more",
                  {Kv("pod", record.granted.name.pod)});
  }
  const auto over = std::move(search_);
  Write();
  Settle();
  for (const auto& said : {over->rules, over->held, over->asks}) {
    if (said) said();
  }
}

void Arbiter::TakeOver(PageSearch::Found found) {
  const PodRecord& record = found.pod;
  const PodName& name = record.granted.name;
  if (!found.counters.ok()) {
    base::LogWarning("the counters of a pod are not taken over",
                     {Kv("pod", name.pod), Kv("error", found.counters.status().message())});
    return;
  }
  auto pages = PodPages::TakeOver(*std::move(found.counters), record.counters, record.devices,
                                  record.away_open ? Away::kOpen : Away::kClosed);
  if (!pages.ok()) {
    base::LogWarning("the counters of a pod are not taken over",
                     {Kv("pod", name.pod), Kv("error", pages.status().message())});
    return;
  }
  Pod& pod = pods_[record.uid];
  pod.name = name;
  pod.away_open = record.away_open;
  pod.ledger = std::make_unique<PodLedger>(std::move(*pages), record.devices);
  RestorePrograms(record.uid, *pod.ledger);
}

// The slots say who is in them. That is believed where the kernel says the same; the rest goes
// back.
void Arbiter::RestorePrograms(const std::string& uid, PodLedger& ledger) {
  const wire::Counters& counters = ledger.pages().counters();
  for (unsigned slot = 0; slot < wire::kMaxSlots; ++slot) {
    const wire::Slot& entry = counters.slots[slot];
    if (entry.taken.load() == 0) continue;
    const unsigned pid = entry.pid;
    const std::uint64_t start_ticks = entry.start_ticks;
    const bool known = ledger.Find(pid).has_value();  // one program has one slot
    ledger.Restore(slot, {.pid = pid, .pid_inside = entry.pid_inside, .start_ticks = start_ticks});
    base::UniqueFd process(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
    if (process.valid() && !known && watched_.size() < max_programs_) {
      auto caller = IdentifyCaller(proc_, pid, std::move(process));
      if (caller.ok() && caller->pod_uid == uid && caller->program.start_ticks == start_ticks) {
        Watch({uid, slot}, std::move(caller->process));
        continue;
      }
    }
    ledger.Leave(slot);
  }
  // The forerunner may have been killed while it gave something back.
  ledger.SettleLater();
}

}  // namespace tranche::node::walls
