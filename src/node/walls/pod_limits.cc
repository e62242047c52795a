#include "node/walls/pod_limits.h"

#include <fmt/format.h>

#include <utility>

#include "base/log.h"
#include "config/memory_amount.h"

namespace tranche::node::walls {
namespace {

using base::Result;
using config::BytesText;
using config::MemoryAmount;

constexpr char kAnnotation[] = "annotation tranche.dev/gpu-memory";

Result<MemoryAmount> ReadAsk(const std::string& text) {
  if (text.size() > identity::kMaxAskBytes) {
    return base::Status(base::Code::kInvalidArgument,
                        fmt::format("it is longer than {} bytes", identity::kMaxAskBytes));
  }
  auto amount = config::ParseMemoryAmount(text);
  if (amount.ok() &&
      (*amount == MemoryAmount(config::Bytes{0}) || *amount == MemoryAmount(config::Milli{0}))) {
    return base::Status(base::Code::kInvalidArgument, "nothing fits in 0");
  }
  return amount;
}

}  // namespace

PodLimits::PodLimits(base::EventLoop& loop, Sources sources)
    : loop_(loop), sources_(std::move(sources)), later_(loop) {}

void PodLimits::SetRules(plan::MemoryRules rules) {
  rules_ = std::move(rules);
  Give();
  RaiseWhatWaits();
  Report();
}

void PodLimits::SetHeld(const std::vector<identity::Held>& held) {
  held_ = held;
  holders_.clear();
  unknown_.clear();
  for (const identity::Held& one : held) {
    if (one.pod_uid.empty()) {
      unknown_.insert({one.pod_namespace, one.pod});
    } else {
      holders_.insert(one.pod_uid);
    }
  }
  std::set<std::string> before;
  for (const auto& [uid, pod] : grants_.pods()) before.insert(uid);
  if (grants_.Keep(held, sources_.runs)) {
    for (const std::string& uid : before) {
      if (grants_.Find(uid) != nullptr) continue;
      asked_.erase(uid);
      changed_.insert(uid);
    }
  }
  Give();
  RaiseWhatWaits();
  Report();
}

void PodLimits::Reconsider() {
  for (const auto& [uid, pod] : grants_.pods()) Consider(uid);
  RaiseWhatWaits();
  Report();
}

void PodLimits::Restore(const std::string& uid, GrantedPod pod, const std::string& asked) {
  grants_.Restore(uid, std::move(pod));
  const auto amount = ReadAsk(asked);
  if (!amount.ok()) return;
  asked_[uid].seen.text = asked;
  asked_[uid].text = asked;
  asked_[uid].amount = *amount;
}

std::string PodLimits::AskedBy(const std::string& uid) const {
  const auto asked = asked_.find(uid);
  return asked == asked_.end() ? "" : asked->second.text;
}

// Limits for those that have none yet, one pod after the other: what one does not want is there for
// the next.
void PodLimits::Give() {
  const std::set<Grants::Holding> missing = grants_.Missing(rules_, held_);
  for (auto at = missing.begin(); at != missing.end();) {
    const std::string& uid = at->uid;
    std::string reduced;
    for (; at != missing.end() && at->uid == uid; ++at) {
      if (!grants_.Give(*at, rules_.at(at->device))) reduced = at->device;
    }
    changed_.insert(uid);
    Consider(uid);
    if (const Asked& asked = asked_[uid]; asked.amount) {
      // The annotation also counts for a device that the pod was given later.
      grants_.Ask(uid, rules_, asked.amount, Grants::Lowering::kAllowed);
    } else if (!reduced.empty()) {
      Report(News::kLimitReduced, uid,
             "it gets less memory of " + reduced +
                 " than the profile says: the rest is granted to others");
    }
  }
}

void PodLimits::Consider(const std::string& uid) {
  const std::optional<identity::MemoryAsk> ask = sources_.ask(uid);
  Asked& asked = asked_[uid];
  if (!ask || *ask == asked.seen) return;
  if (!asked.bucket.Take(loop_.Now())) {
    if (!later_.running()) later_.Start(asked.bucket.Wait(), [this] { Reconsider(); });
    return;
  }
  const identity::MemoryAsk before = std::exchange(asked.seen, *ask);
  if (ask->for_container && !before.for_container) {
    Report(News::kAskInvalid, uid,
           "a limit of one container, CONTAINER.container.tranche.dev/gpu-memory, is not kept to "
           "yet; that of the pod counts");
  }
  if (ask->text != before.text) Read(uid, asked, ask->text);
}

void PodLimits::Read(const std::string& uid, Asked& asked, const std::optional<std::string>& text) {
  if (!text) {
    asked.amount.reset();
    asked.text.clear();
    return Apply(uid, asked);
  }
  const auto amount = ReadAsk(*text);
  if (!amount.ok()) {
    return Report(News::kAskInvalid, uid,
                  fmt::format("{} cannot be used: {}; the limit stays as it is", kAnnotation,
                              amount.status().message()));
  }
  asked.amount = *amount;
  asked.text = *text;
  Apply(uid, asked);
}

void PodLimits::Apply(const std::string& uid, const Asked& asked) {
  changed_.insert(uid);
  for (const Grants::Change& change :
       grants_.Ask(uid, rules_, asked.amount, Grants::Lowering::kAllowed)) {
    TellOfChange(uid, asked.text, change);
    if (!change.above_most && !change.no_room) continue;
    Report(
        News::kAskRefused, uid,
        fmt::format(
            "{} asks for {} of {}, and the limit {} {}: {}", kAnnotation, BytesText(change.asked),
            change.device, change.after == change.before ? "stays" : "is", BytesText(change.after),
            change.no_room ? "the rest is granted to others" : "the profile allows no more"));
  }
}

void PodLimits::TellOfChange(const std::string& uid, const std::string& ask,
                             const Grants::Change& change) {
  if (change.after == change.before) return;
  Report(News::kLimitChanged, uid,
         fmt::format("the limit of memory on {} is {}, it was {} ({})", change.device,
                     BytesText(change.after), BytesText(change.before),
                     ask.empty() ? "no annotation asks for another"
                                 : fmt::format("{}: {}", kAnnotation, ask)));
  const std::uint64_t used = sources_.used(uid, change.device);
  if (used <= change.after) return;
  Report(News::kLimitBelowUse, uid,
         fmt::format("its programs have {} on {}, more than the limit of {}: they are refused any "
                     "more until they have freed that much",
                     BytesText(used), change.device, BytesText(change.after)));
}

// What somebody has asked for and could not have whole.
void PodLimits::RaiseWhatWaits() {
  for (auto& [uid, asked] : asked_) {
    for (const Grants::Change& change :
         grants_.Ask(uid, rules_, asked.amount, Grants::Lowering::kForbidden)) {
      if (change.after == change.before) continue;
      changed_.insert(uid);
      TellOfChange(uid, asked.text, change);
    }
  }
}

void PodLimits::Report() {
  const auto changed = std::exchange(changed_, {});
  if (!changed.empty()) sources_.changed(changed);
}

void PodLimits::Report(News news, const std::string& uid, const std::string& message) {
  const GrantedPod* pod = grants_.Find(uid);
  if (pod == nullptr) return;
  const PodName& name = pod->name;
  sources_.tell(news, {.pod_namespace = name.pod_namespace, .name = name.pod, .uid = uid},
                fmt::format("pod {}/{}: {}", name.pod_namespace, name.pod, message));
}

}  // namespace tranche::node::walls
