#include "node/walls/reason.h"

#include <algorithm>
#include <array>

#include "base/log.h"

namespace tranche::node::walls {
namespace {

struct Row {
  std::string_view word;
  std::string_view text;
};

constexpr std::size_t kMaxMore = 200;

constexpr auto kTable = std::to_array<Row>({
    {"", ""},
    // What is seen from outside.
    {"not-standing", "the walls of this node do not stand"},
    {"no-shim", "its container was made without the shim"},
    {"not-loaded", "the program has loaded another libcuda than the shim"},
    {"not-attached",
     "the program has loaded the shim, which has not attached: it began while tranche node was "
     "away, or was refused"},
    {"other-version", "its shim speaks another version of the protocol"},
    {"not-known", "a program on the GPU has not attached, and it cannot be told why"},
    // What is known since the birth of its container.
    {"musl", "its image has musl for a C library, which the shim cannot be loaded with"},
    {"arch", "its image is of an architecture for which there is no shim"},
    {"no-libcuda", "no libcuda was found in its container"},
    {"too-old", "the driver is older than every shim"},
    {"kernel", "the kernel is older than 5.12, and cannot put the shim into its container"},
    {"failed", "the shim could not be put into its container"},
    {"other", "the shim was not put into its container"},
});

}  // namespace

Reason ReasonOf(std::string_view word, std::string_view more) {
  const auto* row = std::ranges::find(kTable, word, &Row::word);
  if (row == kTable.end()) return ReasonOf("other", more.empty() ? word : more);
  Reason reason{.word = std::string(row->word), .text = std::string(row->text)};
  if (!more.empty()) reason.text += ": " + base::Printable(more, kMaxMore);
  return reason;
}

}  // namespace tranche::node::walls
