// LogFile is a file of lines that never takes more than so many bytes on the disk: when half of
// them are written the file becomes PATH.1, in place of the one before, and a new one is begun.
//
// Threading: one thread.
// Errors: a line that cannot be written (the disk is full) is lost and counted.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/file.h"
#include "base/status.h"

namespace tranche::sim::driver {

class LogFile {
 public:
  static base::Result<std::unique_ptr<LogFile>> Open(const std::string& path,
                                                     std::uint64_t max_bytes);
  ~LogFile() { Flush(); }
  LogFile(const LogFile&) = delete;
  LogFile& operator=(const LogFile&) = delete;

  // Gives the lines with which each new file begins, so that it can be read without the one before.
  void SetBeginning(std::function<std::string()> lines) { beginning_ = std::move(lines); }
  void Line(std::string_view line);  // without its end
  void Flush();                      // lines are held back until then, 64 KiB at most
  [[nodiscard]] std::uint64_t lost() const { return lost_; }
  [[nodiscard]] bool pending() const { return !held_.empty(); }

 private:
  LogFile(std::string path, std::uint64_t max_bytes)
      : path_(std::move(path)), half_(max_bytes / 2) {}
  base::Status Begin();

  std::string path_;
  std::uint64_t half_;
  base::UniqueFd file_;
  std::uint64_t written_ = 0;
  std::function<std::string()> beginning_;
  std::string held_;
  std::uint64_t held_lines_ = 0;
  std::uint64_t lost_ = 0;
};

}  // namespace tranche::sim::driver
