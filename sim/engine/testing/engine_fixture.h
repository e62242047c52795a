// A fixture for tests of the engine: one unit, and notes of what the engine tells.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sim/engine/engine.h"

namespace tranche::sim::engine::testing {

inline constexpr Time kUs = 1000;
inline constexpr Time kMs = 1000 * kUs;

using Lines = std::vector<std::string>;

// Writes down what it is told, times in microseconds: "done 3 10-20", "host 4 at 7". Contexts get
// the names that the test gives: "A 0-10" for computing, "to A 0-10" for a switch.
class Notes : public Observer {
 public:
  void OnDone(StreamId /*stream*/, const Task& task, Time begun, Time ended) override {
    done.push_back("done " + std::to_string(task.tag) + Span(begun, ended));
  }
  void OnHost(StreamId /*stream*/, const Task& task, Time at) override {
    done.push_back("host " + std::to_string(task.tag) + " at " + std::to_string(at / kUs));
  }
  void OnComputed(UnitId /*unit*/, ContextId context, Time begun, Time ended) override {
    turns.push_back(names.at(context) + Span(begun, ended));
  }
  void OnSwitched(UnitId /*unit*/, ContextId to, Time begun, Time ended) override {
    turns.push_back("to " + names.at(to) + Span(begun, ended));
  }

  std::map<ContextId, std::string> names;
  Lines done;
  Lines turns;

 private:
  static std::string Span(Time begun, Time ended) {
    return " " + std::to_string(begun / kUs) + "-" + std::to_string(ended / kUs);
  }
};

class EngineFixture : public ::testing::Test {
 protected:
  ContextId Context(const std::string& name) { return Context(name, unit_); }
  ContextId Context(const std::string& name, UnitId unit) {
    const ContextId context = engine_.AddContext(unit);
    notes_.names[context] = name;
    return context;
  }
  StreamId Stream(ContextId context, StreamKind kind = StreamKind::kNonBlocking) {
    return engine_.AddStream(context, kind);
  }
  // Tags and numbers count up over all streams, from 1.
  Point Submit(StreamId stream, Work work, Time length = 0,
               std::optional<Point> after = std::nullopt, Time submitted = 0) {
    ++count_;
    engine_.Submit(stream, {.work = work,
                            .number = count_,
                            .submitted = submitted,
                            .length = length,
                            .after = after,
                            .tag = count_});
    return {.stream = stream, .number = count_};
  }
  Point Kernel(StreamId stream, Time length, std::optional<Point> after = std::nullopt,
               Time submitted = 0) {
    return Submit(stream, Work::kKernel, length, after, submitted);
  }
  // What is done until then; and who computed.
  Lines Done(Time until) {
    engine_.AdvanceTo(until);
    return std::exchange(notes_.done, {});
  }
  Lines Turns(Time until) {
    engine_.AdvanceTo(until);
    return std::exchange(notes_.turns, {});
  }

  Notes notes_;
  Engine engine_{notes_};
  UnitId unit_ = engine_.AddUnit({.slice = 1000 * kUs, .switch_cost = 50 * kUs});
  std::uint64_t count_ = 0;
};

}  // namespace tranche::sim::engine::testing
