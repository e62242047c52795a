// LogReader reads what a driver's log still has, oldest line first, and tells the drivers apart
// that have written it: pids, clients and times mean something within one of them only.
//
// Threading: plain functions.
// Errors: kNotFound where there is no log. A line that is no JSON, such as one that is being
// written, is left out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <tuple>

#include "base/json.h"
#include "base/status.h"

namespace tranche::sim::driver {

// One driver from its start to its end, or what the log has of that.
struct DriverRun {
  std::size_t number = 0;  // in the order in which they were
  std::int64_t pid = 0;    // 0: the log does not say
  std::int64_t epoch_ns = 0;
  std::int64_t time_scale = 1;
  std::string time;  // when it began
  // The log's limit has taken away what happened before this time of the driver's; 0: nothing.
  std::int64_t cut_ns = 0;
};

// One process in the time of one driver. A pid may be used again, a client's number is not.
using ProcessKey = std::tuple<std::size_t, std::int64_t, std::int64_t>;  // run, client, pid
ProcessKey KeyOf(const DriverRun& run, const base::Json& line);

class LogReader {
 public:
  // `begun` is called for each driver, before its lines; `line` for each line about its processes.
  using Begun = std::function<void(const DriverRun&)>;
  using Line = std::function<void(const DriverRun&, const base::Json&)>;
  LogReader(Begun begun, Line line) : begun_(std::move(begun)), line_(std::move(line)) {}

  // The log of that name, and before it what it was before it was last begun anew.
  base::Status Read(const std::string& path);

 private:
  void Take(const base::Json& line);

  Begun begun_;
  Line line_;
  DriverRun run_;
  bool any_ = false;
};

}  // namespace tranche::sim::driver
