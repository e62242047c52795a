// Lines of tinted text, and the bytes that bring a terminal from one screen of them to the next.
//
// Only lines that changed are written, in place, and nothing is cleared first: so nothing flickers.
// A terminal that knows synchronized output shows each frame at once:
// https://gist.github.com/christianparpart/d8a62cc1ab659194337d73e399004036
//
// Threading: plain values, one thread.
// Errors: none.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "cli/common/table.h"

namespace tranche::cli::top {

using common::Tint;

struct Line {
  std::vector<common::Cell> parts;

  Line& Add(std::string text, Tint tint = Tint::kNone);
  // Appends spaces up to that column; nothing where the line is longer already.
  Line& To(std::size_t column);
};

// What a terminal can show.
struct Looks {
  common::Color color = common::Color::kOff;
  bool unicode = true;
};

// As text without a line's end, at most so wide.
std::string Render(const Line& line, std::size_t columns, const Looks& looks);

class Frames {
 public:
  explicit Frames(Looks looks) : looks_(looks) {}

  // What to write, "" where nothing changed. Another width or number of lines is a new screen.
  std::string Next(const std::vector<Line>& lines, std::size_t columns);
  // The terminal no longer shows what was written.
  void Forget() { shown_.clear(); }

 private:
  Looks looks_;
  std::size_t columns_ = 0;
  std::vector<std::string> shown_;
};

}  // namespace tranche::cli::top
