// Random programs: whatever they submit, wait for and remove, the rules of engine.h hold for what
// the engine tells.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <random>
#include <tuple>
#include <vector>

#include "sim/engine/engine.h"

namespace tranche::sim::engine {
namespace {

constexpr Time kUs = 1000;

struct Given {  // a task as it was submitted
  std::size_t stream = 0;
  Task task;
  Time submitted = 0;
  bool done = false;
  Time begun = 0;
  Time ended = 0;
};

struct Lane {  // a stream
  StreamId id = 0;
  StreamKind kind = StreamKind::kBlocking;
  std::size_t context = 0;
  std::uint64_t count = 0;
  bool removed = false;
};

struct Span {
  ContextId context;
  Time begun;
  Time ended;
  bool computing;
  bool operator==(const Span&) const = default;
};

class Programs : public Observer {
 public:
  // `cuts`: into how many parts each advance is cut.
  explicit Programs(unsigned seed, int cuts) : random_(seed), cuts_(cuts) {
    for (int i = 0; i < 2; ++i) {
      units_.push_back(engine_.AddUnit({.slice = 100 * kUs, .switch_cost = 10 * kUs * i}));
    }
    for (int i = 0; i < 5; ++i) {
      unit_of_.push_back(Any(2));
      contexts_.push_back(engine_.AddContext(units_[unit_of_.back()]));
      removed_.push_back(std::nullopt);
      for (const StreamKind kind : {StreamKind::kLegacy, StreamKind::kBlocking,
                                    StreamKind::kBlocking, StreamKind::kNonBlocking}) {
        lanes_.push_back({.id = engine_.AddStream(contexts_.back(), kind),
                          .kind = kind,
                          .context = contexts_.size() - 1});
      }
    }
  }

  void Run() {
    for (int i = 0; i < 400; ++i) {
      Step();
    }
    while (engine_.NextEvent() || !hosts_.empty()) {
      FinishHost(engine_.now());
      Advance(kUs * 1000);
    }
  }

  void OnDone(StreamId stream, const Task& task, Time begun, Time ended) override {
    Given& given = given_[task.tag];
    EXPECT_EQ(lanes_[given.stream].id, stream);
    EXPECT_FALSE(given.done);
    EXPECT_GE(ended, last_told_);
    last_told_ = ended;
    given.done = true;
    given.begun = begun;
    given.ended = ended;
  }
  void OnHost(StreamId /*stream*/, const Task& task, Time at) override {
    EXPECT_GE(at, last_told_);
    hosts_.push_back(task.tag);
  }
  void OnComputed(UnitId unit, ContextId context, Time begun, Time ended) override {
    spans_[unit].push_back({context, begun, ended, true});
  }
  void OnSwitched(UnitId unit, ContextId to, Time begun, Time ended) override {
    spans_[unit].push_back({to, begun, ended, false});
  }

  void CheckStreams() const;
  void CheckWaits() const;
  void CheckLegacy() const;
  void CheckCopies(Work direction) const;
  void CheckUnits() const;

  // For comparison with another run.
  [[nodiscard]] std::vector<std::tuple<bool, Time, Time>> Times() const {
    std::vector<std::tuple<bool, Time, Time>> times;
    for (const Given& given : given_) {
      times.emplace_back(given.done, given.begun, given.ended);
    }
    return times;
  }
  [[nodiscard]] const std::map<UnitId, std::vector<Span>>& spans() const { return spans_; }

 private:
  std::size_t Any(std::size_t below) { return random_() % below; }

  void Step() {
    switch (Any(10)) {
      case 0:
      case 1:
        Advance(static_cast<Time>(Any(300)) * kUs);
        break;
      case 2:
        FinishHost(engine_.now() + static_cast<Time>(Any(3)) * 50 * kUs);
        break;
      case 3:
        Remove();
        break;
      default:
        Submit();
    }
  }

  void Advance(Time by) {
    const Time from = engine_.now();
    for (int i = 1; i <= cuts_; ++i) {
      engine_.AdvanceTo(from + by * i / cuts_);
    }
  }

  void Submit() {
    const std::size_t index = Any(lanes_.size());
    Lane& lane = lanes_[index];
    if (lane.removed || removed_[lane.context]) {
      return;
    }
    constexpr Work kWorks[] = {Work::kKernel,  Work::kKernel,  Work::kKernel, Work::kCopyIn,
                               Work::kCopyOut, Work::kNothing, Work::kHost};
    Task task = {.work = kWorks[Any(std::size(kWorks))],
                 .number = ++lane.count,
                 .submitted = engine_.now() + static_cast<Time>(Any(3)) * 20 * kUs - 20 * kUs,
                 .length = static_cast<Time>(Any(250)) * kUs,
                 .tag = given_.size()};
    if (!given_.empty() && Any(3) == 0) {
      const Given& other = given_[Any(given_.size())];
      task.after = Point{.stream = lanes_[other.stream].id, .number = other.task.number};
      after_.emplace(given_.size(), other.task.tag);
    }
    given_.push_back(
        {.stream = index, .task = task, .submitted = std::max(task.submitted, engine_.now())});
    engine_.Submit(lane.id, task);
  }

  void FinishHost(Time at) {
    if (!hosts_.empty()) {
      const std::size_t index = Any(hosts_.size());
      const Given& given = given_[hosts_[index]];
      engine_.HostDone(lanes_[given.stream].id, given.task.number, at);
      hosts_.erase(hosts_.begin() + static_cast<std::ptrdiff_t>(index));
    }
  }

  void Remove() {
    if (Any(8) == 0) {
      const std::size_t context = Any(contexts_.size());
      if (!removed_[context]) {
        removed_[context] = engine_.now();
        engine_.RemoveContext(contexts_[context]);
      }
    } else if (Any(4) == 0) {
      Lane& lane = lanes_[Any(lanes_.size())];
      lane.removed = lane.removed || lane.kind != StreamKind::kLegacy;
      engine_.RemoveStream(lane.id);
    }
  }

  // Until when others had to wait for it: its end, or that of its context.
  [[nodiscard]] Time Over(const Given& given) const {
    return given.done ? given.ended : removed_[lanes_[given.stream].context].value_or(-1);
  }

  std::mt19937 random_;
  const int cuts_;
  Engine engine_{*this};
  std::vector<UnitId> units_;
  std::vector<ContextId> contexts_;
  std::vector<std::size_t> unit_of_;          // by context
  std::vector<std::optional<Time>> removed_;  // by context
  std::vector<Lane> lanes_;
  std::vector<Given> given_;
  std::map<std::size_t, std::size_t> after_;  // tag, and the tag that it waits for
  std::vector<std::size_t> hosts_;            // tags of those that wait for HostDone
  std::map<UnitId, std::vector<Span>> spans_;
  Time last_told_ = 0;
};

void Programs::CheckStreams() const {
  std::map<std::size_t, Time> ended;
  for (const Given& given : given_) {
    ASSERT_TRUE(given.done || removed_[lanes_[given.stream].context]) << given.task.tag;
    if (given.done) {
      EXPECT_GE(given.begun, given.submitted);
      EXPECT_GE(given.begun, ended[given.stream]);
      ended[given.stream] = given.ended;
    }
  }
}

void Programs::CheckWaits() const {
  for (const auto& [tag, other] : after_) {
    if (given_[tag].done) {
      EXPECT_GE(Over(given_[other]), 0);
      EXPECT_GE(given_[tag].begun, Over(given_[other])) << tag << " after " << other;
    }
  }
}

void Programs::CheckLegacy() const {
  for (std::size_t later = 0; later < given_.size(); ++later) {
    for (std::size_t earlier = 0; earlier < later; ++earlier) {
      const Lane& a = lanes_[given_[earlier].stream];
      const Lane& b = lanes_[given_[later].stream];
      const bool ordered = a.context == b.context && a.kind != StreamKind::kNonBlocking &&
                           b.kind != StreamKind::kNonBlocking &&
                           (a.kind == StreamKind::kLegacy || b.kind == StreamKind::kLegacy);
      if (ordered && given_[later].done) {
        ASSERT_TRUE(given_[earlier].done);
        EXPECT_GE(given_[later].begun, given_[earlier].ended) << later << " " << earlier;
      }
    }
  }
}

void Programs::CheckCopies(Work direction) const {
  for (std::size_t unit = 0; unit < units_.size(); ++unit) {
    std::vector<std::pair<Time, Time>> copies;
    for (const Given& given : given_) {
      if (given.done && given.task.work == direction &&
          unit_of_[lanes_[given.stream].context] == unit) {
        EXPECT_EQ(given.ended - given.begun, given.task.length);
        copies.emplace_back(given.begun, given.ended);
      }
    }
    std::sort(copies.begin(), copies.end());
    for (std::size_t i = 1; i < copies.size(); ++i) {
      EXPECT_GE(copies[i].first, copies[i - 1].second);
    }
  }
}

void Programs::CheckUnits() const {
  std::map<ContextId, Time> computed;
  for (const auto& [unit, spans] : spans_) {
    Time end = 0;
    std::optional<ContextId> last;
    for (const Span& span : spans) {
      EXPECT_GE(span.begun, end);
      end = span.ended;
      if (span.computing) {
        computed[span.context] += span.ended - span.begun;
        EXPECT_TRUE(unit == units_[0] || last == span.context);  // the first switches for nothing
      }
      last = span.context;
    }
  }
  std::map<ContextId, Time> asked;
  for (const Given& given : given_) {
    if (given.done && given.task.work == Work::kKernel) {
      asked[contexts_[lanes_[given.stream].context]] += given.task.length;
      EXPECT_GE(given.ended - given.begun, given.task.length);
    }
  }
  for (std::size_t i = 0; i < contexts_.size(); ++i) {
    if (removed_[i]) {
      EXPECT_GE(computed[contexts_[i]], asked[contexts_[i]]);
    } else {
      EXPECT_EQ(computed[contexts_[i]], asked[contexts_[i]]);
    }
  }
}

TEST(RandomPrograms, KeepTheRules) {
  for (unsigned seed = 0; seed < 300; ++seed) {
    SCOPED_TRACE(seed);
    Programs programs(seed, 1);
    programs.Run();
    programs.CheckStreams();
    programs.CheckWaits();
    programs.CheckLegacy();
    programs.CheckCopies(Work::kCopyIn);
    programs.CheckCopies(Work::kCopyOut);
    programs.CheckUnits();
    if (::testing::Test::HasFailure()) {
      return;
    }
  }
}

TEST(RandomPrograms, HaveTheSameTimesHoweverTheEngineAdvances) {
  for (unsigned seed = 0; seed < 100; ++seed) {
    Programs once(seed, 1);
    Programs again(seed, 7);
    once.Run();
    again.Run();
    ASSERT_EQ(once.Times(), again.Times()) << seed;
    ASSERT_EQ(once.spans(), again.spans()) << seed;
  }
}

}  // namespace
}  // namespace tranche::sim::engine
