// That the pages and messages compile on their own; the layout is asserted beside the structs.
#include "wire/pages.h"

#include <type_traits>

#include "wire/ledger.h"
#include "wire/uuid.h"

namespace tranche::wire {

static_assert(std::is_standard_layout_v<Limits> && std::is_standard_layout_v<Counters>);
static_assert(std::is_trivially_copyable_v<Hello> && std::is_trivially_copyable_v<HelloAnswer> &&
              std::is_trivially_copyable_v<Look> && std::is_trivially_copyable_v<Measure> &&
              std::is_trivially_copyable_v<MeasureAnswer>);

}  // namespace tranche::wire
