#include "sim/node/trouble.h"

#include <cstring>
#include <string_view>

namespace tranche::sim {
namespace {

constexpr std::uint64_t kLookAgainNs = 100'000'000;  // whether a fault's time has run out

// "", "_v2", "_v2_ptsz", "_ptds", …
bool IsSuffix(std::string_view rest) {
  if (rest.size() > 2 && rest.starts_with("_v") && rest[2] >= '0' && rest[2] <= '9') {
    rest.remove_prefix(3);
  }
  return rest.empty() || rest == "_ptsz" || rest == "_ptds";
}

}  // namespace

bool FaultNames(const char* said, const char* call) {
  const std::string_view name = said;
  const std::string_view exported = call;
  if (name == "*") return exported.starts_with("nvml");
  if (name.ends_with('*')) return exported.starts_with(name.substr(0, name.size() - 1));
  if (name == "nvmlInit" && exported == "nvmlInitWithFlags") return true;
  return exported.starts_with(name) && IsSuffix(exported.substr(name.size()));
}

void Trouble::Refresh() {
  if (reader_.Sequence() == seen_) return;
  reader_.ReadHeader(&header_);
  seen_ = header_.sequence;
  quiet_ = header_.fault_count == 0 ? header_.sequence : kNone;
}

const FaultState* Trouble::FaultFor(const char* call, unsigned slot) {
  for (unsigned i = 0; i < header_.fault_count; ++i) {
    const FaultState& fault = header_.faults[i];
    if (!FaultNames(fault.call, call)) continue;
    if (fault.slot != kWholeGpu && fault.slot != slot) continue;
    if (fault.until_ns != 0 && MonotonicNs() >= fault.until_ns) continue;
    if (fault.count != 0 && uses_[fault.id] >= fault.count) continue;
    return &fault;
  }
  return nullptr;
}

Trouble::Step Trouble::Next(const char* call, unsigned slot, std::uint32_t* hanging) {
  const std::scoped_lock lock(mutex_);
  Refresh();
  if (*hanging != 0) {  // until that fault is over
    for (unsigned i = 0; i < header_.fault_count; ++i) {
      const FaultState& fault = header_.faults[i];
      if (fault.id != *hanging) continue;
      const bool over = fault.until_ns != 0 && MonotonicNs() >= fault.until_ns;
      return {.wait = !over, .seen = header_.sequence};
    }
    return {};
  }
  const FaultState* fault = FaultFor(call, slot);
  if (fault == nullptr) return {};
  ++uses_[fault->id];
  if (fault->hang == 0) return {.answer = fault->code};
  *hanging = fault->id;
  return {.wait = true, .seen = header_.sequence};
}

std::uint32_t Trouble::Of(const char* call, unsigned slot) {
  if (reader_.Sequence() == quiet_) return 0;
  std::uint32_t hanging = 0;
  for (;;) {
    const Step step = Next(call, slot, &hanging);
    if (!step.wait) return step.answer;
    reader_.WaitForChange(step.seen, kLookAgainNs);
  }
}

}  // namespace tranche::sim
