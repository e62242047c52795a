// Why a pod keeps to no wall: one of a few words, which is a label in metrics, and a sentence for
// people.
//
// Threading: plain values and functions.
// Errors: none.
#pragma once

#include <string>
#include <string_view>

namespace tranche::node::walls {

struct Reason {
  std::string word;  // one of the table's; "" for none
  std::string text;
  friend bool operator==(const Reason&, const Reason&) = default;
};

// The reason of that word, with the sentence that the table has for it, and `more` after it. A word
// that is not in the table is "other", so that labels have a bound.
Reason ReasonOf(std::string_view word, std::string_view more = "");

}  // namespace tranche::node::walls
