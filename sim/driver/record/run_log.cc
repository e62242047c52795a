#include "sim/driver/record/run_log.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace tranche::sim::driver {
namespace {

// Runs of one context become one line while the gaps are at most this, and the line covers at most
// the other.
constexpr Time kMaxGap = 1'000'000;
constexpr Time kMaxSpan = 100'000'000;

std::string Quoted(const std::string& text) { return base::Json(text).Dump(); }

std::string Number(std::uint32_t instance) {
  return instance == kWholeGpu ? "null" : std::to_string(instance);
}

std::string ProcessLine(const ProcessAccount& process) {
  return fmt::format(R"({{"event":"process","ns":{},"pid":{},"client":{},"name":{}}})",
                     process.begun, process.pid, process.client, Quoted(process.name));
}

std::string ContextLine(const ProcessAccount& process, const ContextAccount& context) {
  return fmt::format(R"({{"event":"context","ns":{},"pid":{},"client":{},"context":{},"slot":{},)"
                     R"("gpu_instance":{},"taken_bytes":{},"free_bytes":{}}})",
                     context.begun, process.pid, process.client, context.number, context.slot,
                     Number(context.gpu_instance), context.taken, context.free);
}

}  // namespace

std::string RunLog::LivingLines(const Ledger& ledger) {
  std::string lines;
  for (const ProcessAccount& process : ledger.processes()) {
    if (process.ended >= 0) continue;
    lines += ProcessLine(process) + '\n';
    for (const ContextAccount& context : process.contexts) {
      if (context.ended < 0) lines += ContextLine(process, context) + '\n';
    }
  }
  return lines;
}

void RunLog::Began(const ProcessAccount& process) { Line(ProcessLine(process)); }

void RunLog::Ended(const ProcessAccount& process) {
  Close();
  Usage sum = process.without_context;
  for (const ContextAccount& context : process.contexts) sum.Add(context.usage);
  base::Json json = base::Json::MakeObject({{"event", "process_end"},
                                            {"ns", process.ended},
                                            {"pid", static_cast<std::int64_t>(process.pid)},
                                            {"client", process.client},
                                            {"name", process.name},
                                            {"begun_ns", process.begun},
                                            {"memory_peak_bytes", process.memory_peak}});
  json.Set("totals", UsageJson(sum));
  Line(json.Dump());
}

void RunLog::ContextBegan(const ProcessAccount& process, const ContextAccount& context) {
  Line(ContextLine(process, context));
}

void RunLog::ContextEnded(const ProcessAccount& process, const ContextAccount& context,
                          std::uint64_t freed, std::uint64_t free) {
  const auto place = runs_.find({context.slot, context.gpu_instance});
  if (place != runs_.end() && place->second.context == context.number) {
    WriteRun(place->second);
    runs_.erase(place);
  }
  for (const Direction direction : {Direction::kIn, Direction::kOut}) {
    const auto copies = copies_.find({context.number, direction});
    if (copies == copies_.end()) continue;
    WriteCopies(copies->second, direction);
    copies_.erase(copies);
  }
  kernels_.erase(context.number);
  base::Json json = base::Json::MakeObject({{"event", "context_end"},
                                            {"ns", context.ended},
                                            {"pid", static_cast<std::int64_t>(process.pid)},
                                            {"client", process.client},
                                            {"context", context.number},
                                            {"slot", context.slot},
                                            {"gpu_instance", InstanceJson(context.gpu_instance)},
                                            {"freed_bytes", freed},
                                            {"free_bytes", free}});
  json.Set("totals", UsageJson(context.usage));
  Line(json.Dump());
}

RunLog::Span RunLog::Begin(const ProcessAccount& process, const ContextAccount& context,
                           Time begun) {
  return {.pid = process.pid,
          .client = process.client,
          .context = context.number,
          .slot = context.slot,
          .gpu_instance = context.gpu_instance,
          .begun = begun,
          .ended = begun};
}

void RunLog::Computed(const ProcessAccount& process, const ContextAccount& context, Time begun,
                      Time ended, Time switched) {
  const Place place(context.slot, context.gpu_instance);
  auto run = runs_.find(place);
  if (run != runs_.end()) {
    const bool goes_on = run->second.context == context.number && switched == 0 &&
                         begun - run->second.ended <= kMaxGap &&
                         ended - run->second.begun <= kMaxSpan;
    if (!goes_on) {
      WriteRun(run->second);
      runs_.erase(run);
      run = runs_.end();
    }
  }
  if (run == runs_.end()) run = runs_.emplace(place, Begin(process, context, begun)).first;
  run->second.ended = ended;
  run->second.busy += ended - begun;
  run->second.switched += switched;
}

void RunLog::KernelDone(const ContextAccount& context, const std::string& name) {
  Kernels& kernels = kernels_[context.number];
  if (kernels.count++ == 0) {
    kernels.name = name;
    kernels.mixed = false;
  } else {
    kernels.mixed = kernels.mixed || kernels.name != name;
  }
}

void RunLog::WriteRun(const Span& run) {
  const Kernels kernels = std::exchange(kernels_[run.context], {});
  const std::string name = kernels.mixed || kernels.name.empty() ? "null" : Quoted(kernels.name);
  Line(fmt::format(
      R"({{"event":"run","slot":{},"gpu_instance":{},"context":{},"pid":{},"client":{},)"
      R"("begun_ns":{},"ended_ns":{},"computed_ns":{},"switched_ns":{},"kernels":{},"kernel":{}}})",
      run.slot, Number(run.gpu_instance), run.context, run.pid, run.client, run.begun, run.ended,
      run.busy, run.switched, kernels.count, name));
}

void RunLog::Copied(const ProcessAccount& process, const ContextAccount& context,
                    Direction direction, Time begun, Time ended, std::uint64_t bytes) {
  const std::pair key(context.number, direction);
  auto copies = copies_.find(key);
  if (copies != copies_.end() &&
      (begun - copies->second.ended > kMaxGap || ended - copies->second.begun > kMaxSpan)) {
    WriteCopies(copies->second, direction);
    copies_.erase(copies);
    copies = copies_.end();
  }
  if (copies == copies_.end()) {
    copies = copies_.emplace(key, Begin(process, context, begun)).first;
  }
  copies->second.ended = std::max(copies->second.ended, ended);
  copies->second.busy += ended - begun;
  copies->second.bytes += bytes;
  ++copies->second.count;
}

void RunLog::WriteCopies(const Span& copies, Direction direction) {
  Line(fmt::format(
      R"({{"event":"copies","direction":"{}","slot":{},"gpu_instance":{},"context":{},"pid":{},)"
      R"("client":{},"begun_ns":{},"ended_ns":{},"copying_ns":{},"copies":{},"bytes":{}}})",
      direction == Direction::kIn ? "in" : "out", copies.slot, Number(copies.gpu_instance),
      copies.context, copies.pid, copies.client, copies.begun, copies.ended, copies.busy,
      copies.count, copies.bytes));
}

void RunLog::MemoryChanged(const ProcessAccount& process, const Memory& memory, Time at) {
  Line(fmt::format(R"({{"event":"memory","what":"{}","ns":{},"pid":{},"client":{},"context":{},)"
                   R"("slot":{},"gpu_instance":{},"asked_bytes":{},"taken_bytes":{},)"
                   R"("free_bytes":{}}})",
                   memory.what, at, process.pid, process.client,
                   memory.context == 0 ? "null" : std::to_string(memory.context), memory.slot,
                   Number(memory.gpu_instance), memory.asked, memory.taken, memory.free));
}

void RunLog::Missing(const ProcessAccount& process, const std::string& call, Time at) {
  Line(fmt::format(R"({{"event":"missing","ns":{},"pid":{},"client":{},"call":{}}})", at,
                   process.pid, process.client, Quoted(call)));
}

void RunLog::Failed(const ProcessAccount& process, const ContextAccount& context,
                    std::uint32_t error, Time at) {
  Line(fmt::format(
      R"({{"event":"error","ns":{},"pid":{},"client":{},"context":{},"slot":{},"gpu_instance":{},)"
      R"("result":{}}})",
      at, process.pid, process.client, context.number, context.slot, Number(context.gpu_instance),
      error));
}

void RunLog::Close() {
  for (const auto& [place, run] : runs_) WriteRun(run);
  runs_.clear();
  for (const auto& [key, copies] : copies_) WriteCopies(copies, key.second);
  copies_.clear();
}

}  // namespace tranche::sim::driver
