#include "sim/engine/testing/played.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <random>

namespace tranche::sim::engine::testing {
namespace {

class Actor {
 public:
  Actor(const Program& program, Time step, unsigned seed)
      : program_(program), step_(step), random_(seed), next_(program.from) {}

  // When it launches next if nothing is done meanwhile.
  [[nodiscard]] std::optional<Time> Next(Time now) const {
    return waiting_ || queued_ >= program_.queue ? std::nullopt
                                                 : std::optional(std::max(next_, now));
  }

  Task Launch(Time now) {
    if (program_.burst > 0) {
      if (launched_ == 0) {
        burst_begun_ = now;
      }
      waiting_ = ++launched_ == program_.burst;
    }
    next_ = now + Whole(static_cast<double>(program_.interval));
    ++queued_;
    return {.work = Work::kKernel, .number = ++number_, .submitted = now, .length = Length()};
  }

  void Done(Time now, Share* share) {
    --queued_;
    share->first_done = share->first_done.value_or(now - program_.from);
    if (waiting_ && queued_ == 0) {
      share->latencies.push_back(now - burst_begun_);
      waiting_ = false;
      launched_ = 0;
      next_ = now + Think();
    }
  }

 private:
  static double AsPart(std::uint64_t random) {  // above 0, at most 1
    return static_cast<double>((random >> 11U) + 1) * 0x1p-53;
  }
  double Uniform() { return AsPart(random_()); }
  Time Think() {
    // Multiples of the golden ratio lie evenly, so that the mean is soon what it should be.
    thought_ += 0x9E3779B97F4A7C15;
    return static_cast<Time>(static_cast<double>(program_.think) * -std::log(AsPart(thought_)));
  }
  Time Whole(double length) const {
    return static_cast<Time>(std::ceil(length / static_cast<double>(step_))) * step_;
  }
  Time Length() {
    const auto mean = static_cast<double>(program_.kernel);
    if (program_.spread <= 0) {
      return Whole(mean);
    }
    const double deviation = std::sqrt(std::log(1 + program_.spread * program_.spread));
    const double radius = std::sqrt(-2 * std::log(Uniform()));
    const double normal = radius * std::cos(2 * std::numbers::pi * Uniform());
    return Whole(mean * std::exp(deviation * normal - deviation * deviation / 2));
  }

  const Program program_;
  const Time step_;
  std::mt19937_64 random_;
  std::uint64_t thought_ = 0;
  Time next_;
  std::uint64_t number_ = 0;
  std::size_t queued_ = 0;
  unsigned launched_ = 0;  // of the burst
  bool waiting_ = false;
  Time burst_begun_ = 0;
};

class Stage : public Observer {
 public:
  Stage(const Play& play, const std::vector<Program>& programs)
      : play_(play), window_(play.window > 0 ? play.window : std::max<Time>(play.length, 1)) {
    const UnitId unit = engine_.AddUnit(play.hardware);
    for (const Program& program : programs) {
      const ContextId context = engine_.AddContext(unit);
      contexts_.push_back(context);
      streams_.push_back(engine_.AddStream(context, StreamKind::kNonBlocking));
      actors_.emplace_back(program, play.step, static_cast<unsigned>(actors_.size() + 1));
    }
    shares_.resize(programs.size());
    for (Share& share : shares_) {
      share.windows.resize(static_cast<std::size_t>((play.length + window_ - 1) / window_));
    }
  }

  std::vector<Share> Run() {
    while (engine_.now() < play_.length) {
      Time next = play_.length;
      for (const Actor& actor : actors_) {
        next = std::min(next, actor.Next(engine_.now()).value_or(next));
      }
      next = std::min(next, engine_.NextEvent().value_or(next));
      for (std::size_t i = 0; i < actors_.size(); ++i) {
        if (next < play_.length && actors_[i].Next(engine_.now()) == next) {
          engine_.Submit(streams_[i], actors_[i].Launch(next));
        }
      }
      engine_.AdvanceTo(next);
    }
    engine_.ReportComputed();
    return shares_;
  }

  void OnDone(StreamId stream, const Task& /*task*/, Time /*begun*/, Time ended) override {
    const std::size_t index = IndexOf(streams_, stream);
    actors_[index].Done(ended, &shares_[index]);
  }
  void OnHost(StreamId /*stream*/, const Task& /*task*/, Time /*at*/) override {}
  void OnComputed(UnitId /*unit*/, ContextId context, Time begun, Time ended) override {
    Share& share = shares_[IndexOf(contexts_, context)];
    share.computed += ended - begun;
    while (begun < ended) {
      const Time window = begun / window_;
      const Time until = std::min(ended, (window + 1) * window_);
      share.windows[static_cast<std::size_t>(window)] += until - begun;
      begun = until;
    }
  }
  void OnSwitched(UnitId /*unit*/, ContextId /*to*/, Time /*begun*/, Time /*ended*/) override {}

 private:
  static std::size_t IndexOf(const std::vector<std::uint32_t>& ids, std::uint32_t id) {
    return static_cast<std::size_t>(std::find(ids.begin(), ids.end(), id) - ids.begin());
  }

  const Play play_;
  const Time window_;
  Engine engine_{*this};
  std::vector<ContextId> contexts_;
  std::vector<StreamId> streams_;
  std::vector<Actor> actors_;
  std::vector<Share> shares_;
};

}  // namespace

Time Quantile(std::vector<Time> latencies, double part) {
  if (latencies.empty()) {
    return -1;
  }
  std::sort(latencies.begin(), latencies.end());
  const auto index = static_cast<std::size_t>(part * static_cast<double>(latencies.size()));
  return latencies[std::min(index, latencies.size() - 1)];
}

std::vector<Share> Perform(const Play& play, const std::vector<Program>& programs) {
  return Stage(play, programs).Run();
}

}  // namespace tranche::sim::engine::testing
