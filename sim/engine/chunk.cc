#include "sim/engine/chunk.h"

#include <iterator>

namespace tranche::sim::engine {

std::optional<FreePart> FreeParts::Best(std::uint64_t bytes) const {
  const auto found = by_size_.lower_bound(FreePart{.bytes = bytes});
  return found == by_size_.end() ? std::nullopt : std::optional(*found);
}

void FreeParts::Add(FreePart part) {
  const auto next = by_place_.lower_bound({part.chunk, part.offset});
  std::optional<FreePart> before;
  std::optional<FreePart> after;
  if (next != by_place_.end() && next->first == Place(part.chunk, part.offset + part.bytes)) {
    after = FreePart{.bytes = next->second, .chunk = part.chunk, .offset = next->first.second};
  }
  if (next != by_place_.begin()) {
    const auto previous = std::prev(next);
    if (previous->first.first == part.chunk &&
        previous->first.second + previous->second == part.offset) {
      before = FreePart{
          .bytes = previous->second, .chunk = part.chunk, .offset = previous->first.second};
    }
  }
  if (after) {
    Erase(*after);
    part.bytes += after->bytes;
  }
  if (before) {
    Erase(*before);
    part.bytes += before->bytes;
    part.offset = before->offset;
  }
  Insert(part);
}

void FreeParts::TakeFrom(const FreePart& part, std::uint64_t bytes) {
  Erase(part);
  if (bytes < part.bytes) {
    Insert({.bytes = part.bytes - bytes, .chunk = part.chunk, .offset = part.offset + bytes});
  }
}

std::vector<FreePart> FreeParts::RemoveChunk(std::uint64_t chunk) {
  std::vector<FreePart> removed;
  for (auto at = by_place_.lower_bound({chunk, 0});
       at != by_place_.end() && at->first.first == chunk; ++at) {
    removed.push_back({.bytes = at->second, .chunk = chunk, .offset = at->first.second});
  }
  for (const FreePart& part : removed) {
    Erase(part);
  }
  return removed;
}

void FreeParts::Insert(const FreePart& part) {
  by_size_.insert(part);
  by_place_.emplace(Place(part.chunk, part.offset), part.bytes);
}

void FreeParts::Erase(const FreePart& part) {
  by_size_.erase(part);
  by_place_.erase(Place(part.chunk, part.offset));
}

}  // namespace tranche::sim::engine
