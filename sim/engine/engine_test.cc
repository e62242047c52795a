#include "sim/engine/engine.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace tranche::sim::engine {
namespace {

constexpr Time kUs = 1000;
constexpr Time kMs = 1000 * kUs;

// Writes down what it is told, times in microseconds: "done 3 10-20".
class Notes : public Observer {
 public:
  void OnDone(StreamId, const Task& task, Time begun, Time ended) override {
    Add("done " + std::to_string(task.tag), begun, ended);
  }
  void OnHost(StreamId, const Task& task, Time at) override {
    Add("host " + std::to_string(task.tag), at, at);
  }
  void OnComputed(UnitId, ContextId context, Time begun, Time ended) override {
    spans.push_back({context, begun, ended});
  }
  void OnSwitched(UnitId, ContextId to, Time begun, Time ended) override {
    switches.push_back({to, begun, ended});
  }

  struct Span {
    ContextId context;
    Time begun;
    Time ended;
    bool operator==(const Span&) const = default;
  };
  std::vector<std::string> lines;
  std::vector<Span> spans;
  std::vector<Span> switches;

 private:
  void Add(const std::string& what, Time begun, Time ended) {
    lines.push_back(what + " " + std::to_string(begun / kUs) + "-" + std::to_string(ended / kUs));
  }
};

using Lines = std::vector<std::string>;

class EngineTest : public ::testing::Test {
 protected:
  ContextId Context() { return engine.AddContext(unit); }
  StreamId Stream(ContextId context, StreamKind kind = StreamKind::kNonBlocking) {
    return engine.AddStream(context, kind);
  }
  // Tags and numbers are one count over all streams.
  Point Submit(StreamId stream, Work work, Time length, std::optional<Point> after = std::nullopt,
               Time submitted = 0) {
    ++count;
    engine.Submit(stream, {.work = work,
                           .number = count,
                           .submitted = submitted,
                           .length = length,
                           .after = after,
                           .tag = count});
    return {.stream = stream, .number = count};
  }
  Point Kernel(StreamId stream, Time length, std::optional<Point> after = std::nullopt,
               Time submitted = 0) {
    return Submit(stream, Work::kKernel, length, after, submitted);
  }
  Lines After(Time time) {
    engine.AdvanceTo(time);
    return std::exchange(notes.lines, {});
  }

  Notes notes;
  Engine engine{notes};
  UnitId unit = engine.AddUnit({.slice = 1000 * kUs, .switch_cost = 50 * kUs});
  std::uint64_t count = 0;
};

TEST_F(EngineTest, AStreamDoesItsTasksInOrderFromTheirSubmission) {
  const StreamId stream = Stream(Context());
  EXPECT_EQ(engine.NextEvent(), std::nullopt);
  Kernel(stream, 10 * kUs);
  Kernel(stream, 20 * kUs);
  Kernel(stream, 5 * kUs, std::nullopt, 200 * kUs);
  EXPECT_EQ(engine.Pending(stream), 3U);
  EXPECT_EQ(engine.NextEvent(), 0);
  EXPECT_EQ(After(70 * kUs), (Lines{"done 1 50-60"}));
  EXPECT_EQ(engine.NextEvent(), 80 * kUs);
  EXPECT_EQ(After(kMs), (Lines{"done 2 60-80", "done 3 200-205"}));
  EXPECT_EQ(engine.NextEvent(), std::nullopt);
  EXPECT_EQ(engine.Pending(stream), 0U);
}

}  // namespace
}  // namespace tranche::sim::engine
