#include "cli/top/keys.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

namespace tranche::cli::top {

namespace {

constexpr char kEscape = '\x1b';
// Longer than that of any key.
constexpr std::size_t kMaxSequence = 16;

std::optional<Key> Plain(char byte) {
  switch (byte) {
    case 'q':
    case 'Q':
    case '\x03':  // Ctrl-C
    case '\x04':  // Ctrl-D
      return Key::kQuit;
    case 's':
      return Key::kSort;
    case 'k':
      return Key::kUp;
    case 'j':
      return Key::kDown;
    case 'b':
      return Key::kPageUp;
    case ' ':
      return Key::kPageDown;
    case 'g':
      return Key::kHome;
    case 'G':
      return Key::kEnd;
    case '?':
    case 'h':
      return Key::kHelp;
    case '\x0c':  // Ctrl-L
      return Key::kRedraw;
    case '\x1a':  // Ctrl-Z
      return Key::kStop;
    default:
      return std::nullopt;
  }
}

// After "ESC [" or "ESC O"; xterm's, the Linux console's and rxvt's.
std::optional<Key> Named(std::string_view sequence) {
  static constexpr std::array<std::pair<std::string_view, Key>, 12> kNamed{{{"A", Key::kUp},
                                                                            {"B", Key::kDown},
                                                                            {"5~", Key::kPageUp},
                                                                            {"6~", Key::kPageDown},
                                                                            {"H", Key::kHome},
                                                                            {"1~", Key::kHome},
                                                                            {"7~", Key::kHome},
                                                                            {"F", Key::kEnd},
                                                                            {"4~", Key::kEnd},
                                                                            {"8~", Key::kEnd},
                                                                            {"11~", Key::kHelp},
                                                                            {"P", Key::kHelp}}};
  const auto* found = std::ranges::find(kNamed, sequence, &std::pair<std::string_view, Key>::first);
  if (found == kNamed.end()) return std::nullopt;
  return found->second;
}

// The byte that ends a control sequence (ECMA-48).
bool Ends(char byte) { return byte >= '@' && byte <= '~'; }

}  // namespace

std::vector<Key> KeyReader::Read(std::string_view bytes) {
  std::vector<Key> keys;
  for (const char byte : bytes) {
    if (byte == kEscape) {
      begun_ = byte;
    } else if (begun_.empty()) {
      if (const auto key = Plain(byte)) keys.push_back(*key);
    } else if (begun_.size() == 1 && byte != '[' && byte != 'O') {
      begun_.clear();  // Escape alone, then a key; or Alt with a key
      if (const auto key = Plain(byte)) keys.push_back(*key);
    } else {
      begun_ += byte;
      if (begun_.size() == 2) continue;
      if (Ends(byte)) {
        if (const auto key = Named(std::string_view(begun_).substr(2))) keys.push_back(*key);
        begun_.clear();
      } else if (begun_.size() > kMaxSequence) {
        begun_.clear();
      }
    }
  }
  return keys;
}

}  // namespace tranche::cli::top
