// Terminal takes the terminal of standard input and output for a full screen: what was there comes
// back when it ends, whatever ended it, but for a program that is killed.
//
// Keys are not echoed and come at once, Ctrl-C and Ctrl-Z among them as bytes. A shell's own screen
// is left alone: the alternate one is used.
//
// Threading: one thread.
// Errors: kFailedPrecondition where there is no terminal that can be drawn on.
#pragma once

#include <termios.h>

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "base/status.h"
#include "cli/top/frame.h"

namespace tranche::cli::top {

struct TerminalSize {
  std::size_t columns = 80;
  std::size_t rows = 24;
};

// Colour where standard output is a terminal and NO_COLOR (https://no-color.org) is not set; other
// characters than ASCII where the locale's are UTF-8.
Looks LooksOfOutput();

// Whether the terminal (TERM) has a cursor to move.
bool CanDrawScreens();

class Terminal {
 public:
  static base::Result<std::unique_ptr<Terminal>> Take();
  ~Terminal();
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  // 80 by 24 where the terminal does not say.
  [[nodiscard]] static TerminalSize Size();

  // False: it does not take more now, and nothing was written.
  [[nodiscard]] static bool TakesMore();
  // All of it. False: the terminal has gone.
  static bool Write(std::string_view bytes);
  // What was typed. Nothing: it has gone.
  static std::string Read();

  // Gives the terminal back, stops this program as Ctrl-Z does, and takes it again when it goes on.
  void Stop();

 private:
  explicit Terminal(const termios& before) : before_(before) {}
  void Enter();
  void Leave();

  termios before_;
};

}  // namespace tranche::cli::top
