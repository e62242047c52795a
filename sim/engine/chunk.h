// Chunks of device memory and the free parts in them, for reservations smaller than kSmallest.
//
// Threading: one thread.
// Errors: none.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

namespace tranche::sim::engine {

struct FreePart {
  std::uint64_t bytes = 0;
  std::uint64_t chunk = 0;
  std::uint64_t offset = 0;

  // NOLINTNEXTLINE(modernize-use-nullptr): clang-tidy takes the compiler's own code for the user's
  auto operator<=>(const FreePart&) const = default;
};

// The free parts of the chunks of one owner. Parts that touch are one. Each change costs O(log n).
class FreeParts {
 public:
  // The smallest that has `bytes`; of equal ones that of the oldest chunk.
  [[nodiscard]] std::optional<FreePart> Best(std::uint64_t bytes) const;
  void Add(FreePart part);
  void TakeFrom(const FreePart& part, std::uint64_t bytes);  // from its beginning
  std::vector<FreePart> RemoveChunk(std::uint64_t chunk);

 private:
  using Place = std::pair<std::uint64_t, std::uint64_t>;  // chunk, offset

  void Insert(const FreePart& part);
  void Erase(const FreePart& part);

  std::set<FreePart> by_size_;
  std::map<Place, std::uint64_t> by_place_;
};

}  // namespace tranche::sim::engine
