#include "node/walls/evidence.h"

#include <algorithm>

namespace tranche::node::walls {

void Evidence::Begin(std::uint64_t time_us) {
  now_us_ = time_us;
  looked_at_.clear();
  for (auto& [key, refused] : refused_) refused.noted = false;
}

void Evidence::LookAt(const std::string& device) {
  looked_at_.insert(device);
  for (auto& [key, state] : states_) {
    if (key.device != device) continue;
    state.attached = 0;
    state.unattached = 0;
    state.shown_bytes = 0;
    state.above = false;
    state.perhaps_above = false;
  }
}

void Evidence::See(const Key& key, const Attached& program) {
  State& state = states_[key];
  ++state.attached;
  state.shown_bytes += program.shown_bytes;
  state.limit_bytes = program.limit_bytes;
  const bool above = program.shown_bytes > program.known_bytes &&
                     program.shown_bytes - program.known_bytes > kToleranceBytes;
  state.above = state.above || (above && program.steady);
  state.perhaps_above = state.perhaps_above || above;
}

void Evidence::SeeUnattached(const Key& key, const Reason& reason) {
  State& state = states_[key];
  if (state.unattached++ == 0) state.reason = reason;
}

void Evidence::NoteRefusals(const Key& key, std::uint64_t refusals) {
  const auto [at, is_new] = refused_.try_emplace(key);
  Refused& refused = at->second;
  // What was refused before this program began was not lately.
  if (!is_new && refusals > refused.count) refused.last_us = now_us_;
  refused.count = refusals;
  refused.noted = true;
}

// Whether it has been so for long enough. The clock may have been set back.
bool Evidence::LongSince(std::optional<std::uint64_t>& since_us) const {
  if (!since_us || *since_us > now_us_) since_us = now_us_;
  return now_us_ - *since_us >= kPatienceUs;
}

void Evidence::EndOf(const Key& key, State& state, Found& found) const {
  if (state.unattached == 0) {
    state.unattached_since_us.reset();
    state.unwalled = false;
    state.reason = {};
  } else if (LongSince(state.unattached_since_us) && !state.unwalled) {
    state.unwalled = true;
    found.unwalled.push_back(key);
  }
  const bool over = state.shown_bytes > state.limit_bytes &&
                    state.shown_bytes - state.limit_bytes > kToleranceBytes;
  if (state.above || (over && state.attached > 0)) {
    if (LongSince(state.above_since_us) && !state.mismatch) {
      state.mismatch = true;
      found.mismatches.push_back(key);
    }
  } else if (!state.perhaps_above) {
    state.above_since_us.reset();
    state.mismatch = false;
  }
}

Evidence::Found Evidence::End() {
  Found found;
  for (auto at = states_.begin(); at != states_.end();) {
    State& state = at->second;
    if (looked_at_.contains(at->first.device)) {
      if (state.attached + state.unattached == 0) {
        at = states_.erase(at);
        continue;
      }
      EndOf(at->first, state, found);
    }
    ++at;
  }
  std::erase_if(refused_, [](const auto& entry) { return !entry.second.noted; });
  return found;
}

const Evidence::State* Evidence::Find(const Key& key) const {
  const auto at = states_.find(key);
  return at == states_.end() ? nullptr : &at->second;
}

bool Evidence::RefusedLately(const Key& key) const {
  const auto at = refused_.find(key);
  if (at == refused_.end() || !at->second.last_us) return false;
  return *at->second.last_us <= now_us_ && now_us_ - *at->second.last_us < kLatelyUs;
}

}  // namespace tranche::node::walls
