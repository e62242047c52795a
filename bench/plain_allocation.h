// Preferred allocation as it is written first: before every pick, all that is left is sorted again
// by how much of its device is taken. NVIDIA's plugin works like this; here it is the baseline that
// says how much of a difference is the algorithm's and how much the language's.
//
// Pure. O(size · n log n) comparisons, each with a look-up by device.
#pragma once

#include <string>
#include <vector>

namespace tranche::bench {

// Replica ids of the least used devices; fewer than `size` where there are no more. `available` is
// all there is: what is not in it is taken.
std::vector<std::string> PlainPreferred(std::vector<std::string> available, int size);

}  // namespace tranche::bench
