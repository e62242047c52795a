// The screen of `tranche top`: GPUs with their bars, and under each the pods that use it.
//
// Threading: plain functions, safe on any thread.
// Errors: none. What is not known is "-".
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "cli/top/frame.h"
#include "cli/top/use.h"

namespace tranche::cli::top {

struct ScreenView {
  std::size_t columns = 80;
  std::size_t rows = 24;
  std::size_t scroll = 0;  // lines of the body that are above the screen
  Sort sort = Sort::kBusy;
  bool help = false;
  double now = 0;              // seconds of the wall clock
  std::string source;          // who is asked
  std::string trouble;         // why the last question has no answer; "" where it has one
  double answered_before = 0;  // seconds since the last answer
};

struct Screen {
  std::vector<Line> lines;  // as many as the terminal has rows
  std::size_t scroll = 0;   // as it could be done
  std::size_t page = 1;     // lines of the body that are seen
};

// `node` is the last answer, sorted; absent where there was none.
Screen DrawScreen(const std::optional<NodeUse>& node, const ScreenView& view);

// The GPUs alone, with a line of headings before them, in so many columns.
std::vector<Line> DrawDevices(const NodeUse& node, std::size_t columns, double now);

}  // namespace tranche::cli::top
