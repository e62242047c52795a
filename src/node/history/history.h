// History is the last minutes of a node's GPUs and of each pod on them, for timelines: how busy,
// and how much memory, every two seconds.
//
// It is a ring of fixed length for each of them. It ends with the pod or the GPU, and with the
// program: it is for looking at, and nothing is counted from it.
//
// Threading: one thread; pure.
// Errors: none. What was not known at some time has no value there (null in JSON).
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "node/sight/account.h"

namespace tranche::node::history {

class History {
 public:
  static constexpr int kStepSeconds = 2;
  static constexpr std::size_t kPoints = 150;
  // How many GPUs and pods together have a history; further ones have none.
  static constexpr std::size_t kMaxSeries = 1024;
  // How many of the newest points are sent to a page that has the older ones already.
  static constexpr std::size_t kNewest = 3;

  // What has been counted by `now`, in seconds of the wall clock. Called as often as one likes: the
  // first call of a step makes its point.
  void Add(double now, const std::map<std::string, sight::Account>& accounts);

  // The newest `points` of each series at most; `endTime` is that of the last one, in seconds.
  [[nodiscard]] base::Json ToJson(std::size_t points = kPoints) const;

  [[nodiscard]] std::size_t series() const { return count_; }

 private:
  static constexpr float kUnknown = std::numeric_limits<float>::quiet_NaN();
  struct Point {
    float busy_percent = kUnknown;
    float memory_bytes = kUnknown;
  };
  struct Counted {
    double busy_seconds = 0;
    double measured_seconds = 0;
  };
  struct Series {
    std::vector<Point> points;  // the newest last
    Counted before;             // when busy was last made of it
    int steps_without = 0;      // since then
    std::int64_t seen = 0;      // the last step in which it was there
  };
  // Of a GPU or MIG device: the container, which is empty for the device itself.
  using OfDevice = std::map<sight::Holder, Series>;

  void BeginStep(std::int64_t step);
  void AddPoint(OfDevice& device, const sight::Holder& holder, const Counted& counted,
                float memory_bytes);
  void EndStep();
  static float Busy(Series& series, const Counted& counted);
  static void PutPoints(base::Json& into, const Series& series, std::size_t points);

  std::map<std::string, OfDevice> devices_;  // by UUID
  std::size_t count_ = 0;                    // of series
  std::int64_t step_ = 0;
};

}  // namespace tranche::node::history
