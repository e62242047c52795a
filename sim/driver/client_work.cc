// A client's work: what it submits, graphs, and what it waits for.
#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

#include "sim/driver/client.h"
#include "sim/driver/constants.h"
#include "sim/driver/machine.h"

namespace tranche::sim::driver {
namespace {

using link::Counter;
using link::Kind;
using link::Work;

constexpr std::size_t kManyTasks = 32768;         // wait until some are done
constexpr std::size_t kTooManyTasks = 1 << 20;    // no program submits so much beside a host call
constexpr std::size_t kMaxGraphSteps = 1 << 18;   // of all graphs of one client
constexpr Time kLongest = 1'000'000'000'000'000;  // 11 days
constexpr Time kFuture = 1'000'000;               // a clock that was read a little later than ours

// In the engine a stream's tasks have even numbers: a graph's launch has one before its own.
std::uint64_t EngineNumber(std::uint64_t number) { return number * 2; }

engine::Work EngineWork(Work work) {
  switch (work) {
    case Work::kKernel:
    case Work::kCopyOnDevice:
    case Work::kFill:
      return engine::Work::kKernel;
    case Work::kCopyToDevice:
      return engine::Work::kCopyIn;
    case Work::kCopyToHost:
      return engine::Work::kCopyOut;
    case Work::kHost:
      return engine::Work::kHost;
    default:
      return engine::Work::kNothing;
  }
}

Time Length(const Device& device, Work work, std::uint64_t amount) {
  switch (work) {
    case Work::kKernel:
      return static_cast<Time>(std::min<std::uint64_t>(amount, kLongest));
    case Work::kCopyToDevice:
    case Work::kCopyToHost:
      return device.HostCopyTime(amount);
    case Work::kCopyOnDevice:
      return device.DeviceCopyTime(amount);
    case Work::kFill:
      return device.FillTime(amount);
    default:
      return 0;
  }
}

bool Known(Work work) { return work >= Work::kKernel && work <= Work::kNotify; }

}  // namespace

bool Client::Congested() const { return waiting_hosts_ == 0 && pending_ >= kManyTasks; }

engine::Task Client::TaskFor(const Stream& stream, const link::Submit& submit) {
  engine::Task task;
  task.work = EngineWork(submit.work);
  task.number = EngineNumber(submit.number);
  task.submitted = submit.stamp_ns;
  task.length = Length(*stream.context->device, submit.work, submit.amount);
  if (submit.work == Work::kAfter) {
    const Stream* other = FindStream(submit.after_stream);
    // What has not been submitted yet is not waited for: CUDA's waits only point backwards.
    if (other != nullptr && submit.other != 0 && submit.other <= other->last) {
      task.after = engine::Point{other->engine, EngineNumber(submit.other)};
    }
  }
  return task;
}

bool Client::On(const link::Submit& submit, Time now) {
  if (!Known(submit.work) || submit.stream >= link::kMaxStreams) return false;
  if (submit.work == Work::kMark && submit.mark >= link::kMaxMarks) return false;
  if (pending_ >= kTooManyTasks) return false;
  Stream* stream = FindStream(submit.stream);
  if (stream == nullptr || stream->context->error != 0) return true;  // it has gone meanwhile
  if (submit.number != stream->last + 1) return false;
  stream->last = submit.number;
  link::Submit checked = submit;
  checked.stamp_ns = std::clamp<std::int64_t>(submit.stamp_ns, 0, now + kFuture);
  const Queue* queue = machine_.FindQueue(stream->engine);
  const Time engine_now = machine_.engine().now();
  // A stamp older than the one before says nothing of when it was submitted: it is not lateness.
  const bool in_order = checked.stamp_ns >= stream->last_stamp;
  stream->last_stamp = checked.stamp_ns = std::max(checked.stamp_ns, stream->last_stamp);
  stream->context->account->usage.lateness.Add(in_order ? engine_now - checked.stamp_ns : 0,
                                               queue->waiting.empty());
  const auto graph = graphs_.find(submit.amount);
  if (submit.work == Work::kGraph && graph != graphs_.end()) {
    SubmitGraph(*stream, graph->second, checked);
    return true;
  }
  Enqueue(stream->engine, TaskFor(*stream, checked),
          {.work = submit.work,
           .launch = submit.launch != 0,
           .name = submit.name,
           .mark = submit.mark,
           .number = submit.number,
           .other = submit.other,
           .bytes = submit.amount});
  return true;
}

void Client::Enqueue(engine::StreamId stream, const engine::Task& task,
                     const Submitted& submitted) {
  Queue* queue = machine_.FindQueue(stream);
  queue->last = task.number;
  queue->waiting.push_back(submitted);
  ++pending_;
  if (submitted.work == Work::kHost) ++waiting_hosts_;
  machine_.engine().Submit(stream, task);
}

// A mark where the graph begins, its nodes in lanes that wait for it, and, in the stream itself,
// the graph's own number when all lanes are done.
void Client::SubmitGraph(Stream& stream, const GraphPlan& plan, const link::Submit& submit) {
  const std::uint64_t end = EngineNumber(submit.number);
  const engine::Point begin{stream.engine, end - 1};
  Enqueue(stream.engine, {.number = begin.number, .submitted = submit.stamp_ns}, {});
  while (stream.lanes.size() < plan.lanes) {
    const engine::StreamId lane =
        machine_.engine().AddStream(stream.context->engine, engine::StreamKind::kNonBlocking);
    machine_.AddQueue(lane, *stream.context, stream.index);
    stream.lanes.push_back(lane);
  }
  std::vector<engine::Point> points;
  std::vector<bool> begun(plan.lanes, false);
  const auto add = [&](unsigned lane, engine::Task task, const Submitted& what) {
    task.number = machine_.FindQueue(stream.lanes[lane])->last + 1;
    task.submitted = submit.stamp_ns;
    Enqueue(stream.lanes[lane], task, what);
    return engine::Point{stream.lanes[lane], task.number};
  };
  for (const GraphStep& step : plan.steps) {
    if (!begun[step.lane]) add(step.lane, {.after = begin}, {});
    begun[step.lane] = true;
    engine::Task task{.work = EngineWork(step.work),
                      .length = Length(*stream.context->device, step.work, step.amount)};
    if (step.after) task.after = points[*step.after];
    points.push_back(
        add(step.lane, task, {.work = step.work, .name = step.name, .bytes = step.amount}));
  }
  // The first lane waits for the others, the stream for the first.
  engine::Point last = begin;
  for (unsigned lane = 1; lane < plan.lanes; ++lane) {
    last = add(0, {.after = points[plan.ends[lane]]}, {});
  }
  if (plan.lanes == 1) last = points[plan.ends[0]];
  Enqueue(stream.engine, {.number = end, .submitted = submit.stamp_ns, .after = last},
          {.work = Work::kGraph, .launch = submit.launch != 0, .number = submit.number});
}

bool Client::On(const GraphDefinition& graph, Time) {
  std::optional<GraphPlan> plan = PlanGraph(graph.nodes);
  if (!plan) return AnswerResult(Kind::kGraphDefine, kNotSupported);
  const std::size_t before =
      graphs_.contains(graph.define.graph) ? graphs_[graph.define.graph].steps.size() : 0;
  const std::size_t after = graph_steps_ - before + plan->steps.size();
  if (after > kMaxGraphSteps || graphs_.size() >= kMaxGraphSteps) {
    return AnswerResult(Kind::kGraphDefine, kOutOfMemory);
  }
  graph_steps_ = after;
  graphs_[graph.define.graph] = std::move(*plan);
  return AnswerResult(Kind::kGraphDefine, kSuccess);
}

bool Client::On(const link::GraphForget& forget, Time) {
  const auto at = graphs_.find(forget.graph);
  if (at == graphs_.end()) return AnswerResult(Kind::kGraphForget, kInvalidHandle);
  graph_steps_ -= at->second.steps.size();
  graphs_.erase(at);
  return AnswerResult(Kind::kGraphForget, kSuccess);
}

bool Client::On(const link::HostDone& done, Time now) {
  const auto at = streams_.find(done.stream);  // a destroyed one still has its host calls
  if (at == streams_.end() || at->second->context->error != 0) return true;
  const Stream* stream = at->second.get();
  if (done.number == 0 || done.number > stream->last) return false;
  machine_.engine().HostDone(stream->engine, EngineNumber(done.number), now);
  return true;
}

std::uint64_t* Client::CounterOf(Counter counter, std::uint32_t index) {
  link::Page& page = page_->page();
  switch (counter) {
    case Counter::kStream:
      return index < link::kMaxStreams ? &page.streams[index].finished : nullptr;
    case Counter::kContext:
      return index < link::kMaxContexts ? &page.contexts[index].finished : nullptr;
    case Counter::kMark:
      return index < link::kMaxMarks ? &page.marks[index].generation : nullptr;
    case Counter::kHostCalls:
      return index < link::kMaxContexts ? &page.contexts[index].host_calls : nullptr;
  }
  return nullptr;
}

bool Client::On(const link::Await& await, Time) {
  const std::uint64_t* counter = CounterOf(await.counter, await.index);
  if (counter == nullptr) return false;
  if (*counter >= await.value) {
    PageFile::Wake(*counter);
    return true;
  }
  return awaits_.Add({await.counter, await.index}, await.value);
}

void Client::Raise(Counter counter, std::uint32_t index, std::uint64_t value) {
  std::uint64_t* word = CounterOf(counter, index);
  PageFile::Set(*word, value);
  if (awaits_.Reached({counter, index}, value)) PageFile::Wake(*word);
}

void Client::OnDone(Context& context, const Queue& queue, const Submitted& done, Time ended) {
  --pending_;
  if (done.work == Work::kHost) --waiting_hosts_;
  if (done.work == Work::kMark) {
    page_->page().marks[done.mark].time_ns = ended;
    Raise(Counter::kMark, done.mark, done.other);
  }
  if (done.work == Work::kNotify) OnHost(context, queue, done);
  if (done.number != 0) Raise(Counter::kStream, queue.stream, done.number);
  if (done.launch) Raise(Counter::kContext, context.index, ++context.finished);
}

void Client::OnHost(Context& context, const Queue& queue, const Submitted& host) {
  PageFile::Set(page_->page().streams[queue.stream].host_number, host.number);
  Raise(Counter::kHostCalls, context.index, ++context.host_calls);
}

void Client::Forget(const Queue& queue) {
  pending_ -= queue.waiting.size();
  waiting_hosts_ -= static_cast<std::size_t>(
      std::count_if(queue.waiting.begin(), queue.waiting.end(),
                    [](const Submitted& submitted) { return submitted.work == Work::kHost; }));
}

}  // namespace tranche::sim::driver
