// What was typed, from the bytes that a terminal sends.
//
// Threading: one thread.
// Errors: none. What is no key that is known is left out.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tranche::cli::top {

enum class Key { kQuit, kSort, kUp, kDown, kPageUp, kPageDown, kHome, kEnd, kHelp, kRedraw, kStop };

// Bytes come as they come: a key may begin in one piece and end in the next.
class KeyReader {
 public:
  std::vector<Key> Read(std::string_view bytes);

 private:
  std::string begun_;  // of an escape sequence
};

}  // namespace tranche::cli::top
