// The keys of a config file, for people. The page docs/reference/configuration.md is made from this
// table; a test holds it against the keys that the decoder says it knows.
//
// Threading: pure; any thread.
// Errors: none.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace tranche::cli::reference {

struct KeyText {
  std::string_view path;  // "flags.plugin.passDeviceSpecs", "tranche.resources[].name"
  std::string_view type;  // "map", "list of maps", else in words
  // "": what the config has without the key, where that can be told; else in words, with a literal
  // value between backquotes.
  std::string_view default_words;
  std::string_view flag;  // the long flag that says the same, without dashes; "": none
  std::string_view meaning;
};

std::span<const KeyText> KeyTexts();

// The default, for people; "" where there is none.
std::string DefaultOf(const KeyText& key);

}  // namespace tranche::cli::reference
