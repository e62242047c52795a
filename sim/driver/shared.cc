#include "sim/driver/shared.h"

#include <sys/random.h>

namespace tranche::sim::driver {

SharedMemory::~SharedMemory() {
  if (shared_in != nullptr) shared_in->Forget(*this);
}

bool SharedMemories::Share(const std::shared_ptr<SharedMemory>& memory, base::UniqueFd content,
                           const KeptCount& kept) {
  if (memory->shared_in != nullptr) return true;
  if (*kept >= limit_of_one_ || by_key_.size() >= limit_) return false;
  std::uint64_t key[2];
  if (getrandom(key, sizeof key, 0) != sizeof key) return false;
  key[0] |= 1;
  if (!by_key_.emplace(Key(key[0], key[1]), memory).second) return false;
  memory->key[0] = key[0];
  memory->key[1] = key[1];
  memory->content = std::move(content);
  memory->shared_in = this;
  memory->kept = kept;
  ++*kept;
  return true;
}

std::shared_ptr<SharedMemory> SharedMemories::Find(const std::uint64_t (&key)[2]) const {
  const auto at = by_key_.find({key[0], key[1]});
  return at == by_key_.end() ? nullptr : at->second.lock();
}

void SharedMemories::Forget(const SharedMemory& memory) {
  by_key_.erase({memory.key[0], memory.key[1]});
  --*memory.kept;
}

}  // namespace tranche::sim::driver
